"""Owners who are commanded: the chance of opting out, the kernels against plain Python and a slow owner."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import plain

from der_gym.devices.owners import commanded
from der_gym.devices.owners.commanded import HOME, HOME_PARAMS, STAKE
from der_gym.devices.owners.opting import CFG, DispatchConfig, constants, opts_out, takes_back
from der_gym.engine.tables import EXOGENOUS, FLEET
from der_gym.numerics import rng

Array = np.ndarray
F4 = np.float32
share = st.floats(0.0, 1.0)
N, N_SITE = 80, 50
MONDAY_S = 8997 * 86_400


# --- the choice


@given(u=st.floats(1e-5, 0.9999), base=st.floats(-6, 3), stake=share, calls=st.floats(0, 8), more=share)
def test_comfort_and_calls_never_bring_an_owner_back_and_pay_never_loses_one(
    u: float, base: float, stake: float, calls: float, more: float
) -> None:
    def out(stake: float, calls: float, pay: float) -> bool:
        return bool(opts_out(F4(u), F4(base), F4(stake), F4(calls), F4(0.1), F4(1.5), F4(0.15), F4(pay)))

    now = out(stake, calls, 0.2)
    assert out(min(stake + more, 1.0), calls, 0.2) >= now and out(stake, calls + more, 0.2) >= now
    assert out(stake, calls, 0.2 + more) <= now


def test_the_chance_is_that_of_the_logit() -> None:
    u = ((np.arange(20_000) + 0.5) / 20_000).astype(F4)
    out = [opts_out(x, F4(-3.5), F4(0.6), F4(2.0), F4(-0.4), F4(1.5), F4(0.15), F4(0.1)) for x in u]
    x = -3.5 + 1.5 * 0.6 + 0.15 * 2.0 - 0.1 + 0.4
    assert np.mean(out) == pytest.approx(1.0 / (1.0 + math.exp(-x)), abs=2e-4)


@given(u=st.floats(1e-5, 0.9999), stake=share, more=share)
def test_a_car_is_taken_back_the_sooner_the_less_time_is_left(u: float, stake: float, more: float) -> None:
    now = takes_back(F4(u), F4(stake), F4(0.3), F4(0.5))
    assert takes_back(F4(u), F4(min(stake + more, 1.0)), F4(0.3), F4(0.5)) >= now
    assert not now or (stake > 0.5 and u < 0.3)


@pytest.mark.parametrize("chance", [0.02, 0.05, 0.3])
def test_the_mean_over_owners_is_the_share_of_the_class(chance: float) -> None:
    homes = Homes(n=40_000, chance=chance)
    homes.asked[0, STAKE] = homes.config.usual_stake
    assert homes.decide().home[0, HOME.OUT].mean() == pytest.approx(chance, rel=0.1)


@pytest.mark.parametrize(("chance", "out"), [(0.0, 0.0), (1.0, 1.0)])
def test_nobody_and_everybody(chance: float, out: float) -> None:
    assert (Homes(chance=chance).decide().home[0, HOME.OUT] == out).all()


# --- kernels


class Homes:
    """``n`` homes in one world; with ``pairs`` some of them have two devices."""

    def __init__(
        self, n: int = N_SITE, chance: float = 0.3, plainly: bool = False, pairs: bool = False, **changes: Any
    ) -> None:
        self.config = DispatchConfig(opting_out="owner", **changes)
        self.module = plain(commanded) if plainly else vars(commanded)
        random = np.random.default_rng(3)
        self.index = np.concatenate([np.arange(n), np.arange(N - n if pairs else 0)]).astype(np.int32)[None]
        places = self.index.shape[1]
        self.active, self.keys = np.ones(1, bool), random.integers(2**32, size=(1, 4), dtype=np.uint32)
        self.site_uid = np.arange(9, 9 + n, dtype=np.uint32)[None]
        self.cfg, self.params = constants(self.config), np.zeros((1, HOME_PARAMS.N, n), F4)
        self.home, self.back = np.zeros((1, HOME.N, n), F4), np.zeros((1, 1, places), F4)
        self.asked = random.uniform(0, 1, (1, 3, places)).astype(F4)
        self.fleet, self.ctx = np.ones((1, FLEET.N, places), F4), np.zeros((1, EXOGENOUS.N), F4)
        self.module["draw_homes"](0, 1, 1, self.active, self.keys, self.site_uid, self.cfg, self.params)
        base = F4(self.config.base(chance))
        self.module["raise_base"](0, 1, 1, self.active, self.index, base, 0, places, self.params)

    def decide(self, t_s: float = 0.0, start_h: float = 15.0) -> Homes:
        """Let the membership be updated at a half hour."""
        self.fleet[0, FLEET.ACCEPTS_COMMANDS] = 1.0
        clocks = np.array([MONDAY_S + int(3600 * start_h + t_s)]), np.array([t_s])
        own = (self.cfg, self.params, self.asked, self.back, self.home, self.fleet)
        self.module["decide_homes"](0, 1, 1, self.active, self.keys, self.site_uid, self.index, *clocks, *own)
        return self

    def watch(self, command: Any, t_s: float, mobile: bool = True, start_h: float = 15.0) -> Homes:
        """Come to a refresh at which ``command`` is in force."""
        self.fleet[0, FLEET.CMD_END], self.ctx[0, EXOGENOUS.T_S] = command, t_s
        uid = self.site_uid[:, self.index[0]]
        kinds = np.full(self.index.shape[1], mobile, np.uint8)
        own = (self.cfg, kinds, self.asked, self.back, self.home, self.fleet)
        clock = np.array([MONDAY_S + int(3600 * start_h + t_s)])
        self.module["watch_commands"](0, 1, 1, self.active, self.keys, uid, self.index, clock, self.ctx, *own)
        return self

    def play(self) -> Homes:
        """Play four hours of commands that come and go."""
        for k in range(48):
            if k % 6 == 0:
                self.decide(300.0 * k)
            luck = np.random.default_rng(k)
            self.asked[0, STAKE] = luck.uniform(0, 1, self.index.shape[1]) * (k % 11 > 0)
            self.watch(luck.choice([0.0, 0.5, -0.5], self.index.shape[1]), 300.0 * k)
        return self

    def bits(self) -> list[bytes]:
        return [x.tobytes() for x in (self.params, self.home, self.back, self.fleet)]


def test_kernels_give_the_bits_of_plain_python() -> None:
    assert Homes(pairs=True).play().bits() == Homes(pairs=True, plainly=True).play().bits()


def test_the_decision_is_that_of_a_slow_owner() -> None:
    homes = Homes(pairs=True).decide()
    k0, k1 = homes.keys[0, 2:]
    slot, c = np.uint32((MONDAY_S + 15 * 3600) // 10_800), homes.config
    for i in range(N_SITE):
        stake = max(float(x) for x in homes.asked[0, STAKE, homes.index[0] == i])
        type_, calls, base = (float(x) for x in homes.params[0, :, i])
        x = base + c.stake_weight * stake + c.tired_weight * calls - type_
        u = float(rng.quick_uniform(k0, k1, homes.site_uid[0, i], rng.stream("owner.opts_out"), slot))
        out = u < 1.0 / (1.0 + math.exp(-x))
        assert homes.home[0, HOME.OUT, i] == out
        assert (homes.fleet[0, FLEET.ACCEPTS_COMMANDS, homes.index[0] == i] == 1 - out).all()
    assert 5 < homes.home[0, HOME.OUT].sum() < 35


def test_an_owner_decides_once_for_three_hours_and_for_all_her_devices() -> None:
    homes, seen = Homes(pairs=True), []
    for k in range(8):  # 15 to 19 h; slots begin at 15 and 18 h
        homes.asked[0, STAKE] = np.random.default_rng(k).uniform(0, 1, homes.index.shape[1])
        seen.append(homes.decide(1800.0 * k).home[0, HOME.OUT].copy())
        takes = homes.fleet[0, FLEET.ACCEPTS_COMMANDS]
        np.testing.assert_array_equal(takes, 1.0 - seen[-1][homes.index[0]])
    assert all((each == seen[0]).all() for each in seen[:6]) and (seen[6] != seen[0]).any()


def test_calls_are_counted_once_for_a_command_and_only_of_homes_that_take_it() -> None:
    homes = Homes(chance=0.0, gap_min=60.0).decide()
    homes.fleet[0, FLEET.ACCEPTS_COMMANDS, ::5] = 0.0
    for k in range(60):  # an hour, half an hour of nothing, half an hour; two hours of nothing; an hour
        command = 0.4 if k < 12 or 18 <= k < 24 or k >= 48 else 0.0
        homes.watch(command, 300.0 * k, mobile=False)
    calls = homes.home[0, HOME.CALLS]
    assert (calls[::5] == 0).all() and (np.delete(calls, np.arange(0, N_SITE, 5)) == 2).all()


def test_a_car_that_is_taken_back_stays_so_until_it_has_left() -> None:
    homes = Homes(n=2_000, chance=0.0).decide()
    homes.asked[0, STAKE] = 0.9
    free = homes.watch(0.0, 300.0).back.sum() + homes.watch(-0.8, 600.0).back.sum()
    assert free == 0  # nothing holds them back
    taken = homes.watch(0.8, 900.0).back[0, 0].copy()
    assert taken.mean() == pytest.approx(0.3 * 0.8, abs=0.03)
    assert (homes.fleet[0, FLEET.ACCEPTS_COMMANDS] == 1 - taken).all()
    homes.asked[0, STAKE] = 0.95
    assert (homes.decide(1800.0).fleet[0, FLEET.ACCEPTS_COMMANDS] == 1 - taken).all()
    homes.asked[0, STAKE] = 0.0
    homes.watch(0.8, 2100.0)
    assert (homes.decide(3600.0).fleet[0, FLEET.ACCEPTS_COMMANDS] == 1.0).all()


def test_what_is_no_car_is_not_taken_back() -> None:
    homes = Homes(chance=0.0).decide()
    homes.asked[0, STAKE] = 1.0
    assert not homes.watch(1.0, 300.0, mobile=False).back.any()


def test_pay_is_a_part_of_the_services_money() -> None:
    config = DispatchConfig()
    assert constants(config)[CFG.PAY] == 0.0 == constants(config, config.usual_pay)[CFG.PAY]
    assert constants(config, 0.0)[CFG.PAY] < 0.0 < constants(config, 1.0)[CFG.PAY]
