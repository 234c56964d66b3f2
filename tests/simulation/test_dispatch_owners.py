"""Opting out of commands by the same owner, in whole worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lamps import lamp
from worlds import copied, same, scenario, small, started, take

from der_gym.core.errors import InputError
from der_gym.devices import DEVICES
from der_gym.devices.owners.commanded import HOME, HOME_PARAMS
from der_gym.devices.owners.draws import PARAMS
from der_gym.engine.tables import FLEET
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
STAY = {"devices__behaviour__late_share": 0.0, "devices__behaviour__leave_share": 0.0}


def fleet(n: int = 4, seeds: int = 5, **changes: Any) -> Simulator:
    own = {"behaviours__dispatch": {"opting_out": "owner"}, "fleet__n_device": 400, **STAY, **changes}
    return started(scenario(**own), range(seeds, seeds + n))


def out_share(sim: Simulator) -> float:
    gain, takes = sim.fleet.fleet[:, FLEET.METER_GAIN], sim.fleet.fleet[:, FLEET.ACCEPTS_COMMANDS]
    return float(1.0 - takes[gain > 0].mean())


def test_the_coin_stays_what_it_was() -> None:
    said, unsaid = (started(scenario(**own), [1, 2]) for own in ({"behaviours__dispatch": {"opting_out": "coin"}}, {}))
    for sim in (said, unsaid):
        take(sim, 0.5, 40)
    assert not same(copied(said), copied(unsaid))
    assert said.fleet.opting is None and not any("opting" in name for name in said.arrays())


def test_the_mean_is_two_to_five_in_a_hundred_for_three_hours() -> None:
    shares = []
    for start_h in (10, 14, 17):
        sim = fleet(6, fleet__n_device=1000, episode__n_block=6, episode__starts_h=[start_h])
        for k in range(6):
            take(sim, 0.3 * (-1) ** (k // 2), 30)
            shares.append(out_share(sim))
    assert 0.02 <= np.mean(shares) <= 0.05 and max(shares) < 0.08


def test_comfort_at_stake_calls_and_less_pay_raise_it() -> None:
    def later(**changes: Any) -> float:
        sim = fleet(6, fleet__n_device=1000, episode__n_block=7, **changes)
        take(sim, 0.4, 200)
        return out_share(sim)

    bold = {"stake_weight": 0.0, "tired_weight": 0.0, "override_share": 0.0, "opting_out": "owner"}
    plain, tired, cared = (later(behaviours__dispatch=bold | more) for more in
                           ({}, {"tired_weight": 1.5}, {"stake_weight": 4.0}))  # fmt: skip
    poor = later(behaviours__dispatch=bold | {"pay_weight": 2.0}, **{"services__tertiary-1__owners_share": 0.0})
    assert tired > 1.05 * plain and cared > 1.2 * plain and poor > 2.0 * plain


def test_devices_of_one_home_decide_as_one() -> None:
    sim = fleet(3, fleet__n_device=600, devices__behaviour__opt_out_share={"battery": 0.3, "ecocute": 0.3, "ev": 0.3})
    at, takes = sim.structure.site_index[0], sim.fleet.fleet[:, FLEET.ACCEPTS_COMMANDS]
    here = sim.fleet.fleet[:, FLEET.METER_GAIN] > 0
    several = 0
    for site in np.unique(at):
        for w in range(3):
            own = takes[w, (at == site) & here[w]]
            assert (own == own[:1]).all()
            several += own.size > 1
    assert several > 20 and 0.1 < 1 - takes[here].mean() < 0.5


def test_it_is_the_owner_who_is_offered_pay() -> None:
    """Under both, who opts in readily opts out rarely, and the calls of the days before are the same."""
    sim = fleet(1, control="both", name="tertiary-1-both")
    owners, homes = sim.fleet.behaviours.all[0].params[0], sim.fleet.opting.params[0]  # type: ignore[union-attr]
    at, own = sim.structure.site_index[0], owners[PARAMS.MIND] > -1e5
    real = sim.structure.present[0] > 0
    np.testing.assert_allclose(owners[PARAMS.MIND][own & real], homes[HOME_PARAMS.TYPE][at][own & real], rtol=1e-6)
    assert np.corrcoef(owners[PARAMS.CALLS_BEFORE][real], homes[HOME_PARAMS.CALLS_BEFORE][at][real])[0, 1] > 0.999


def test_cars_are_taken_back_in_the_middle_of_a_command() -> None:
    def backs(share: float) -> tuple[Simulator, Array]:
        told = {"opting_out": "owner", "override_share": share, "override_stake": 0.1}
        sim = fleet(4, fleet__n_device=600, episode__n_block=10, episode__starts_h=[17], behaviours__dispatch=told)
        take(sim, 1.0, 290)
        return sim, sim.fleet.opting.back[:, 0] > 0  # type: ignore[union-attr]

    sim, back = backs(1.0)
    lo, hi = sim.structure.class_slice["ev"]
    assert back[:, lo:hi].any() and not np.delete(back, np.s_[lo:hi], axis=1).any()
    assert not sim.fleet.fleet[:, FLEET.ACCEPTS_COMMANDS][back].any()
    assert not backs(0.0)[1].any()


def test_forks_and_other_worlds_have_the_same_bits() -> None:
    many, one = fleet(3), fleet(1, seeds=6)
    for sim in (many, one):
        take(sim, 0.6, 45)
    kept = many.fork([1])
    take(many, -0.2, 20), take(one, -0.2, 20), take(kept, -0.2, 20)
    for sim in (one, kept):
        for name, array in sim.arrays().items():
            if "opting" in name:
                assert array.tobytes() == many.arrays()[name][1:2].tobytes(), name
    assert many.fleet.opting.home[:, HOME.CALLS].max() >= 1  # type: ignore[union-attr]


def test_a_class_without_owners_keeps_the_coin() -> None:
    DEVICES.register("lamp", lamp())
    try:
        with pytest.raises(InputError, match=r"opting_out 'owner': class 'lamp' declares no owners; allowed: coin, or"):
            load(
                "tertiary-1-tiny",
                small(
                    "tertiary-1-tiny",
                    {
                        "behaviours.dispatch": {"opting_out": "owner"},
                        "fleet.mix": [{"device": "lamp", "path": "P3", "cloud": "A", "share": 1}],
                    },
                ),
            )
    finally:
        del DEVICES._items["lamp"]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"opting_out": "owners"}, r"behaviours\.dispatch\.opting_out: .*'coin' or 'owner'"),
        ({"override_stake": 1.0}, r"behaviours\.dispatch\.override_stake: .*less than 1"),
        ({"stake_wieght": 1.0}, r"behaviours\.dispatch.*stake_wieght"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault) as error:
        load("tertiary-1-tiny", {"behaviours.dispatch": settings})
    assert "\n" not in str(error.value)
