"""Luck has an address: what befalls a device does not depend on commands, on its groups, its neighbours or the tick."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import MIX, scenario, started, take

from der_gym.engine.tables import FLEET, SITE
from der_gym.network import tables as net
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
SEEDS = [5, 6]
START_H = 17  # from 17 h on: the cars come home, baths are run, midnight passes
HOURS = 9
HOME, CLOUD = "site", "cloud"


def by_uid(sim: Simulator, w: int) -> dict[str, dict[Any, Any]]:
    """Return what befell world ``w`` so far: kind of luck -> address -> value."""
    st, fleet = sim.structure, sim.fleet
    uid = st.uid[0]
    luck: dict[str, dict[Any, Any]] = {}
    for name, row in {
        "link_down": FLEET.LINK_DOWN_S,
        "link_up": FLEET.LINK_UP_S,
        "takes": FLEET.ACCEPTS_COMMANDS,
    }.items():
        luck[name] = dict(zip(uid.tolist(), fleet.fleet[w, row].tolist(), strict=True))
    for name, row in {"rated": FLEET.RATED_KW, "gain": FLEET.METER_GAIN, "dead": FLEET.DEAD_S}.items():
        luck[name] = dict(zip(uid.tolist(), fleet.fleet[w, row].tolist(), strict=True))
    homes = fleet.site[w, [SITE.NOISE, SITE.LOAD_SCALE]].T.tolist()
    luck["house"] = dict(zip(st.site_uid[0].tolist(), homes, strict=True))
    weights = sim.meters._site_weights(np.float32(0.02))[1][0]
    luck["site_meter"] = dict(zip(st.site_uid[0].tolist(), weights.tolist(), strict=True))
    for device, names in {
        "ev": ("arrive_s", "own_s", "depart_s"),
        "ecocute": ("draw_kw", "bath_slot", "other_l"),
    }.items():
        store = fleet.classes[device]
        for name in names:
            values = store.state[w, store.device.state.number(name)].tolist()
            luck[name] = dict(zip(st.uid[0, store.lo : store.hi].tolist(), values, strict=True))
    outages = sim.network.cloud[w, :, net.CLOUD.OUT_0_FROM :].tolist()
    luck["cloud"] = dict(zip(st.cloud_names, outages, strict=True))
    return luck


def lived(changes: dict[str, Any], a: float = 0.0) -> list[list[dict[str, dict[Any, Any]]]]:
    """Return the luck of each world at the start, after the window and after midnight."""
    keys = {"fleet__n_device": 150, "episode__n_block": 3, "network__cloud_minor_per_year": 300.0, **changes}
    sim = started(scenario(**keys), SEEDS, start_h=START_H)
    seen = [[by_uid(sim, w) for w in range(len(SEEDS))]]
    take(sim, a, sim.scenario.n_step)
    seen.append([by_uid(sim, w) for w in range(len(SEEDS))])
    sim.run_on(np.ones(len(SEEDS), dtype=bool), HOURS * 3600 - sim.scenario.horizon_s)
    seen.append([by_uid(sim, w) for w in range(len(SEEDS))])
    return seen


@pytest.fixture(scope="module")
def base() -> list[list[dict[str, dict[Any, Any]]]]:
    return lived({})


# half as many again, of which most are new rows: those of the old ones that are there in both must be untouched
MORE = [
    *MIX,
    {"device": "ev", "path": "P1", "cloud": "new", "share": 300},
    {"device": "ecocute", "path": "P5", "share": 200},
]
TREES = {"control": {"by": ("cloud",)}}
CASES: dict[str, tuple[dict[str, Any], float]] = {
    "other commands": ({}, 0.8),
    "commands the other way": ({}, -1.0),
    "grouped by cloud": ({"groups": TREES}, 0.5),
    "more classes and clouds": ({"fleet__mix": MORE, "fleet__n_device": 225}, 0.0),
    "ticks of ten seconds": ({"tick_s": 10}, 0.0),
    "ticks of ten seconds, decisions of five minutes": ({"tick_s": 10, "decision_s": 300}, 0.3),
    "another network": ({"network__latency_scale": 1.5, "network__change_share": 0.1}, 0.3),
}


@pytest.mark.parametrize("case", CASES)
def test_luck_stays_with_its_address(base: list[list[dict[str, dict[Any, Any]]]], case: str) -> None:
    changes, a = CASES[case]
    for moment, (was, now) in enumerate(zip(base, lived(changes, a), strict=True)):
        for w in range(len(SEEDS)):
            for kind, values in was[w].items():
                shared = set(values) & set(now[w][kind])
                assert len(shared) >= 0.6 * len(values), (case, kind)
                wrong = [key for key in shared if values[key] != now[w][kind][key]]
                assert not wrong, (case, kind, moment, len(wrong), len(shared))


def test_luck_differs_between_worlds_days_and_devices(base: list[list[dict[str, dict[Any, Any]]]]) -> None:
    for kind in ("link_down", "house", "arrive_s", "draw_kw", "cloud"):
        first, later = base[0], base[2]
        assert first[0][kind] != first[1][kind], kind
        if kind not in ("arrive_s", "cloud"):  # a car's session lasts till noon, clouds are drawn for the episode
            assert first[0][kind] != later[0][kind], kind
        assert len({str(value) for value in first[0][kind].values()}) > 3, kind


def test_a_controller_meets_the_same_requests_and_prices() -> None:
    ends = []
    for a in (0.0, 1.0):
        sim = started(scenario(), SEEDS)
        take(sim, a, sim.scenario.n_step)
        sim.reset(np.ones(2, dtype=bool), dict(enumerate(sim.generators)))  # and in the episode after
        product = sim.market.primary.service
        ends.append(
            [
                product.request_kw.copy(),
                sim.market.episode.window.copy(),
                sim.market.primary.service.award_kw.copy(),
                sim.fleet.keys.copy(),
            ]
        )
    assert all(one.tobytes() == other.tobytes() for one, other in zip(*ends, strict=True))
