"""Home battery: kernels are their formulas, and touch nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from batteries import LO, NIGHT_S, NOON_S, advance, begin, capability, draw, make, mine, own
from plain import plain

from der_gym.devices.battery import model as b
from der_gym.engine.tables import CAPABILITY, EXOGENOUS, FLEET, SITE

# kernels are their formulas ---------------------------------------------------------------------------------------


def in_plain_python(f: Any, kernel: str, *names: str, **more: Any) -> Any:
    """Return a copy of the batteries after one kernel, worked as a plain Python loop; ``names`` are its arguments."""
    copies = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in vars(f).items()}
    g = SimpleNamespace(**(copies | more))
    plain(b)[kernel](0, g.n_world, 1, g.active, *(getattr(g, name) for name in names), LO, *more.values())
    return g


@pytest.mark.parametrize("sod_s", [NOON_S, NIGHT_S, 86_340.0])
def test_advance_equals_the_plain_loop(sod_s: float) -> None:
    rng = np.random.default_rng(int(sod_s))
    f = make(n=37, n_world=2, pv_kw=rng.choice([0.0, 4.8], (2, 37)))
    f.ctx[:, EXOGENOUS.SOD_S], f.ctx[:, EXOGENOUS.SEASON], f.ctx[1, EXOGENOUS.STANDBY] = sod_s, (2, 0), 1.0
    mine(f, FLEET.ACCEPTS_COMMANDS)[:] = rng.choice([0.0, 1.0], (2, f.n), p=[0.2, 0.8])
    mine(f, FLEET.METER_GAIN)[:] = rng.choice([0.0, 1.0], (2, f.n), p=[0.2, 0.8])
    for dt, storm in ((60.0, 0.0), (10.0, 0.0), (300.0, 0.0), (1.0, 1.0)):
        f.site[:, SITE.NET_KW] = rng.normal(0.3, 2.0, (2, f.n))
        a0, a1 = rng.choice([0.0, 0.3, -0.7, 1.0], (2, 2, f.n))
        mine(f, FLEET.CMD_START)[:], mine(f, FLEET.CMD_END)[:] = a0, a1
        mine(f, FLEET.CMD_END_SHARE)[:] = part = rng.uniform(0, 1, (2, f.n))
        f.ctx[:, EXOGENOUS.DT_S], f.ctx[0, EXOGENOUS.STORM] = dt, storm
        g = in_plain_python(f, "advance", "ctx", "cfg", "index", "site", "params", "state", "acc", "book", "fleet")
        advance(f, a0, a1, part, dt)
        for name in ("state", "acc", "book", "fleet"):
            assert np.array_equal(getattr(f, name), getattr(g, name)), name
    assert np.array_equal(mine(f, FLEET.POWER_KW), mine(f, FLEET.SHOWN_KW))
    assert np.unique(mine(f, FLEET.POWER_KW)).size > 20


def test_draw_equals_the_plain_loop() -> None:
    panels, limits = np.tile([0.0, 4.8], 20), (np.linspace(5, 9, 40), np.linspace(2, 7, 40))
    f, blank = (make(n=40, pv_kw=panels, limits=limits) for _ in range(2))
    blank.params[:], blank.fleet[:] = 0.0, 0.0
    blank.fleet[:, FLEET.ACCEPTS_COMMANDS], blank.fleet[:, FLEET.METER_GAIN] = 1.0, 1.0
    mine(blank, FLEET.RATED_KW)[:] = np.nan
    g = in_plain_python(blank, "draw", "keys", "uid", "cfg", "given", "index", "site", "limits", "params", "fleet")
    assert np.array_equal(f.params, g.params) and np.array_equal(f.fleet, g.fleet)


def test_gauge_equals_the_plain_loop() -> None:
    f = make(n=40, soc=0.6)
    f.site[0, SITE.BARE_KW] = 1.0 - np.linspace(0, 3, f.n)
    names = ("ctx", "cfg", "index", "site", "params", "state", "acc", "fleet")
    out, cells = np.zeros((1, f.fleet.shape[2], CAPABILITY.N)), {"cell_lo": f.cell_lo, "cell_hi": f.cell_hi}
    g = in_plain_python(f, "capability", *names, opting=True, reached=False, **cells, out=out)
    assert np.array_equal(capability(f)[:, 0], g.out[0, LO : LO + f.n].T)


def test_inactive_worlds_and_other_places_change_no_bit() -> None:
    f = make(n_world=2)
    f.active[1] = False
    arrays = (f.params, f.state, f.acc, f.book, f.fleet)
    before = [x[1].tobytes() for x in arrays]
    outside = f.fleet[0, FLEET.POWER_KW].copy()
    f.keys += np.uint32(1)
    f.pool[:] = 0.1
    draw(f)
    begin(f)
    b.redraw(0, 2, 1, f.active, f.keys, f.uid, f.abs_s, f.ctx, f.cfg, f.params, f.state, f.acc, LO, False)
    b.advance(0, 2, 1, *own(f, f.book))
    out = np.full((2, 1, f.n), 7.0, np.float32)
    b.save(0, 2, 1, f.active, f.params, f.state, f.acc, out)
    assert [x[1].tobytes() for x in arrays] == before and (out[1] == 7.0).all()
    changed = f.fleet[0, FLEET.POWER_KW] != outside
    assert changed.any() and not changed[:LO].any() and not changed[LO + f.n :].any()


def test_shards_of_one_world_share_its_context_but_not_their_devices() -> None:
    f = make(n=8, n_world=2)
    whole = advance(f, 0.5)
    g = make(n=8, n_world=2)
    g.active, g.ctx = np.ones(1, bool), g.ctx[:1]
    g.index, g.uid = np.repeat(g.index, 2, axis=0), np.repeat(g.uid, 2, axis=0)
    mine(g, FLEET.CMD_START)[:] = mine(g, FLEET.CMD_END)[:] = 0.5
    mine(g, FLEET.CMD_END_SHARE)[:] = 1.0
    b.advance(0, 2, 2, *own(g, g.book))
    assert np.array_equal(mine(g, FLEET.POWER_KW), whole)


def test_a_shards_register_is_the_sum_of_those_of_the_batteries_in_the_list() -> None:
    f, g = (make(n=37, n_world=2, given=(3.0, 1.0)) for _ in range(2))
    g.book = np.zeros((2, len(b.BATTERY.book), 1))
    for each in (f, g):
        mine(each, FLEET.METER_GAIN)[:, ::3] = 0.0
        for a in (0.5, 0.5, 0.0, -0.7, -0.7):
            advance(each, a, dt=300.0)
    assert np.array_equal(f.acc, g.acc) and np.array_equal(f.fleet, g.fleet)
    assert not f.book[:, :, ::3].any() and (f.book.sum(axis=2) > 0).all()
    assert g.book[:, :, 0] == pytest.approx(f.book.sum(axis=2), rel=1e-12)
    assert (f.acc[:, b.ENERGY_KWH, ::3] != make(n=37, n_world=2, given=(3.0, 1.0)).acc[:, b.ENERGY_KWH, ::3]).any()
