"""Start a program that does not announce readiness, and announce it once its port accepts.

The program replaces this process, so that the process id stays; a child process polls the port.
"""

from __future__ import annotations

import os
import socket
import sys
import time


def main() -> None:
    """Run `PORT PROGRAM ARGUMENT…`."""
    port, *command = sys.argv[1:]
    if os.fork() == 0:
        _watch(int(port))
        return
    os.execv(command[0], command)  # noqa: S606 - a trusted program


def _watch(port: int) -> None:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            print(f"ready on 127.0.0.1:{port}", flush=True)
            return


if __name__ == "__main__":
    main()
