"""Compare the speed of the gateway with alternatives."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.speed import contenders, crowding, footprint, latency, report, scaling, upstream
from benchmarks.speed.contenders import AS_IT_SHIPS, FLOOR, GATEWAY, GRPC, ROOT, WITH_GRPC, Arm
from benchmarks.speed.measure import Load
from benchmarks.speed.processes import NotReadyError
from benchmarks.speed.progress import say
from benchmarks.speed.report import Report
from benchmarks.speed.rounds import interleaved
from benchmarks.speed.summary import summarise
from benchmarks.speed.upstream import Stub
from benchmarks.speed.works import WORKS

TOOLS = ROOT / ".tools" / "bench"
ENVOY = "envoy/lib/python*/site-packages/envoy/_bin/envoy"
PAGE = ROOT / "docs" / "performance.md"
LENGTHS = (1_000, 100_000, 1_000_000)


def main() -> None:
    """Measure, and print the report."""
    options = _options()
    if not (options.tools / "load").exists():
        raise SystemExit(
            f"no load generator in {options.tools}: run `make bench`, which builds it with Go"
        )
    works = [work for work in WORKS if _chosen(work.name, options)]
    with TemporaryDirectory() as folder, upstream.serving(options.tools / "stub") as stub:
        load = Load(options.tools / "load")
        arms = _arms(options, Path(folder))
        samples = interleaved(stub, load, arms, works, options.rounds, options.seconds)
        more = _more(options, stub, load, arms)
    found = Report(
        report.where(), options.rounds, options.seconds, summarise(works, samples, FLOOR), more
    )
    print(found.markdown())
    if options.json:
        options.json.write_bytes(found.json() + b"\n")
    if options.write:
        report.write_page(found, PAGE)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="TEXT",
        help="measure only names that contain TEXT: an RPC, TLS, start, lists, slow, reads,"
        " idle, latency, processes; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--arms", metavar="NAME,…", help="measure only these arms, and always floor"
    )
    parser.add_argument(
        "--arm", action="append", default=[], type=_labelled, metavar="LABEL=PATH",
        help="measure the gateway of another checkout too; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--gateway-path",
        type=Path,
        default=ROOT,
        metavar="PATH",
        help="checkout of the gateway; default: this one",
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds; default: 9")
    parser.add_argument(
        "--seconds", type=float, default=0.35, help="duration of each measurement; default: 0.35"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all results to this JSON file"
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.{md,svg}")
    parser.add_argument(
        "--tools", type=Path, default=TOOLS, help="directory of the programs stub and load"
    )
    return parser.parse_args()


def _labelled(text: str) -> tuple[str, Path]:
    label, found, path = text.partition("=")
    if not (found and label and Path(path, "gateway").is_dir()):
        raise argparse.ArgumentTypeError(f"{text!r} is not LABEL=PATH with the path of a checkout")
    return label, Path(path).resolve()


def _chosen(name: str, options: argparse.Namespace) -> bool:
    return not options.only or any(part.lower() in name.lower() for part in options.only)


def _arms(options: argparse.Namespace, folder: Path) -> list[Arm]:
    path = options.gateway_path.resolve()
    known = [
        contenders.echo,
        contenders.floor,
        contenders.naive,
        contenders.sdk,
        *(contenders.envoy(program, folder) for program in options.tools.glob(ENVOY)),
        contenders.gateway(GATEWAY, path, *AS_IT_SHIPS),
        contenders.gateway(GRPC, path, *AS_IT_SHIPS, *WITH_GRPC),
        contenders.bare(path),
    ]
    if options.arms:
        wanted = {FLOOR, *options.arms.split(",")}
        known = [arm for arm in known if arm.name in wanted]
    others = (contenders.gateway(label, path, *AS_IT_SHIPS) for label, path in options.arm)
    return [*known, *others]


def _more(
    options: argparse.Namespace, stub: Stub, load: Load, arms: Sequence[Arm]
) -> Mapping[str, Mapping[str, Any]]:
    path, rounds, seconds = options.gateway_path.resolve(), options.rounds, options.seconds
    plain, relay = contenders.gateway("gateway", path), options.tools / "relay"
    ships = contenders.gateway("gateway", path, *AS_IT_SHIPS)
    roomy = contenders.gateway("gateway", path, *AS_IT_SHIPS, "--max-streams", str(crowding.CROWD))

    def sharing(address: str) -> Arm:
        return contenders.gateway("gateway", path, scaling.FLAG, listen=address)

    both = [arm for arm in arms if arm.name in {GATEWAY, GRPC}]
    parts: dict[str, Callable[[], Mapping[str, Any]]] = {
        "start": lambda: footprint.start(stub, load, plain, rounds),
        "idle connections": lambda: footprint.idle_connections(stub, both),
        "lists": lambda: footprint.lists(stub, load, ships, LENGTHS),
        "slow upstream": lambda: crowding.slow_upstream(stub, load, ships, seconds),
        "slow lists": lambda: crowding.slow_lists(stub, load, roomy, seconds),
        "reads with lists": lambda: crowding.reads_with_lists(stub, load, ships, rounds, seconds),
        "latency": lambda: latency.latency(stub, load, relay, arms, min(rounds, 3)),
        "processes": lambda: scaling.processes(stub, load, sharing, rounds, seconds),
    }
    more = {}
    for name, part in parts.items():
        if _chosen(name, options):
            try:
                more[name] = part()
            except NotReadyError as error:
                # Another checkout may lack a flag; earlier measurements are kept.
                say(f"{name}: {error}\n")
    say("")
    return more


if __name__ == "__main__":
    main()
