import os
import subprocess
import sys
from pathlib import Path

import pytest

from rooms_gateway.cli import demo

ANNOUNCE = "print('rooms-gateway is ready on 127.0.0.1:1', flush=True)"
WAIT = "import time; time.sleep(60)"


def script(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


def test_the_demo_walks_a_rooms_whole_life_and_exits_with_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rooms_gateway", "demo"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n$ rooms-gateway ") == len(demo.STEPS)


def test_a_gateway_that_ends_before_it_is_ready_is_reported_with_the_end_of_its_log() -> None:
    with pytest.raises(demo.DemoError, match="ended before it was ready") as caught:
        demo.run(script("print('starting', flush=True)", "raise SystemExit('no such thing')"))
    assert str(caught.value).endswith("\n  no such thing")


def test_a_gateway_that_is_never_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_START_SECONDS", 0.1)
    with pytest.raises(demo.DemoError, match="not ready in time"):
        demo.run(script(WAIT))


def test_an_unexpected_answer_ends_the_walk_and_the_gateway(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    note_pid = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))"
    with pytest.raises(demo.DemoError, match="exit code 0, not 78"):
        demo.run(script(note_pid, ANNOUNCE, WAIT))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("on_sigterm", "complaint"),
    [
        ("lambda *_: exit(3)", "stopped with exit code 3"),
        ("signal.SIG_IGN", "did not stop within 0.2 s"),
    ],
)
def test_a_gateway_that_does_not_stop_cleanly_is_reported(
    on_sigterm: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_STOP_SECONDS", 0.2 if "IGN" in on_sigterm else 30)
    monkeypatch.setattr(demo, "walk", lambda _: None)
    stubborn = script(
        "import signal", f"signal.signal(signal.SIGTERM, {on_sigterm})", ANNOUNCE, WAIT
    )
    with pytest.raises(demo.DemoError, match=complaint):
        demo.run(stubborn)
