"""The command line of the benchmark."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed import contenders, upstream
from benchmarks.speed.contenders import AS_IT_SHIPS, FLOOR, ROOT, Arm
from benchmarks.speed.measure import Load
from benchmarks.speed.rounds import interleaved
from benchmarks.speed.summary import summarise, table
from benchmarks.speed.works import WORKS

ENVOY_PROGRAM = "envoy/lib/python*/site-packages/envoy/_bin/envoy"

TOOLS = ROOT / ".tools" / "bench"


def main() -> None:
    """Measure, and print what came of it."""
    options = _options()
    works = [
        work for work in WORKS
        if not options.only or any(part.lower() in work.name.lower() for part in options.only)
    ]  # fmt: skip
    with TemporaryDirectory() as folder, upstream.serving(options.tools / "stub") as stub:
        arms = _arms(options, Path(folder))
        samples = interleaved(
            stub, Load(options.tools / "load"), arms, works, options.rounds, options.seconds
        )
    print(table(summarise(works, samples, FLOOR)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="only works with TEXT in their names"
    )
    parser.add_argument("--arms", metavar="NAME,…", help="only these arms; floor is always in")
    parser.add_argument(
        "--arm", action="append", default=[], type=_labelled, metavar="LABEL=PATH",
        help="this gateway once more, from another checkout",
    )  # fmt: skip
    parser.add_argument(
        "--gateway-path", type=Path, default=ROOT, metavar="PATH", help="the gateway's checkout"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--tools", type=Path, default=TOOLS, help="where stub and load are")
    return parser.parse_args()


def _labelled(text: str) -> tuple[str, Path]:
    label, found, path = text.partition("=")
    if not (found and label and Path(path, "gateway").is_dir()):
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL=PATH of a checkout")
    return label, Path(path).resolve()


def _arms(options: argparse.Namespace, folder: Path) -> Sequence[Arm]:
    known = [
        contenders.echo,
        contenders.floor,
        contenders.naive,
        contenders.sdk,
        *(contenders.envoy(program, folder) for program in options.tools.glob(ENVOY_PROGRAM)),
        contenders.gateway(contenders.GATEWAY, options.gateway_path.resolve(), *AS_IT_SHIPS),
    ]
    if options.arms:
        wanted = {FLOOR, *options.arms.split(",")}
        known = [arm for arm in known if arm.name in wanted]
    return known + [
        contenders.gateway(label, path, *AS_IT_SHIPS) for label, path in options.arm
    ]


if __name__ == "__main__":
    main()
