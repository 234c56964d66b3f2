"""Print tables of docs/difficulty.md from results on disk: ``python scripts/tables.py results/ladder-*``.

Each folder is one of ``der-gym evaluate --bound N --out FOLDER``. The first table has the means of every controller.
Then come the paired differences to each comparison's base. ``--lines`` adds the ledger by line. ``--money HOUR`` tells
when in an episode of that start the yen were earned, and what of them the lock-out took.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from der_gym.evaluation.results import RECORD

HEADS = {
    "idle": "idle",
    "open_loop": "open loop",
    "closed_loop": "closed loop",
    "merit_order": "merit order",
    "policy": "policy",
    "oracle": "oracle",
}
Row = dict[str, str]
# title, column of scoreboard.csv, decimals, factor
ROWS = (
    ("reward", "", 3, 1.0),
    ("under `ledger`", "reward_ledger", 3, 1.0),
    ("under `relative`", "reward_relative", 3, 1.0),
    ("idle to oracle, %", "oracle_share", 0, 100.0),
    ("idle to bound, %", "bound_share", 0, 100.0),
    ("blocks passed, %", "pass_rate", 0, 100.0),
    ("profit, yen", "profit_yen", 0, 1.0),
    ("with lock-out, yen", "profit_with_lockout_yen", 0, 1.0),
)
TOTAL, LOCKOUT = "total", "lockout"


def read(folder: Path, name: str) -> list[Row]:
    """Return the rows of a table in a folder of results."""
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(folder: Path) -> dict[str, Any]:
    """Return the record of a folder of results."""
    found: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return found


def kind(controller: str) -> str:
    """Return what a controller is called here: its name without its settings, ``policy`` for one of a folder."""
    return "policy" if controller.startswith("policy-") else controller.split("@")[0]


def shown(text: str, digits: int, factor: float) -> str:
    """Return a cell; empty where there is no figure."""
    value = factor * float(text or "nan")
    return "" if math.isnan(value) else f"{value + 0.0:,.{digits}f}"


def means(folder: Path) -> list[str]:
    """Return the rows of one scenario in Markdown: means over seeds, the reward under its own variant first."""
    record, rows = run(folder), {kind(row["controller"]): row for row in read(folder, "scoreboard.csv")}
    own, lines = f"reward_{record['settings']['reward']['variant']}", list[str]()
    for title, column, digits, factor in ROWS:
        cells = [shown(rows.get(name, {}).get(column or own, ""), digits, factor) for name in HEADS]
        most = {"": shown(rows["idle"].get("bound", ""), 3, 1.0), "bound_share": "100"}.get(column, "")
        scenario = f"`{record['scenario']}`" if not lines else ""
        lines.append(f"| {scenario} | {title} | " + " | ".join([*cells, most]) + " |")
    return lines


def gains(folder: Path) -> list[str]:
    """Return each controller's difference to the base of the comparison, with its interval."""
    base, record = "against_base", run(folder)
    lines = [f"{record['scenario']}, {len(record['seeds'])} seeds of {record['split']}, against {record['base']}:"]
    for row in read(folder, "scoreboard.csv"):
        if row[base]:
            value, low, high = (float(row[name]) for name in (base, f"{base}_low", f"{base}_high"))
            above = shown(row["wins_base"], 0, 100.0)
            lines.append(
                f"  {row['controller']}: {value:+.3f} [{low:.3f}, {high:.3f}], above it on {above} % of the seeds"
            )
    return lines


def parts(rows: Sequence[Row], n_part: int) -> dict[str, list[int]]:
    """Return the half hours of an episode by title: the awarded ones in parts, then those after the award."""
    awarded = sorted({int(row["block"]) for row in rows if float(row["committed_share"]) > 0.0})
    size = -(-len(awarded) // n_part)
    each = [awarded[k : k + size] for k in range(0, len(awarded), size)]
    rest = sorted({int(row["block"]) for row in rows} - set(awarded))
    return {f"blocks {part[0] + 1}-{part[-1] + 1}": part for part in each} | {"after the award": rest}


def money(folder: Path, start_h: int, n_part: int = 3) -> list[str]:
    """Return when an episode of a start earns its mean yen, in Markdown, and what of it the lock-out takes."""
    rows = [row for row in read(folder, "ledger_blocks.csv") if row["start_h"] == str(start_h)]
    of = parts(rows, n_part)
    lines = [f"| mean yen of an episode from {start_h} h | " + " | ".join(of) + " |", "|---|" + "--:|" * len(of)]
    for controller in dict.fromkeys(row["controller"] for row in rows):
        for title, line in ((HEADS.get(kind(controller), controller), TOTAL), ("of it lock-out", LOCKOUT)):
            own = [row for row in rows if row["controller"] == controller and row["line"].split("_")[-1] == line]
            sums = [sum(float(row["yen"]) for row in own if int(row["block"]) in part) for part in of.values()]
            lines.append(f"| {title} | " + " | ".join(f"{yen + 0.0:,.0f}" for yen in sums) + " |")
    return lines


def ledger(folder: Path) -> list[str]:
    """Return the mean yen of an episode by line of the ledger, in Markdown, over all starts."""
    rows = read(folder, "ledger.csv")
    names = {row["controller"]: HEADS[kind(row["controller"])] for row in rows if kind(row["controller"]) in HEADS}
    lines = ["| mean yen of an episode | " + " | ".join(names.values()) + " |", "|---|" + "--:|" * len(names)]
    for line in dict.fromkeys(row["line"] for row in rows):
        own = {name: [row for row in rows if (row["controller"], row["line"]) == (name, line)] for name in names}
        sums = [
            (sum(float(r["yen"]) * int(r["n"]) for r in each), sum(int(r["n"]) for r in each)) for each in own.values()
        ]
        if any(yen for yen, _ in sums):
            lines.append(f"| `{line}` | " + " | ".join(f"{yen / n + 0.0:,.0f}" for yen, n in sums) + " |")
    return lines


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of der-gym evaluate --out")
    parser.add_argument("--money", type=int, metavar="HOUR", help="start of the episodes whose money is told by block")
    parser.add_argument("--lines", action="store_true", help="tell the lines of the ledger too")
    asked = parser.parse_args(words)
    for folder in asked.folders:
        if not (folder / RECORD).exists():
            parser.error(f"{folder}: no finished results; der-gym evaluate --out FOLDER writes them")
    heads = ["level", "", *HEADS.values(), "bound"]
    print("| " + " | ".join(heads) + " |", "|---|---|" + "--:|" * (len(heads) - 2), sep="\n")
    for folder in asked.folders:
        print("\n".join(means(folder)))
    for folder in asked.folders:
        print("", *gains(folder), sep="\n")
        if asked.lines:
            print("", *ledger(folder), sep="\n")
        if asked.money is not None:
            print("", *money(folder, asked.money), sep="\n")


if __name__ == "__main__":
    main()
