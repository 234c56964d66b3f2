"""Standby as a message: who hears of it, who keeps it, and that nobody's luck moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import scenario, started, take

from der_gym.engine.tables import FLEET
from der_gym.network.config import NetworkConfig
from der_gym.simulation.simulator import Simulator

Array = np.ndarray


def standing(sim: Simulator, *names: str) -> Any:
    """Return rows of the batteries that are real, (n_world, n) each: STANDBY first."""
    own = sim.fleet.classes["battery"]
    real = sim.structure.present[0, own.lo : own.hi].astype(bool)
    rows = [sim.fleet.fleet[:, FLEET.number(name), own.lo : own.hi][:, real] for name in ("standby", *names)]
    return rows[0] if not names else rows


def test_who_cannot_be_reached_has_opted_out_or_is_not_enrolled_does_not_stand_by() -> None:
    sim = started(scenario(fleet__n_device=400, network__reach_share=0.8), [1, 2, 3])
    take(sim, 0.0)
    stands, takes, down, up = standing(sim, "accepts_commands", "link_down_s", "link_up_s")
    out = (down <= 0.0) & (up > 0.0)
    assert 0.15 < out.mean() < 0.25
    assert not stands[out].any() and not stands[takes == 0].any()
    assert stands[~out & (takes > 0)].mean() > 0.97  # the rest lost the message


def test_a_message_is_lost_with_its_paths_loss_and_sent_again_every_half_hour() -> None:
    lossy = {f"network.paths.{name}.loss_share": 0.4 for name in ("P1", "P2", "P3", "P4")}
    given = {key.replace(".", "__"): value for key, value in lossy.items()}
    sim = started(scenario(fleet__n_device=400, episode__n_block=3, **given), [1, 2])
    shares = []
    for _ in range(3):
        take(sim, 0.0)
        stands, takes = standing(sim, "accepts_commands")
        shares.append(stands[takes > 0].mean())
        take(sim, 0.0, 29)
    reached = NetworkConfig().reached_share()
    assert shares == pytest.approx([reached * (1 - 0.4 ** (k + 1)) for k in range(3)], abs=0.04)


def test_who_has_it_keeps_it_to_the_end_of_the_window() -> None:
    sim = started(scenario(fleet__n_device=200, episode__n_block=2), [1])
    take(sim, 0.0)
    first = standing(sim).copy()
    sim.fleet.fleet[:, FLEET.LINK_DOWN_S], sim.fleet.fleet[:, FLEET.LINK_UP_S] = 0.0, 1e9  # all links fall
    take(sim, 0.0, 30)
    stands, takes = standing(sim, "accepts_commands")
    assert (stands == first * takes).all() and stands.any()
    take(sim, 0.0, 30)
    assert not standing(sim).any()  # the window has ended


def test_preloaded_standby_needs_no_message() -> None:
    sim = started(scenario(fleet__n_device=200, network__standby="preloaded", network__reach_share=0.0), [1])
    take(sim, 0.0)
    stands, takes = standing(sim, "accepts_commands")
    assert (stands == takes).all() and stands.any()
    assert sim.market.ledger.yen[0, sim.market.ledger.number("message")] == 0.0


def test_standby_moves_nobodys_luck() -> None:
    """Homes, heaters and cars live the same day whether stores are told by message or know."""
    worlds = [started(scenario(fleet__n_device=200, network__standby=each), [1]) for each in ("sent", "preloaded")]
    for sim in worlds:
        take(sim, 0.0, 60)
    one, other = worlds
    assert (one.fleet.site[:, 0:5] == other.fleet.site[:, 0:5]).all()
    for name in ("ecocute", "ev"):
        assert (one.fleet.classes[name].state == other.fleet.classes[name].state).all()
    assert (standing(one) != standing(other)).any()


def test_the_plan_expects_the_share_that_stands_by() -> None:
    sim = started(scenario(fleet__n_device=1000), range(8))
    take(sim, 0.0)
    stands, gain = standing(sim, "meter_gain")
    expected = sim.market.planner.standby_share
    assert stands[gain > 0].mean() == pytest.approx(expected[expected > 0].mean(), abs=0.01)
