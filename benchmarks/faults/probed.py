"""Run a module like `python -m`, and write its number of asyncio tasks on SIGUSR1.

`python -m benchmarks.faults.probed FILE MODULE ARGUMENTS…`: counts the tasks of
processes that do not report them.
"""

from __future__ import annotations

import asyncio
import runpy
import signal
import sys
from pathlib import Path


def main() -> None:
    """Run the module."""
    file, module, *arguments = sys.argv[1:]

    def count(*_: object) -> None:
        # The handler runs within the event loop, so these are the tasks of that loop.
        new = Path(f"{file}.new")
        new.write_text(str(len(asyncio.all_tasks())))
        new.replace(file)

    signal.signal(signal.SIGUSR1, count)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
