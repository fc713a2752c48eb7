"""`rooms-gateway` as a child process, which ends with its parent.

Standard input is a pipe that only the parent holds: the kernel closes it when the parent ends, also
if it is killed.
"""

from __future__ import annotations

import os
import runpy
import signal
import threading


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module("rooms_gateway", run_name="__main__")
