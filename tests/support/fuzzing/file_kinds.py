"""What reads files and settings, fed with mutated ones. Each kind is made once in a process, then called per input."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml
from signals_files import compact_demand, compact_weather, jepx_rows, published_demand, published_weather

from der_gym.cli.common import parse_settings
from der_gym.controllers.store import make, read_settings
from der_gym.evaluation.report.firm_page import read_firm
from der_gym.scenario.load import load, names
from der_gym.signals.demand import read_net_load, residual_of
from der_gym.signals.frequency import load_frequency
from der_gym.signals.jepx import read_spot
from der_gym.signals.jma import irradiance_steps, read_weather
from der_gym.signals.request_file import load_request
from der_gym.signals.splits import load_splits
from der_gym.simulation.assets import arrange, read_resources
from fuzzing.mutate import mutated_bytes, mutated_table, mutated_tree, texts, values

Target = Callable[[Random], None]
WHOLE = ("tertiary-1-tiny", "stacked-capacity", "tertiary-1", "incentive-evening", "incentive-solar", "tertiary-1-both")
ARRANGED = 20_000  # devices: an accepted scenario of no more is built
LIST = (
    "id,class,rated_kw,site,maker_cloud,path,area,feeder,demand_bg,generation_bg,market_list,metering_point,"
    "reverse_flow_allowed,site_import_max_kw,site_export_max_kw,leaf\n"
    "b1,battery,5.9,s1,A,P3,東京,f1,r1,r1,l1,device,1,10,4.95,fast\n"
    "v1,ev,,s1,B,P6,東京,f1,r1,r1,,device,0,10,,\n"
    "e1,ecocute,1.2,s2,C,P4,大阪,f2,,,,,,,,\n"
    "b2,battery,3,,A,P1,,,,,,,yes,,,\n"
).splitlines()


def scenario(folder: Path) -> Target:
    """Settings in YAML, structured and as bytes; an accepted scenario's fleet is arranged."""
    bases = [load(name).model_dump(mode="json") for name in WHOLE]
    path = folder / "a.yaml"

    def run(rng: Random) -> None:
        tree: Any = {"base": rng.choice(names())} | rng.choice(({}, {"title": "x", "fleet": {"n_device": 60}}))
        tree = mutated_tree(rng, tree if rng.random() < 0.3 else rng.choice(bases), odd=False)
        try:
            data = yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")
        except (ValueError, OverflowError):  # a number that Python does not write
            data = b"tick_s: " + b"9" * 5000
        path.write_bytes(mutated_bytes(rng, data) if rng.random() < 0.4 else data)
        made = load(path)
        made.hash()
        if made.fleet.n_device <= ARRANGED:
            arrange(made)

    return run


def overrides(folder: Path) -> Target:
    """Settings from Python: dotted keys, mappings and odd objects; and KEY=VALUE of the command line."""
    trees = {name: load(name).model_dump(mode="json") for name in WHOLE[1:]}
    dotted = {name: _dotted(tree) for name, tree in trees.items()}

    def run(rng: Random) -> None:
        name = rng.choice(WHOLE[1:])
        tree, keys = trees[name], dotted[name]
        given = {rng.choice(keys): rng.choice(values()) for _ in range(rng.choice((1, 1, 3)))}
        if rng.random() < 0.3:
            load(name, parse_settings([f"{rng.choice(keys)}={rng.choice(texts())}", rng.choice(texts())]))
        elif rng.random() < 0.3:
            load(mutated_tree(rng, tree))
        elif rng.random() < 0.1:
            load(rng.choice(values()), rng.choice(values()))
        else:
            load(name, given)

    return run


def _dotted(tree: Any, above: str = "") -> list[str]:
    if not isinstance(tree, dict):
        return [above]
    return [above, *(key for name, each in tree.items() for key in _dotted(each, f"{above}.{name}".lstrip(".")))]


def table(folder: Path) -> Target:
    """Resource lists."""
    return _table(folder, read_resources, [LIST])


def spot(folder: Path) -> Target:
    """JEPX's prices."""
    return _table(folder, read_spot, [jepx_rows(1)])


def demand(folder: Path) -> Target:
    """A system operator's demand, in both layouts."""
    return _table(
        folder,
        lambda path: residual_of(read_net_load(path)),
        [compact_demand(1), published_demand(0), published_demand(0, wide=False)],
    )


def weather(folder: Path) -> Target:
    """JMA's weather, in all layouts."""
    rows = [compact_weather(1), published_weather(1), published_weather(1, False, True)]
    return _table(folder, lambda path: irradiance_steps(read_weather(path)[1], 35.0, 139.0), rows)


def frequency(folder: Path) -> Target:
    """A recorded frequency."""
    rows = ["time,hz", *(f"0:00:{k:02d},{50 + k / 1000:.3f}" for k in range(40))]

    def read(path: Path) -> Any:
        load_frequency.cache_clear()
        return load_frequency(str(path))

    return _table(folder, read, [rows, ["time,hz", *(f"{k},60" for k in range(9))]])


def request(folder: Path) -> Target:
    """A user's own request."""
    rows = ["datetime,request_kw", *(f"2024/1/31 {k // 12}:{k % 12 * 5:02d},{k}" for k in range(40))]
    return _table(folder, lambda path: load_request(path, "upward_positive"), [rows])


def _table(folder: Path, read: Callable[[Path], Any], tables: list[list[str]]) -> Target:
    path = folder / "a.csv"

    def run(rng: Random) -> None:
        path.write_bytes(mutated_table(rng, rng.choice(tables)))
        read(path)

    return run


def settings(folder: Path) -> Target:
    """Settings of a controller, splits, and the results that ``der-gym evaluate --firm`` reads."""
    tuned = {
        "controller": "closed_loop",
        "values": make("closed_loop").config.model_dump(mode="json"),
        "provenance": {},
    }
    split = {"modulo": 2, "splits": {"train": {"week_remainder": [0, 1], "first_seed": 0, "n_seed": 9}}}
    award = {"controller": "a", "season": "mid", "start_h": 14, "level": 0.9, "firm_kw": 3.0, "firm_kw_per_1000": 1.0}
    award |= {"share": 1.0, "award_kw": 2.0, "n": 3, "passed": 0.5}
    kept: dict[str, Any] = {"scenario": "tertiary-1", "seeds": 2, "passed": {"a": 1}}

    def run(rng: Random) -> None:
        which = rng.randrange(3)
        path = folder / ("run.json" if which == 2 else "a.yaml")
        tree = mutated_tree(rng, (tuned, split, kept)[which], odd=False)
        try:
            text = json.dumps(tree) if which == 2 else yaml.safe_dump(tree)
        except (ValueError, OverflowError, TypeError):
            text = "{}"
        data = text.encode("utf-8", "surrogatepass")
        path.write_bytes(mutated_bytes(rng, data) if rng.random() < 0.4 else data)
        if which == 0:
            make("closed_loop", read_settings("closed_loop", path)["values"])
        elif which == 1:
            load_splits(path)
        else:
            out = io.StringIO()
            csv.DictWriter(out, award).writeheader()
            csv.DictWriter(out, award).writerow(award)
            (folder / "firm.csv").write_bytes(mutated_table(rng, out.getvalue().splitlines()))
            read_firm(folder, "tertiary-1")

    return run
