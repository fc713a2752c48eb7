"""An emulator as a process, for one test."""

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
_CONTROL_KEY = "ROOMS_EMULATOR_CONTROL_KEY"
_SHOWN_REQUESTS = 30
_MAX_REFUSAL = 3600.0


@dataclass(frozen=True, slots=True)
class OrderedFault:
    """A fault in the emulator's list, with its counters."""

    id: int
    _control: Control

    @property
    def matched(self) -> int:
        """Number of requests that the fault applied to, including those that it let pass."""
        return int(self._rule()["matched"])

    @property
    def struck(self) -> int:
        """Number of requests that the fault was injected into."""
        return int(self._rule()["struck"])

    def _rule(self) -> Mapping[str, Any]:
        for rule in self._control.call("GET", "faults")["faults"]:
            if rule["id"] == self.id:
                found: Mapping[str, Any] = rule
                return found
        raise ControlError(f"fault {self.id} was cleared")


class RoomsEmulator:
    """An emulator of the Rooms REST API, on free loopback ports.

    Every method blocks for about a millisecond, which asynchronous tests can afford. `seed` is that
    of the random values of faults; `options` are extra flags of `rooms-gateway emulator`;
    `control_key` is the key that the control API then requires. Raises ProcessError if the emulator
    does not start.
    """

    def __init__(
        self, seed: int, options: Sequence[str] = (), control_key: str | None = None
    ) -> None:
        self.seed = seed
        self.control_key = control_key
        """Key that the control API requires, 16 to 256 visible ASCII characters; None: none."""
        self._process = Process(
            [
                "emulator",
                f"--listen={_ANY_PORT}",
                f"--control-listen={_ANY_PORT}",
                f"--fault-seed={seed}",
                "--journal-length=10000",
                "--quiet",
                *options,
            ],
            ready="control=(.*)",
            environment=None if control_key is None else {_CONTROL_KEY: control_key},
        )
        string = self._process.find("(endpoint=.*)") or ""
        self.endpoint = string.removeprefix("endpoint=").partition("/;")[0]
        """Endpoint of the REST API, such as `http://127.0.0.1:35535`."""
        self.key = string.partition("accesskey=")[2]
        """The access key that the emulator accepts, base64."""
        self.control_endpoint = self._process.find("control=(.*)") or ""
        """Endpoint of the control API; stays reachable while the emulator refuses connections."""
        self._control = Control(self.control_endpoint, control_key)

    @property
    def connection_string(self) -> str:
        """Connection string, as clients of Azure Communication Services use it."""
        return f"endpoint={self.endpoint}/;accesskey={self.key}"

    def fault(self, preset: str, on: str = "*", **members: Any) -> OrderedFault:
        """Inject the fault with the name `preset`, such as `closed-after-effect`.

        `on` is an operation, such as `CreateRoom`; `*` is every request. `members` override those
        of the preset, such as `count=2`. Raises ControlError for an unknown preset, operation or
        member.
        """
        return self._order({"preset": preset, "operation": on, **_as_json(members)})

    def fail(self, on: str = "*", **members: Any) -> OrderedFault:
        """Inject a fault with these members, such as `status=503, count=2`.

        `on` is an operation, such as `CreateRoom`; `*` is every request. docs/emulator.md lists the
        members. Raises ControlError for an unknown operation or member.
        """
        return self._order({"operation": on, **_as_json(members)})

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._control.call("DELETE", "faults")

    def set_quotas(self, *quotas: str) -> None:
        """Replace all quotas by `quotas`, such as `CreateRoom=100/1s`; without any, remove them.

        docs/emulator.md describes the form. Raises ControlError for a malformed quota or an unknown
        operation.
        """
        self._control.call("PUT", "quotas", {"quotas": quotas})

    def requests(self, operation: str | None = None) -> list[Request]:
        """Return the requests in the journal, oldest first: all, or those of one operation."""
        entries = self._control.call("GET", "journal")["requests"]
        read = map(Request.read, entries)
        return [request for request in read if operation in (None, request.operation)]

    def clear_requests(self) -> None:
        """Clear the journal."""
        self._control.call("DELETE", "journal")

    def seed_rooms(self, count: int, *, participants: int = 0, deleted: bool = False) -> list[str]:
        """Add rooms; return their ids, oldest first. Deleted rooms only shorten pages of lists."""
        content = {"count": count, "participants": participants, "deleted": deleted}
        ids: list[str] = self._control.call("POST", "rooms", content)["roomIds"]
        return ids

    def advance_clock(self, seconds: float) -> None:
        """Move the emulator's clock forward by `seconds`; back if negative."""
        self._control.call("POST", "clock", {"advanceSeconds": seconds})

    def set_clock_offset(self, seconds: float) -> None:
        """Set the emulator's clock `seconds` ahead of real time; behind it if negative."""
        self._control.call("POST", "clock", {"offsetSeconds": seconds})

    def freeze_clock(self) -> None:
        """Stop the emulator's clock."""
        self._control.call("POST", "clock", {"frozen": True})

    def accept_keys(self, *keys: str) -> None:
        """Accept only these access keys, base64, from now on; the first becomes `key`."""
        self._control.call("POST", "keys", {"keys": keys})
        self.key = keys[0]

    def rotate_key(self) -> str:
        """Accept only a new access key from now on; return it."""
        self.accept_keys(b64encode(secrets.token_bytes(32)).decode())
        return self.key

    def accept_tokens(self, *tokens: str) -> None:
        """Accept only these bearer tokens from now on."""
        self._control.call("POST", "tokens", {"tokens": tokens})

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse new connections, and close open ones, until the context ends."""
        self.refuse(_MAX_REFUSAL)
        try:
            yield
        finally:
            self.refuse(0)

    def refuse(self, seconds: float) -> None:
        """Refuse new connections, and close open ones, for `seconds`; 0 ends it."""
        self._control.call("POST", "refuse", {"seconds": seconds})

    def reset(self) -> None:
        """Restore the initial state."""
        self._control.call("POST", "reset")

    def stop(self) -> None:
        """Stop the process with SIGTERM. Idempotent."""
        self._process.stop()

    def finish(self) -> None:
        """Stop the process. Raises ProcessError if it had ended before."""
        self._process.finish()

    def describe(self) -> str:
        """Return seed, faults, quotas and requests, for the report of a failed test."""
        lines = [f"fault seed {self.seed}: repeat with --rooms-fault-seed={self.seed}"]
        try:
            rules = self._control.call("GET", "faults")["faults"]
            quotas = self._control.call("GET", "quotas")["quotas"]
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
        lines += [
            f"quota {each['quota']}: accepted {each['accepted']}, rejected {each['rejected']}"
            for each in quotas
        ]
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
