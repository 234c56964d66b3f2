"""Membership: joining, leaving, opting out, and the meters' errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from der_gym.core.errors import InputError
from der_gym.devices import membership
from der_gym.devices.membership import OPT_OUT_SLOT_S, MembershipConfig
from der_gym.engine.tables import FLEET
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

N = 8000
HORIZON_S = 7 * 3600
START_S = 9000 * 86_400


class Members:
    """One class of N devices whose membership is refreshed at half hours."""

    def __init__(self, opt_out: float = 0.0, n_world: int = 1, **settings: Any) -> None:
        self.cfg = MembershipConfig(**settings).constants(float(HORIZON_S))
        self.opt_out, self.n_world = np.float32(opt_out), n_world
        self.keys = np.random.default_rng(4).integers(2**32, size=(n_world, 4), dtype=np.uint32)
        self.uid = np.arange(5, N + 5, dtype=np.uint32)[None]
        self.present = np.ones((1, N), dtype=np.uint8)
        self.active = np.ones(n_world, dtype=bool)
        self.fleet = np.zeros((n_world, FLEET.N, N), dtype=np.float32)

    def at(self, t_s: float, abs_s: int | None = None) -> dict[str, np.ndarray]:
        """Return who is in the list, METER_GAIN and ACCEPTS_COMMANDS at a time of the episode."""
        t = np.full(self.n_world, float(t_s))
        clock = np.full(self.n_world, START_S + int(t_s) if abs_s is None else abs_s, dtype=np.int64)
        span = (0, self.n_world, 1, self.active, self.keys)
        membership.update_membership(*span, self.uid, self.present, clock, t, self.cfg, self.opt_out, 0, N, self.fleet)
        gain, takes = self.fleet[0, FLEET.METER_GAIN].copy(), self.fleet[0, FLEET.ACCEPTS_COMMANDS].copy()
        return {"here": (gain > 0).astype(np.float32), "gain": gain, "takes": takes}


STAY = {"late_share": 0.0, "leave_share": 0.0}


def test_units_join_late_and_leave_and_count_for_nothing_while_absent() -> None:
    members = Members(late_share=0.3, leave_share=0.2)
    seen = [members.at(t) for t in range(0, HORIZON_S + 1, 1800)]
    here = np.array([m["here"] for m in seen])
    assert here[0].mean() == pytest.approx(0.7, abs=0.02)
    assert here[-1].mean() == pytest.approx(0.8, abs=0.02)  # a late joiner may leave before it has joined
    turns = np.abs(np.diff(here, axis=0)).sum(axis=0)
    assert turns.max() <= 2  # once in, once out
    joins, leaves = (np.diff(here, axis=0) == 1).sum(axis=1), (np.diff(here, axis=0) == -1).sum(axis=1)
    assert joins == pytest.approx(np.full(14, joins.mean()), rel=0.35)  # spread over the episode
    assert leaves == pytest.approx(np.full(14, leaves.mean()), rel=0.35)
    for m in seen:
        assert (m["gain"][m["here"] == 0] == 0).all() and (m["takes"][m["here"] == 0] == 0).all()
        assert (m["gain"][m["here"] == 1] > 0.9).all()


def test_with_no_churn_everyone_is_there_all_the_time() -> None:
    members = Members(**STAY)
    for t in (0, 1800, HORIZON_S, 40 * HORIZON_S):
        assert (members.at(t)["here"] == 1).all()


def test_padding_is_never_there() -> None:
    members = Members(**STAY)
    members.present[0, ::3] = 0
    m = members.at(0)
    for row in m.values():
        assert (row[::3] == 0).all() and (row[1::3] > 0).all()


def test_owners_opt_out_for_three_hours_at_a_time_and_stay_metered() -> None:
    members = Members(opt_out=0.1, **STAY)
    slots = np.array([members.at(t)["takes"] for t in range(0, 12 * 3600, 1800)])
    assert slots.mean() == pytest.approx(0.9, abs=0.005)
    per_slot = OPT_OUT_SLOT_S // 1800
    first = START_S % OPT_OUT_SLOT_S // 1800
    for k in range(1, len(slots)):
        same = np.array_equal(slots[k], slots[k - 1])
        assert same == ((k + first) % per_slot != 0)
    never = (slots[::per_slot] == 0).all(axis=0).mean()
    assert never == pytest.approx(0.1**4, abs=5e-4)  # each slot is decided afresh
    m = members.at(0)
    assert (m["here"] == 1).all() and (m["gain"] > 0.9).all()


def test_an_opt_out_belongs_to_the_clock_not_to_the_episode() -> None:
    one, two = Members(opt_out=0.3, **STAY), Members(opt_out=0.3, **STAY)
    np.testing.assert_array_equal(one.at(0, START_S)["takes"], two.at(5400, START_S + 60)["takes"])


def test_meters_err_within_their_class_and_keep_their_error() -> None:
    members = Members(meter_tolerance=0.03, **STAY)
    gain = members.at(0)["gain"].astype(np.float64)
    assert abs(gain - 1).max() <= 0.03 + 1e-6 and gain.mean() == pytest.approx(1.0, abs=5e-4)
    assert gain.std() == pytest.approx(0.01, rel=0.05)
    np.testing.assert_array_equal(members.at(18_000)["gain"], np.float32(gain))
    assert (Members(meter_tolerance=0.0, **STAY).at(0)["gain"] == 1.0).all()


def test_luck_belongs_to_the_uid_and_an_inactive_world_keeps_its_bits() -> None:
    members = Members(opt_out=0.2, n_world=2, late_share=0.3)
    straight = members.at(0)
    members.uid = members.uid[:, ::-1].copy()
    members.fleet[0] = 0.0  # as at a reset: what a meter errs by is drawn once
    before = members.fleet[1].tobytes()
    members.active[1] = False
    turned = members.at(0)
    for name in straight:
        np.testing.assert_array_equal(straight[name][::-1], turned[name])
    assert members.fleet[1].tobytes() == before


@pytest.mark.parametrize(
    "settings",
    [{"late_share": 1.5}, {"meter_tolerance": -0.1}, {"opt_out_share": {"battery": 2.0}}, {"leave": 0.1}],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"devices\.behaviour"):
        load("tertiary-1-tiny", {f"devices.behaviour.{key}": value for key, value in settings.items()})


QUIET = {  # one summer day, so that its pool is soon made
    "signals.start": "2025-07-10",
    "episode.starts_h": [14],
    "episode.seasons": ["summer"],
    "services.tertiary-1.limits": "off",
}


def test_absent_units_are_not_metered() -> None:
    overrides = {**QUIET, "devices.behaviour.late_share": 1.0, "devices.behaviour.leave_share": 0.0}
    s = Simulator(load("tertiary-1-tiny", overrides), 1)
    s.reset(np.ones(1, dtype=bool), {0: np.random.default_rng(3)})
    message = np.zeros((1, s.structure.n_leaf, 3), dtype=np.float32)
    shares = []
    for _ in range(s.scenario.n_step):
        s.step(message, np.ones(1, dtype=bool))
        fleet = s.fleet.fleet[0]
        shares.append((fleet[FLEET.METER_GAIN] > 0).mean())
        assert (fleet[FLEET.METER_GAIN] >= 0).all()  # every joiner's meter is drawn
    assert shares[0] < 0.2 and shares[-1] > 0.9
