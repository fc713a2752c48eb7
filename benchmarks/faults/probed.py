"""Run a module as `python -m` does, and write down how many tasks there are when SIGUSR1 comes.

`python -m benchmarks.faults.probed FILE MODULE ARGUMENTS…`: so that tasks can be counted in
processes that do not tell by themselves.
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
        # The signal comes while the loop runs, so these are the tasks of that loop.
        new = Path(f"{file}.new")
        new.write_text(str(len(asyncio.all_tasks())))
        new.replace(file)

    signal.signal(signal.SIGUSR1, count)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
