"""An emulator of its own process, as a test holds it."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rooms_gateway.testing.control import Control, ControlError
from rooms_gateway.testing.processes import Process
from rooms_gateway.testing.requests import Request

_ANY_PORT = "127.0.0.1:0"
_SHOWN_REQUESTS = 30
_LONGEST_REFUSAL = 3600.0


@dataclass(frozen=True, slots=True)
class OrderedFault:
    """A fault that was ordered, and what has become of it."""

    id: int
    _control: Control

    @property
    def matched(self) -> int:
        """How many requests it has applied to, also those that it let pass."""
        return int(self._rule()["matched"])

    @property
    def struck(self) -> int:
        """How many requests it has struck."""
        return int(self._rule()["struck"])

    def _rule(self) -> Mapping[str, Any]:
        for rule in self._control.call("GET", "faults")["faults"]:
            if rule["id"] == self.id:
                found: Mapping[str, Any] = rule
                return found
        raise ControlError(f"fault {self.id} was cleared")


class RoomsEmulator:
    """An emulator of the Rooms REST API, on free ports, for the time of one test.

    Every method blocks for a millisecond or so; in an asynchronous test, too, that is fine.

    Args:
        seed: decides what is drawn for faults.
        options: more flags of `rooms-gateway emulator`.

    Raises:
        ProcessError: it did not start.

    """

    def __init__(self, seed: int, options: Sequence[str] = ()) -> None:
        self.seed = seed
        self._process = Process(
            [
                "emulator",
                f"--listen={_ANY_PORT}",
                f"--control-listen={_ANY_PORT}",
                f"--fault-seed={seed}",
                "--journal-length=10000",
                *options,
            ],
            ready="control=(.*)",
        )
        string = self._process.find("(endpoint=.*)") or ""
        self.endpoint = string.removeprefix("endpoint=").partition("/;")[0]
        """Where it is, such as `http://127.0.0.1:35535`."""
        self.key = string.partition("accesskey=")[2]
        """The access key that it accepts, base64."""
        self.control_endpoint = self._process.find("control=(.*)") or ""
        """Where `/_emulator/` is served, also while connections are refused."""
        self._control = Control(self.control_endpoint)

    @property
    def connection_string(self) -> str:
        """What Communication Services clients are configured with."""
        return f"endpoint={self.endpoint}/;accesskey={self.key}"

    def fault(self, preset: str, on: str = "*", **members: Any) -> OrderedFault:
        """Order a fault by its name, such as `closed-after-effect`.

        Args:
            preset: its name.
            on: the operation to strike, such as `CreateRoom`; `*` is every request.
            members: what to put in the place of the preset's members, such as `count=2`.

        Raises:
            ControlError: there is no such preset, operation or member.

        """
        return self._order({"preset": preset, "operation": on, **_as_json(members)})

    def fail(self, on: str = "*", **members: Any) -> OrderedFault:
        """Order a fault by its members, such as `status=503, count=2`.

        Args:
            on: the operation to strike, such as `CreateRoom`; `*` is every request.
            members: those of a fault, as docs/emulator.md lists them for Python.

        Raises:
            ControlError: there is no such operation or member.

        """
        return self._order({"operation": on, **_as_json(members)})

    def clear_faults(self) -> None:
        """Take back every fault."""
        self._control.call("DELETE", "faults")

    def requests(self, operation: str | None = None) -> list[Request]:
        """Return the requests that came, oldest first; of one operation, or all."""
        entries = self._control.call("GET", "journal")["requests"]
        read = map(Request.read, entries)
        return [request for request in read if operation in (None, request.operation)]

    def clear_requests(self) -> None:
        """Forget the requests that came."""
        self._control.call("DELETE", "journal")

    def seed_rooms(self, count: int, *, participants: int = 0, deleted: bool = False) -> list[str]:
        """Add rooms, and return their ids, oldest first. Deleted ones only take places in pages."""
        order = {"count": count, "participants": participants, "deleted": deleted}
        ids: list[str] = self._control.call("POST", "rooms", order)["roomIds"]
        return ids

    def advance_clock(self, seconds: float) -> None:
        """Move the emulator's clock forward, or back if negative."""
        self._control.call("POST", "clock", {"advanceSeconds": seconds})

    def set_clock_offset(self, seconds: float) -> None:
        """Set the emulator's clock so far ahead of the real time, or behind it if negative."""
        self._control.call("POST", "clock", {"offsetSeconds": seconds})

    def freeze_clock(self) -> None:
        """Stop the emulator's clock."""
        self._control.call("POST", "clock", {"frozen": True})

    def accept_keys(self, *keys: str) -> None:
        """Accept these access keys from now on, base64, and no others; the first is `key`."""
        self._control.call("POST", "keys", {"keys": keys})
        self.key = keys[0]

    def rotate_key(self) -> str:
        """Accept a new access key from now on and no other; return it."""
        self.accept_keys(b64encode(secrets.token_bytes(32)).decode())
        return self.key

    def accept_tokens(self, *tokens: str) -> None:
        """Accept these bearer tokens from now on, and no others."""
        self._control.call("POST", "tokens", {"tokens": tokens})

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections inside of `with`; those that there were are closed at its start."""
        self.refuse(_LONGEST_REFUSAL)
        try:
            yield
        finally:
            self.refuse(0)

    def refuse(self, seconds: float) -> None:
        """Refuse connections for so many seconds, and close those that there are; 0 ends it."""
        self._control.call("POST", "refuse", {"seconds": seconds})

    def reset(self) -> None:
        """Make everything as it was at the start."""
        self._control.call("POST", "reset")

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def finish(self) -> None:
        """End the process; raise ProcessError if it had ended on its own."""
        self._process.finish()

    def describe(self) -> str:
        """Tell what happened, for whoever looks at a test that failed."""
        lines = [f"fault seed {self.seed}: repeat with --rooms-fault-seed={self.seed}"]
        try:
            rules = self._control.call("GET", "faults")["faults"]
            requests = self.requests()
        except ControlError as error:
            return "\n".join([*lines, str(error), self._process.shown_log()])
        for rule in rules:
            fault = rule["fault"]
            name = fault["label"] or "fault"
            lines.append(
                f"fault {rule['id']} {name} on {fault['operation']}: matched {rule['matched']}, "
                f"struck {rule['struck']}"
            )
        if len(requests) > _SHOWN_REQUESTS:
            lines.append(f"… {len(requests) - _SHOWN_REQUESTS} requests before …")
        lines += map(str, requests[-_SHOWN_REQUESTS:])
        return "\n".join(lines)

    def _order(self, fault: Mapping[str, Any]) -> OrderedFault:
        return OrderedFault(self._control.call("POST", "faults", fault)["id"], self._control)


def _as_json(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _camel(name): b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in members.items()
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
