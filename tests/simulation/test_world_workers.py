"""The number of workers, the kind of process and the cut into shards never show in a result."""

from __future__ import annotations

import copy
import multiprocessing
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from worlds import actions, copied, generators, message, same, scenario, started, take, vector_trace

from der_gym.core.errors import InputError
from der_gym.engine import parallel
from der_gym.engine.program import share
from der_gym.engine.tables import FLEET, SITE
from der_gym.fleet.structure import SHARD_SIZE
from der_gym.scenario.model import Scenario
from der_gym.simulation import assets, representative_fleet, reset
from der_gym.simulation import simulator as engine
from der_gym.simulation.aggregator_view import LEAF
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.simulator import Simulator

Array = np.ndarray


def play(made: Scenario, seeds: list[int], workers: int, n: int = 12) -> Simulator:
    """Return a simulator after ``n`` steps; every world has other commands."""
    sim = started(made, seeds, workers)
    every = np.ones(len(seeds), dtype=bool)
    for a in actions(2, n, sim.structure.n_leaf):
        sim.step(message(sim, a * np.linspace(-1, 1, len(seeds))[:, None]), every)
    return sim


@pytest.fixture
def threads_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let even a few devices be worth a thread."""
    monkeypatch.setattr(parallel, "WORTH_A_THREAD", 3)


@pytest.fixture
def sharded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut worlds of 150 devices into three shards, whose pool is run on a sample."""

    def build(table: Any, trees: Any, switched: Any) -> Any:
        return representative_fleet.build(table, trees, switched, 60)

    monkeypatch.setattr(assets, "build", build)
    monkeypatch.setattr(representative_fleet, "EXACT", 80)
    monkeypatch.setattr(representative_fleet, "SAMPLE", 80)
    monkeypatch.setattr(engine, "ready", assets._make)


@pytest.mark.usefixtures("threads_pay")
@pytest.mark.parametrize("name", ["tertiary-1", "tertiary-1-receiving"])
def test_workers_do_not_show_among_many_worlds(name: str) -> None:
    made = scenario(name)
    sims = [play(made, list(range(9)), workers) for workers in (1, 2, 7)]
    assert [sim.workers for sim in sims] == [1, 2, 7]
    for other in sims[1:]:
        assert same(copied(sims[0]), other.arrays()) == []


@pytest.mark.usefixtures("threads_pay", "sharded")
@pytest.mark.parametrize("name", ["tertiary-1", "tertiary-1-receiving"])
def test_workers_do_not_show_among_the_shards_of_a_world(name: str) -> None:
    made = scenario(name, fleet__n_device=150)
    sims = [play(made, [1, 2], workers, n=40) for workers in (1, 2, 7)]
    st = sims[0].structure
    assert st.n_shard == 3 and [sim.workers for sim in sims] == [1, 2, 6]
    for other in sims[1:]:
        assert same(copied(sims[0]), other.arrays()) == []


@pytest.mark.usefixtures("sharded")
def test_a_large_world_opens_a_few_shards_at_a_time_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    made, kept = scenario(fleet__n_device=150), []
    for few in (reset.FEW, 100):  # all shards at once; each on its own
        monkeypatch.setattr(reset, "FEW", few)
        kept.append(copied(play(made, [1, 2], 1)))
    assert len(kept[0]["fleet"]) == 6 and same(*kept) == []


@pytest.mark.usefixtures("sharded")
def test_a_copy_opens_its_own_next_episode() -> None:
    one = play(scenario(fleet__n_device=150), [1, 2], 1)
    other, every = copy.deepcopy(one), np.ones(2, dtype=bool)
    for sim in (one, other):
        sim.reset(every, generators([3, 4]))
    assert same(copied(one), other.arrays()) == []


def test_the_first_of_each_fleet_is_the_model_of_its_worlds() -> None:
    keys = np.array([[1, 2], [3, 4], [1, 2], [3, 4], [1, 9], [1, 2]], dtype=np.uint32)
    mask = np.array([False, True, True, True, True, True])
    assert reset.first_alike(mask, keys).tolist() == [0, 1, 2, 1, 4, 2]  # world 0 stays as it is, and is no model
    assert reset.first_alike(np.zeros(6, dtype=bool), keys).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("sharded")
def test_worlds_that_take_over_a_fleet_are_what_they_would_have_drawn() -> None:
    sim = play(scenario(fleet__n_device=150), [1, 2, 3, 4, 5, 6], 2, n=3)
    assert len(np.unique(sim.fleet.keys[:, :2], axis=0)) < 6  # worlds share fleets
    alone = Fleet(sim.structure, sim.scenario.devices, 6, sim.scenario.horizon_s)
    alone.keys[:] = sim.fleet.keys
    share(alone.draw_params(np.ones(6, dtype=bool)), alone.n_all, 1)
    for name, store in sim.fleet.classes.items():
        assert np.array_equal(store.params, alone.classes[name].params)
    for row in (FLEET.RATED_KW, FLEET.DEAD_S):
        assert np.array_equal(sim.fleet.fleet[:, row], alone.fleet[:, row])
    assert np.array_equal(sim.fleet.site[:, : SITE.NOISE], alone.site[:, : SITE.NOISE])


@pytest.mark.usefixtures("sharded")
def test_sums_of_a_sharded_world_are_those_of_its_devices() -> None:
    sim = play(scenario(fleet__n_device=150), [1, 2], 1, n=40)
    st, f = sim.structure, sim.fleet.fleet
    assert 0 < (st.present == 0).sum() < 60  # there is padding
    assert (f[:, FLEET.RATED_KW] * (1 - np.tile(st.present, (2, 1))) == 0).all()
    assert (f[:, FLEET.METER_GAIN][np.tile(st.present, (2, 1)) == 0] == 0).all()
    seen = (f[:, FLEET.SEEN_KW].astype(np.float64) * (f[:, FLEET.METER_GAIN] > 0)).sum(axis=1).reshape(2, 3).sum(axis=1)
    np.testing.assert_allclose(sim.view.leaf[:, :, 0].sum(axis=1), seen, rtol=1e-9)
    for j in range(st.n_leaf):  # of each leaf: rated kW of the silent, and the mean age of the others' reports
        at = np.concatenate([np.arange(st.cell_lo[c], st.cell_hi[c]) for c in np.flatnonzero(st.cell_leaf == j)])
        rated, when = (f[:, row][:, at].reshape(2, -1).astype(float) for row in (FLEET.RATED_KW, FLEET.SEEN_S))
        silent = when < sim.fleet.t_s[:, None] - 3600.0
        heard = np.where(silent, 0.0, rated)
        share = 1.0 - heard.sum(axis=1) / rated.sum(axis=1)
        age_s = sim.fleet.t_s - (heard * when).sum(axis=1) / heard.sum(axis=1)
        np.testing.assert_allclose(sim.view.leaf[:, j, LEAF.SILENT_SHARE], share, atol=1e-6)
        np.testing.assert_allclose(sim.view.leaf[:, j, LEAF.AGE_MEAN_S], age_s, atol=0.05)
    assert sim.view.leaf[:, :, LEAF.SILENT_SHARE].max() > 0.0


@pytest.mark.usefixtures("sharded")
def test_registers_of_padding_are_not_booked() -> None:
    sim = play(scenario(fleet__n_device=150), [1, 2], 1, n=40)
    here = sim.structure.present.astype(bool)
    for store in sim.fleet.classes.values():
        store.energy[:] = np.where(np.tile(here[:, None, store.lo : store.hi], (2, 1, 1)), 1.0, 1e6)
    homes = sim.structure.present[:, slice(*sim.structure.class_slice["ecocute"])].sum()
    assert (sim.fleet.total("unserved_kwh") == homes).all()


@pytest.mark.usefixtures("sharded")
def test_registers_of_devices_add_up_to_those_of_their_class() -> None:
    made = scenario(fleet__n_device=150, devices__behaviour__late_share=0.3)
    sums, each = (started(made, [1, 2], 1, by_device) for by_device in (False, True))
    for sim in (sums, each):
        take(sim, 0.5, 60)
    for name, store in each.fleet.classes.items():
        here = each.fleet.fleet[:, FLEET.METER_GAIN, store.lo : store.hi]
        for register in store.device.registers:
            values = store.register(register)
            assert values.shape == here.shape and sums.fleet.classes[name].register(register).shape[1] == 1
            np.testing.assert_allclose(each.fleet.total(register), sums.fleet.total(register), rtol=1e-7)
            assert not values[here == 0].any()  # not yet in the list, or padding
    assert sums.fleet.total("discharged_kwh").min() > 0
    with pytest.raises(InputError, match="the same by_device"):
        sums.restore(each.snapshot())
    assert np.array_equal(sums.view.leaf, each.view.leaf)


@pytest.mark.usefixtures("sharded")
def test_a_sharded_world_is_copied_whole() -> None:
    made = scenario(fleet__n_device=150)
    sim, other = play(made, [1, 2], 1), play(made, [3, 4], 1)
    other.restore(sim.snapshot([1]), [0])
    for one in (sim, other):
        one.step(message(one, 0.3), np.ones(2, dtype=bool))
    assert same(sim.snapshot([1]).arrays, other.snapshot([0]).arrays) == []
    twin = sim.fork([1])
    assert same(sim.snapshot([1]).arrays, twin.snapshot().arrays) == []


def test_a_large_fleet_runs_in_its_own_shards_at_any_number_of_workers() -> None:
    made = scenario(fleet__n_device=40_000)
    sims = [play(made, [1], workers, n=7) for workers in (1, 2, 7)]
    assert sims[0].structure.n_shard == 3 and sims[0].structure.n_place < SHARD_SIZE
    assert sims[1].workers == 2
    for other in sims[1:]:
        assert same(copied(sims[0]), other.arrays()) == []
    kw = sims[0].view.leaf[:, :, 0].sum()
    assert np.isfinite(kw) and kw != 0.0


def test_a_sample_stands_for_a_large_fleet() -> None:
    """The plan of 20,000 devices, from a pool run on 4,096 of them, is near twenty times that of 1,000."""
    plans = []
    for n in (1_000, 20_000):
        sim = started(scenario(fleet__n_device=n, episode__n_block=4), [1, 2], start_h=14)
        plans.append((sim.market.planner.leaf_kw.sum(axis=1) / n, sim.nominal_kw / n))
    np.testing.assert_allclose(plans[0][1], plans[1][1], rtol=0.1)
    np.testing.assert_allclose(plans[0][0].sum(axis=1), plans[1][0].sum(axis=1), rtol=0.1)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_child_processes_give_the_same_bits(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    parallel.together(lambda: None, 2)  # this process has threads of its own by now
    context: Any = multiprocessing.get_context(method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: that is what is tested
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            workers = pool.submit(parallel.default_workers)
            assert workers.result(timeout=300) == 1
            assert pool.submit(vector_trace, 3).result(timeout=300) == vector_trace(3)
