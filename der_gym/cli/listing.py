"""``der-gym list`` and ``der-gym schema``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from der_gym.cli import common
from der_gym.core.files import write_text

Rows = Iterator[tuple[str, ...]]


def _scenarios() -> Rows:
    from der_gym.scenario.load import load, names

    for name in names():
        scenario = load(name)
        yield name, f"{scenario.fleet.n_device:,}", scenario.title


def _controllers() -> Rows:
    from der_gym.controllers import CONTROLLERS

    for name in CONTROLLERS:
        yield name, CONTROLLERS[name].title


def _devices() -> Rows:
    from der_gym.devices import DEVICES

    for name in DEVICES:
        device = DEVICES[name]
        p95_s = device.response_p95_s(device.config())
        yield name, device.japanese, f"{p95_s:.0f}", ", ".join(device.meters)


def _paths() -> Rows:
    from der_gym.network.channels import CHANNELS

    for name in CHANNELS:
        path = CHANNELS[name]
        yield name, f"{path.p95_s():.0f}", f"{path.telemetry_s:g}", f"{path.least_interval_s:g}", path.title


def _services() -> Rows:
    from der_gym.services import SERVICES

    for name in SERVICES:
        doc = (SERVICES[name].Config.__doc__ or "").splitlines()[0]
        yield name, SERVICES[name].japanese, doc


def _fields() -> Rows:
    from der_gym.env.observation.fields import FIELDS

    for key in FIELDS:
        field = FIELDS[key]
        name = field.name if field.scope in ("world", "service") else key
        yield name, field.scope, field.unit, str(field.scale), f"{field.low:g} .. {field.high:g}", field.title


def _heads() -> Rows:
    from der_gym.core.heads import HEADS

    for name in HEADS:
        head = HEADS[name]
        bounds = f"{head.low:g} .. {head.high:g}"
        yield name, head.scope, f"{head.kind}.{head.slot}", head.unit, bounds, head.title


def _columns() -> Rows:
    from der_gym.fleet.columns import COLUMNS

    for column in COLUMNS:
        unit = "(kW)" if column.power else ""
        also = ", ".join(f"{name}{unit}" for name in column.also)
        yield column.word, column.shown(), also, column.default, column.allowed


WHAT: dict[str, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "scenarios": (("scenario", "devices", "what"), _scenarios),
    "controllers": (("controller", "what"), _controllers),
    "devices": (("device", "Japanese", "p95 response, s", "registers"), _devices),
    "paths": (("path", "p95 of a command, s", "telemetry every, s", "least interval, s", "what"), _paths),
    "services": (("service", "Japanese", "what"), _services),
    "fields": (("field", "per", "unit", "reads 1 at", "range", "what"), _fields),
    "columns": (("column", "Japanese", "also; (W) for (kW)", "empty cell", "allowed"), _columns),
    "heads": (("head", "per", "message", "unit", "range", "what"), _heads),
}


def show(what: str) -> None:
    """Print one of the lists."""
    heads, rows = WHAT[what]
    made = common.table("", heads, left=len(heads))
    made.columns[-1].no_wrap = False
    for row in rows():
        made.add_row(*row)
    common.console().print(made)


def schema(out: Path | None) -> None:
    """Print or write the JSON schema of a scenario."""
    from der_gym.scenario.model import Scenario

    text = json.dumps(Scenario.model_json_schema(), indent=1, ensure_ascii=False)
    if out is None:
        print(text)
    else:
        write_text(out, text + "\n")
        common.tell(f"Schema: {out}")
