"""``der-gym bench``."""

from __future__ import annotations

from rich.table import Table

from der_gym.cli import common
from der_gym.evaluation import bench as measuring
from der_gym.evaluation import bench_worlds
from der_gym.evaluation.bench import Figure, Report


def bench(quick: bool, as_json: bool) -> None:
    """Measure and print."""
    with common.progress() as told:
        report = measuring.bench(bench_worlds.QUICK if quick else bench_worlds.FULL, told)
    if as_json:
        print(report.to_json())
        return
    console = common.console()
    m = report.machine
    console.print(f"{m['cpu']}, {m['cores']} cores, load {m['load_1_min']} when it began, Python {m['python']}")
    console.print(_figures(report), "", _kernels(report), sep="\n")


def _figures(report: Report) -> Table:
    made = common.table("", ["figure", "measured", "unit", "target", ""])
    made.columns[2].justify = "left"
    for figure in report.figures:
        made.add_row(
            figure.name, f"{figure.value:,.3g}" if figure.value < 100 else f"{figure.value:,.0f}", *_beside(figure)
        )
    return made


def _beside(figure: Figure) -> tuple[str, str, str]:
    if figure.target is None:
        return figure.unit, "", ""
    sign = "<=" if figure.at_most else ">="
    return figure.unit, f"{sign} {figure.target:,g}", "met" if figure.met else "missed"


def _kernels(report: Report) -> Table:
    note = "ns per device in a step that calls it; steps: in how many of six; compile: what it inlines included"
    made = common.table("Kernels, one thread", ["kernel", "ns per device", "steps in 6", "compile s"], caption=note)
    for row in report.kernels:
        ns, compile_s = common.number(row["ns_per_device"], 1), common.number(row["compile_s"], 1)
        made.add_row(row["kernel"], ns, str(row["steps_in_6"] or "-"), compile_s)
    return made
