"""`rooms-gateway demo`: its steps, and the end of the gateway that it starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rooms_gateway.cli import demo

ANNOUNCE = "print('rooms-gateway is ready on 127.0.0.1:1', flush=True)"
WAIT = "import time; time.sleep(60)"


def script(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(lines)]


def test_demo_runs_all_steps_and_exits_with_0() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rooms_gateway", "demo"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n$ rooms-gateway ") == len(demo.STEPS)


def test_early_exit_of_the_gateway_is_reported() -> None:
    with pytest.raises(demo.DemoError, match="ended before it was ready") as caught:
        demo.run(script("print('starting', flush=True)", "raise SystemExit('no such thing')"))
    assert str(caught.value).endswith("\n  no such thing")


def test_gateway_that_is_never_ready_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_START_TIMEOUT", 0.1)
    with pytest.raises(demo.DemoError, match="not ready in time"):
        demo.run(script(WAIT))


def test_failed_step_ends_demo_and_gateway(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    note_pid = f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))"
    with pytest.raises(demo.DemoError, match="exit code 0, got 78"):
        demo.run(script(note_pid, ANNOUNCE, WAIT))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(
    ("on_sigterm", "error"),
    [
        ("lambda *_: exit(3)", "stopped with exit code 3"),
        ("signal.SIG_IGN", "did not stop within 0.2 s"),
    ],
)
def test_gateway_that_stops_uncleanly_is_reported(
    on_sigterm: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_STOP_TIMEOUT", 0.2 if "IGN" in on_sigterm else 30)
    monkeypatch.setattr(demo, "run_steps", lambda _: None)
    stubborn = script(
        "import signal", f"signal.signal(signal.SIGTERM, {on_sigterm})", ANNOUNCE, WAIT
    )
    with pytest.raises(demo.DemoError, match=error):
        demo.run(stubborn)


def test_ctrl_c_ends_demo_and_gateway_with_130(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        gateway = script(
            f"import os, pathlib; pathlib.Path({str(pid_file)!r}).write_text(str(os.getpid()))",
            f"print('rooms-gateway is ready on 127.0.0.1:{silent.getsockname()[1]}', flush=True)",
            WAIT,
        )
        program = script(
            "import signal",
            "signal.signal(signal.SIGINT, signal.default_int_handler)",
            "from rooms_gateway.cli import demo",
            f"demo.run({gateway!r})",
        )
        with subprocess.Popen(
            program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGINT)
                assert process.communicate(timeout=30)[1] == b""
            assert process.returncode == 130
    # Killed by the demo, and reaped by init.
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid_file.read_text()}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
