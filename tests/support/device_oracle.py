"""The slow, obvious form of a device class: its author's functions, one device after the other, in plain Python.

Nothing here is shared with what writes the kernels but the functions themselves and the tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from slow_sums import slow_dot

from der_gym.devices.base import DeviceModel
from der_gym.devices.owners.terms import ASKED, TARIFF
from der_gym.engine.stage import Stage
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, GIVEN, SITE

F4 = np.float32
Rows = dict[str, np.ndarray]


def work(model: DeviceModel, kernel: str, x: Any) -> None:
    """Do to the arrays of ``x``, a `device_rig.Rig`, what the class's kernel shall do."""
    for s in range(x.n_world * x.n_shard):
        if x.active[s // x.n_shard]:
            with np.errstate(all="ignore"):
                Shard(model, kernel, x, s).work()


class Shard:
    """One shard of a rig, while one kernel is worked."""

    def __init__(self, model: DeviceModel, kernel: str, x: Any, s: int) -> None:
        self.model, self.kernel, self.x, self.s = model, kernel, x, s
        self.w, self.p = s // x.n_shard, s % x.n_shard
        self.span = slice(x.lo, x.lo + x.n)
        self.rows, self.values = self._rows(), self._values()
        self.skipped: set[str] = set()

    def _rows(self) -> Rows:
        x, s, model = self.x, self.s, self.model
        found = {name: x.fleet[s, FLEET.number(name), self.span] for name in FLEET}
        for array in ("params", "state", "energy"):
            found |= {name: getattr(x, array)[s, k] for k, name in enumerate(getattr(model, array))}
        at = x.site_index[self.p, self.span]
        found |= {name: x.site[s, k, at] for k, name in enumerate(SITE)}
        found |= {f"given_{name}": x.given[self.p, k, self.span] for k, name in enumerate(GIVEN)}
        limits = x.limits[self.p][:, at if x.limits.shape[2] > 1 else np.zeros_like(at)]
        found |= {"import_limit_kw": limits[0], "export_limit_kw": limits[1], "uid": x.uid[self.p, self.span]}
        found["enrolled"] = (found["meter_gain"] > 0).astype(F4)
        if self.kernel == "capability":
            found |= {name: np.zeros(x.n, F4) for name in CAPABILITY}
            found["accepts_commands"] = found["accepts_commands" if x.opting else "enrolled"]
        if self.kernel == "owner":
            found |= {name: x.asks[s, k, self.span] for k, name in enumerate(ASKED)}
        if self.kernel == "begin":
            found |= {f"saved_{name}": self._saved(k) for k, name in enumerate(model.saved)}
        if self.kernel == "save":
            found |= {f"saved_{name}": x.out[s, k] for k, name in enumerate(model.saved)}
        return found

    def _saved(self, row: int) -> np.ndarray:
        at = self.x.at[self.s]
        saved: np.ndarray = self.x.pool[at, row, self.x.place[self.p]] if at >= 0 else np.full(self.x.n, np.nan, F4)
        return saved

    def _values(self) -> dict[str, Any]:
        x, layout = self.x, self.model.layout
        found = {}
        for name, size in layout.sizes.items():
            at = layout.table.number(name)
            found[name] = x.cfg[at] if size == 1 else x.cfg[at : at + size]
        key = x.keys[self.w, :2] if self.kernel == "draw" else x.keys[self.w, 2:]
        found |= {name: x.ctx[self.w, k] for k, name in enumerate(EXOGENOUS)}
        found |= {name: x.tariff[k] for k, name in enumerate(TARIFF)} if self.kernel == "owner" else {}
        return found | {"cfg": x.cfg, "k0": key[0], "k1": key[1], "clock_s": x.abs_s[self.w], "fresh": x.fresh}

    def _row(self, name: str) -> bool:
        own = self.model
        return name in self.rows and (
            name not in self.values or any(name in t for t in (own.params, own.state, own.energy)) or name in FLEET
        )

    def work(self) -> None:
        """Work all functions of the kernel, then what comes after them."""
        for stage in self.model.stages(self.kernel):
            if stage.once:
                given = stage.plain(*(self.values[name] for name in stage.takes))
                self.values |= dict(zip(stage.gives, given if len(stage.gives) > 1 else (given,), strict=True))
        for stage in self.model.stages(self.kernel):
            if not stage.once and self._due(stage):
                self._loop(stage)
            elif not stage.once:
                self.skipped |= set(stage.gives) - self.rows.keys()
        if self.kernel == "advance":
            self._enter()
        if self.kernel == "capability":
            self._sum()

    def _due(self, stage: Stage) -> bool:
        if stage.every_s:
            return bool(self.values["fresh"] or int(self.values["clock_s"]) % stage.every_s == stage.at_s)
        return not stage.when or bool((self.rows[stage.when] > 0).any())

    def _loop(self, stage: Stage) -> None:
        for name in stage.gives:
            if name not in self.rows:
                self.rows[name] = np.zeros(self.x.n, F4)
        if stage.loops:
            stage.plain(*(self.rows[name] if self._row(name) else self.values[name] for name in stage.takes))
            return
        for i in range(self.x.n):
            given = stage.plain(*(self.rows[n][i] if self._row(n) else self.values[n] for n in stage.takes))
            for name, value in zip(stage.gives, given if len(stage.gives) > 1 else (given,), strict=True):
                self.rows[name][i] = value

    def _enter(self) -> None:
        sums = [(name, register) for name, register in self.model.meters.items() if not register.by_home]
        for k, (name, register) in enumerate(sums):
            out, row, scale = self.x.registers[self.s, k], register.row or name, register.scale
            if row in self.skipped:
                continue
            factor = np.float64(self.values[scale] if isinstance(scale, str) else scale)
            if out.size == self.x.n:
                out += (self.rows[row] * self.rows["enrolled"]).astype(np.float64) * factor
            else:
                out[0] += slow_dot(self.rows[row], self.rows["enrolled"]) * factor

    def _sum(self) -> None:
        x, now = self.x, self.values["t_s"]
        down, up = (self.rows[name] for name in ("link_down_s", "link_up_s"))
        reached = (now < down) | (now >= up) | (not x.reached)
        counts = np.where(reached, self.rows["enrolled"], F4(0))
        for c in range(x.cell_lo.size):
            a, b = x.cell_lo[c] - x.lo, x.cell_hi[c] - x.lo
            if a >= 0 and b <= x.n:
                x.out[self.s, c] = [slow_dot(self.rows[name][a:b], counts[a:b]) for name in CAPABILITY]
