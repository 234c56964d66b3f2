"""What is drawn of a car: shares, the one number that holds four of the draws, and what the resource table tells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from test_ev import Fleet

from der_gym.devices.ev import sessions
from der_gym.devices.ev.config import CFG, EVConfig
from der_gym.devices.ev.model import EV
from der_gym.engine.tables import FLEET, GIVEN


def test_a_sort_holds_all_four_draws_of_a_car():
    settings = EVConfig()
    cfg, draws = EV.constants(settings), itertools.product(range(int(settings.plug_cycle_d)), *(range(4),) * 3)
    timers = np.array([0.0, *cfg[CFG.TIMER_H : CFG.TIMER_H + 2], 1e6], np.float32)
    sorts = set()
    for phase, battery, archetype, habit in draws:
        sort = sessions.sort_of(np.float32(phase), battery, archetype, habit)
        km = cfg[CFG.WEEKDAY_KM + archetype], cfg[CFG.WEEKEND_KM + archetype]
        assert sessions.habits(sort, cfg) == (cfg[CFG.BATTERY_KWH + battery], *km, timers[habit], phase)
        sorts.add(float(sort))
    assert len(sorts) == settings.plug_cycle_d * 64


def test_cars_follow_their_shares():
    fleet = Fleet(n=20_000)
    fleet.draw()
    code, config = fleet.row("sort")[0].astype(int), EVConfig()
    at_once, timer, late = config.habit_share
    shares = {16: config.battery_share, 4: config.archetype_share, 1: (at_once, timer / 2, timer / 2, late)}
    for step, share in shares.items():
        assert np.bincount(code // step % 4, minlength=4) / fleet.n == pytest.approx(share, abs=0.012)
    assert np.bincount(code // 64) / fleet.n == pytest.approx(1 / config.plug_cycle_d, abs=0.012)


def test_the_resource_table_wins_over_the_draw():
    fleet = Fleet(n=4)
    fleet.told_kw[1], fleet.given[0, GIVEN.SWITCHED, 2:] = 4.4, (1, 0)
    fleet.draw()
    assert fleet.row("charger_kw")[0, 1] == np.float32(4.4) == fleet.fleet[0, FLEET.RATED_KW, 1]
    assert list(fleet.row("switched")[0, 2:]) == [1, 0]
    assert (fleet.fleet[0, FLEET.DEAD_S, :4] > 0).all()
