"""Energy is conserved, ticks of any length agree, an episode starts where its days before have led, sums close."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import actions, message, scenario, started, take

from der_gym.core.units import HOUR_S
from der_gym.engine.tables import EXOGENOUS, FLEET, SITE
from der_gym.simulation import metering
from der_gym.simulation.aggregator_view import LEAF
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
DAY_H = 24
ALL_STAY = {"devices__behaviour__late_share": 0.0, "devices__behaviour__leave_share": 0.0}  # registers count who is in


def register(sim: Simulator, device: str, name: str) -> Array:
    """Return a register's sum over the devices of a class, float64 (n_world,)."""
    return sim.fleet.classes[device].register(name).reshape(sim.n_world, -1).sum(axis=1)


def drawn_kwh(sim: Simulator) -> dict[str, Array]:
    """Return each class's electric energy since the episode's start, drawn positive."""
    battery = register(sim, "battery", "charged_kwh") - register(sim, "battery", "discharged_kwh")
    ecocute, ev = register(sim, "ecocute", "electric_kwh"), register(sim, "ev", "charged_kwh")
    return {"battery": battery, "ecocute": ecocute, "ev": ev}


def minutes(sim: Simulator) -> list[Array]:
    """Keep the list's true mean power of every minute from now on, kW."""
    kept: list[Array] = []
    sim.on_minute.append(lambda: kept.append(sim.market.primary.sample.true_kw.copy()))
    return kept


# -- ticks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [0.0, 0.5, -0.5])
def test_ticks_of_a_second_and_of_a_minute_move_the_same_energy(held: float) -> None:
    total = []
    for tick_s in (1, 60):
        sim = started(scenario(tick_s=tick_s, episode__n_block=5, fleet__n_device=300), [1, 2])
        take(sim, held, 180)
        assert (sim.fleet.t_s == 10_800).all()
        total.append(sum(drawn_kwh(sim).values()))
    np.testing.assert_allclose(total[0], total[1], rtol=1e-3)


def test_a_minute_tick_responds_as_twelve_of_five_seconds() -> None:
    power = []
    for tick_s in (5, 60):
        sim = started(scenario(tick_s=tick_s, episode__n_block=5, fleet__n_device=400), [1, 2])
        kept = minutes(sim)
        for a in actions(3, 180, sim.structure.n_leaf):
            take(sim, a)
        power.append(np.array(kept))
    assert len(power[0]) == len(power[1]) == 180
    assert (np.abs(power[0] - power[1]) < 0.03 * sim.market.primary.service.unit_kw).all()
    assert (power[1].std(axis=0) > 0.3 * sim.market.primary.service.unit_kw).all()  # there was something to follow


def test_set_points_inside_a_tick_act_for_its_rest() -> None:
    """Over a network whose messages take seconds the mean response of a minute tick is not that of the next minute."""
    energy = []
    for tick_s in (1, 60):
        made = scenario(tick_s=tick_s, network__reach_share=1.0, fleet__n_device=300)
        sim = started(made, [4])
        before = sum(drawn_kwh(sim).values())
        take(sim, 1.0, 2)
        energy.append(sum(drawn_kwh(sim).values()) - before)
    np.testing.assert_allclose(energy[0], energy[1], atol=0.02 * abs(energy[0][0]))


# -- energy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("commanded", [False, True])
def test_what_is_drawn_is_stored_lost_or_used_over_two_days(commanded: bool) -> None:
    sim = started(scenario(fleet__n_device=1000, episode__n_block=12, **ALL_STAY), [1, 2], by_device=True)
    fleet = sim.fleet
    eta = fleet.classes["battery"].params[:, fleet.classes["battery"].device.params.EFFICIENCY]
    start = {name: store.register(store.device.energy.names[0]).copy() for name, store in fleet.classes.items()}
    power = {name: np.zeros(sim.n_world) for name in fleet.classes}
    every = np.ones(sim.n_world, dtype=bool)

    def add() -> None:
        for name, store in fleet.classes.items():
            here = fleet.fleet[:, FLEET.METER_GAIN, store.lo : store.hi] > 0
            kw = fleet.fleet[:, FLEET.POWER_KW, store.lo : store.hi] * here
            power[name] += kw.sum(axis=1, dtype=np.float64) / 60

    for a in actions(1, sim.scenario.n_step, sim.structure.n_leaf):
        sim.step(message(sim, a if commanded else 0.0), every)
        add()
    for _ in range(48 * 60 - sim.scenario.n_step):
        sim.run_on(every, 60)
        add()
    assert (fleet.t_s == 48 * HOUR_S).all()
    for name, drawn in drawn_kwh(sim).items():  # registers and power agree
        np.testing.assert_allclose(drawn, power[name], rtol=1e-6)
    b, e, v = (
        {name: st.register(name) for name in (*st.device.energy, *st.device.registers)}
        for st in (fleet.classes[device] for device in ("battery", "ecocute", "ev"))
    )
    into = b["charged_kwh"] * eta - b["discharged_kwh"] / eta - b["loss_kwh"]
    here = sim.structure.present[:, fleet.classes["battery"].lo : fleet.classes["battery"].hi]
    # a tick's change is float32: 2,880 of them may err by 2e-9 kWh each
    np.testing.assert_allclose((b["energy_kwh"] - start["battery"]) * here, into, atol=6e-6)
    held = e["heat_in_kwh"] - e["drawn_kwh"] - e["loss_kwh"]
    here = sim.structure.present[:, fleet.classes["ecocute"].lo : fleet.classes["ecocute"].hi]
    np.testing.assert_allclose((e["heat_kwh"] - start["ecocute"]) * here, held, atol=1e-6)
    np.testing.assert_allclose(
        v["loss_kwh"], v["charged_kwh"] * (v["loss_kwh"].sum() / v["charged_kwh"].sum()), rtol=1e-9
    )
    for kwh in (b["energy_kwh"], b["charged_kwh"], b["discharged_kwh"], e["heat_kwh"], v["charged_kwh"]):
        assert (kwh >= -1e-8).all() and kwh.sum() > 0  # a tick's rounding may go below empty


def test_a_command_moves_energy_and_what_it_costs_is_losses_and_stores() -> None:
    """Commanded less idle: every kWh drawn more stands in a store, a loss or a service."""
    ends = []
    for a in (0.0, 0.6):
        sim = started(scenario(fleet__n_device=1000, episode__n_block=12, **ALL_STAY), [1, 2], by_device=True)
        take(sim, a, sim.scenario.n_step)
        sim.run_on(np.ones(2, dtype=bool), 41 * HOUR_S)
        ends.append(sim)
    idle, used = ends

    def more(device: str, name: str, weight: Any = 1.0) -> Array:
        st = idle.fleet.classes[device]
        here = idle.structure.present[:, st.lo : st.hi]
        one, two = (s.fleet.classes[device].register(name) * weight * here for s in (idle, used))
        return (two - one).reshape(2, -1).sum(axis=1)

    store = idle.fleet.classes["battery"]
    eta = store.params[:, store.device.params.EFFICIENCY].astype(np.float64)
    drawn = more("battery", "charged_kwh") - more("battery", "discharged_kwh")
    wasted = more("battery", "charged_kwh", 1 - eta) + more("battery", "discharged_kwh", 1 / eta - 1)
    closing = drawn - more("battery", "energy_kwh") - wasted - more("battery", "loss_kwh")
    assert np.abs(closing).max() < 1e-4 and (np.abs(drawn) > 1).all()  # float32 changes of 430 batteries, both runs
    heat = more("ecocute", "heat_in_kwh") - more("ecocute", "drawn_kwh") - more("ecocute", "loss_kwh")
    np.testing.assert_allclose(heat, more("ecocute", "heat_kwh"), atol=1e-5)
    cars = more("ev", "charged_kwh") - more("ev", "loss_kwh")  # what reached the cars: less only where it is missing
    np.testing.assert_allclose(cars, more("ev", "got_kwh") - more("ev", "missing_kwh"), atol=1e-3)


@pytest.mark.parametrize("start_h", [5, 17])
def test_the_first_hour_is_like_the_same_hour_a_day_later(start_h: int) -> None:
    """States from the pool of days lead on as a day of the engine itself does; weather that changes is switched off."""
    made = scenario(
        fleet__n_device=1000,
        pool__n_fleet=2,
        signals__start="2026-08-04",
        signals__synthetic__clearness_shift=4.0,
        signals__synthetic__temp_daily_sd_k=0.0,
        signals__synthetic__temp_hour_sd_k=0.0,
    )
    sim = started(made, range(16), start_h=start_h)
    sim.market.planner.standing[:] = False  # no device stands by, now and at later half hours
    sim.fleet.fleet[:, FLEET.STANDBY] = 0.0
    every, kwh = np.ones(16, dtype=bool), [drawn_kwh(sim)]
    for hours in (1, 23, 1):
        sim.run_on(every, hours * HOUR_S)
        kwh.append(drawn_kwh(sim))
    use = (sim.fleet.site[:, SITE.LOAD_SCALE] * sim.fleet.site[:, SITE.NOISE]).sum(axis=1)
    homes_kw = float((use * sim.fleet.ctx[:, EXOGENOUS.HOUSE_SHAPE]).mean())
    first = {name: (kwh[1][name] - kwh[0][name]).mean() for name in kwh[0]}
    later = {name: (kwh[3][name] - kwh[2][name]).mean() for name in kwh[0]}
    load = [homes_kw + sum(hour.values()) for hour in (first, later)]
    assert abs(load[0] / load[1] - 1) < 0.02, (first, later, homes_kw)


# -- sums ------------------------------------------------------------------------------------------------------------


def test_every_tree_sums_to_the_fleet() -> None:
    made = scenario(
        fleet__n_device=300,
        fleet__n_feeder=4,
        groups={"own": {"groups": [{"name": "ev", "where": {"device": "ev"}}, {"name": "a", "where": {"cloud": "B"}}]}},
    )
    sim = started(made, [1, 2])
    take(sim, 0.4, 10)
    st, fleet = sim.structure, sim.fleet.fleet
    true = (fleet[:, FLEET.POWER_KW].astype(np.float64) * (fleet[:, FLEET.METER_GAIN] > 0)).sum(axis=1)
    metered = (fleet[:, FLEET.POWER_KW] * fleet[:, FLEET.METER_GAIN]).sum(axis=1, dtype=np.float64)
    cells = np.zeros((2, st.n_cell, metering.POWER.N))
    every = np.ones(2, dtype=bool)
    metering.sum_power_cells(0, 2, 1, every, st.cell_lo, st.cell_hi, fleet, cells)
    assert {"control", "cloud", "place", "function", "own"} <= set(st.trees)
    for tree, nodes in st.trees.items():
        matrix = st.node_matrix(tree)
        deepest = matrix.astype(bool).copy()
        for child, node in enumerate(nodes):
            if node.parent >= 0:
                deepest[node.parent] &= ~matrix[child].astype(bool)
        for row, whole in ((metering.POWER.TRUE_KW, true), (metering.POWER.METERED_KW, metered)):
            sums = matrix @ cells[:, :, row].T
            np.testing.assert_allclose(sums[0], whole, rtol=1e-9, atol=1e-9)  # the root
            np.testing.assert_allclose((deepest @ cells[:, :, row].T).sum(axis=0), whole, rtol=1e-9, atol=1e-9)


def test_the_public_table_sums_what_devices_reported() -> None:
    sim = started(scenario(fleet__n_device=200), [1, 2, 3])
    for k in range(7):
        take(sim, 0.5, 10)
        st, f, t = sim.structure, sim.fleet.fleet, sim.fleet.t_s
        for j in range(st.n_leaf):
            at = np.concatenate([np.arange(st.cell_lo[c], st.cell_hi[c]) for c in np.flatnonzero(st.cell_leaf == j)])
            seen, when = (f[:, row][:, at].astype(np.float64) for row in (FLEET.SEEN_KW, FLEET.SEEN_S))
            rated, here = f[:, FLEET.RATED_KW][:, at].astype(np.float64), f[:, FLEET.METER_GAIN][:, at] > 0
            leaf = sim.view.leaf[:, j]
            np.testing.assert_allclose(leaf[:, 0], (seen * here).sum(axis=1), rtol=1e-9, atol=1e-9)
            heard = np.where(t[:, None] - when > 3600.0, 0.0, rated)  # the others are silent
            age_s = ((t[:, None] - when) * heard).sum(axis=1) / heard.sum(axis=1)
            np.testing.assert_allclose(leaf[:, LEAF.AGE_MEAN_S], age_s, rtol=1e-6, atol=1e-2), k
            silent = 1.0 - heard.sum(axis=1) / rated.sum(axis=1)
            np.testing.assert_allclose(leaf[:, LEAF.SILENT_SHARE], silent, atol=1e-6)
