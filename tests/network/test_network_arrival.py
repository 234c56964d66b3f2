"""When a message reaches a device: a pure function of its address, with the latencies that its path states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from network_line import Line

from der_gym.engine.tables import FLEET
from der_gym.network import tables as net
from der_gym.network.arrive import fetched, next_poll
from der_gym.network.tables import NEVER, NEVER_S, code, moment

PUSHED = ["P1", "P2", "P3", "P6", "ideal"]
POLLED = ["P4", "P4-slow", "P5"]


def post(line: Line, *cell_t: float) -> np.ndarray:
    """Return the arrivals (n,) of a message that each cell's cloud has at ``cell_t`` seconds."""
    w = line.network
    w.cell_t[0], w.cell_slot[0] = cell_t, 0
    w.compute_arrivals(line.keys, line.fleet)(0, 1)
    w.cell_slot[:] = -1
    w.since[0, :, 0] = cell_t  # as `send` does
    return line.arrivals()


def step_s(line: Line) -> float:
    """Return the ring's unit of time of the first cell, s."""
    return float(line.network.path[0, net.CHANNEL.STEP_S])


def ways(line: Line, n_message: int) -> np.ndarray:
    """Return how long each of many messages, some seconds apart, took to every device, s (n_message, n)."""
    times = 40.0 + 97.3 * np.arange(n_message)
    return np.array([post(line, t) - np.float32(t) for t in times])


@pytest.mark.parametrize("path", PUSHED)
def test_pushed_latencies_are_the_paths_quantiles_in_the_long_run(path: str) -> None:
    line = Line([(path, 400, 0, "x")])
    line.network.service_s[:] = 0.0
    line.network.path[0, net.CHANNEL.STEP_S] = 2.0 ** np.ceil(
        np.log2(line.network.path[0, net.CHANNEL.LONGEST_S] / 65_534)
    )  # no dead time
    p, way = line.config.path(path), ways(line, 150)
    came = way[way < 1e8].astype(np.float64)
    assert 1 - came.size / way.size == pytest.approx(p.loss_share, abs=0.003)
    for share, close in ((0.1, 0.03), (0.25, 0.02), (0.5, 0.02), (0.75, 0.02), (0.9, 0.03), (0.98, 0.1)):
        assert np.quantile(came, share) == pytest.approx(p.quantile(share), rel=close, abs=0.75 * step_s(line))
    per_device = np.nanmedian(np.where(way < 1e8, way, np.nan), axis=0)
    assert np.std(per_device) < 0.25 * p.quantile(0.5) + 1e-3  # luck is redrawn by message, not kept by device


@pytest.mark.parametrize("path", POLLED)
def test_polled_latencies_are_a_wait_and_a_way(path: str) -> None:
    line = Line([(path, 400, 0, "x")])
    line.network.service_s[:] = 0.0
    p, way = line.config.path(path), ways(line, 150)
    came = way[way < 1e8].astype(np.float64)
    assert came.size / way.size == pytest.approx(1 - p.loss_share, abs=0.003)
    assert np.quantile(came, 0.95) == pytest.approx(p.p95_s(), rel=0.06)  # a missed poll adds to some
    shares = np.array(p.poll_share) / sum(p.poll_share)
    missed = p.missed_poll_share * np.dot(shares, p.poll_s)
    mean_way = p.quantiles((np.arange(999) + 0.5) / 999).mean()
    assert came.mean() == pytest.approx(np.dot(shares, p.poll_s) / 2 + missed + mean_way, rel=0.04)


def test_polls_come_at_each_devices_own_period_and_phase() -> None:
    exact = {"latency": [{"median_s": 1e-3, "sigma": 0.01}], "loss_share": 0.0, "missed_poll_share": 0.0}
    line = Line([("P4", 300, 0, "x")], paths={"P4": exact})
    line.network.service_s[:] = 0.0
    polls = np.array([post(line, t) for t in np.arange(0.0, 900.0, 7.0)])
    period = np.array([np.unique(np.round(np.diff(np.unique(p.round())))) for p in polls.T], dtype=object)
    assert {round(float(x)) for own in period for x in own} <= {59, 60, 61, 299, 300, 301}
    slow = np.array([np.unique(p.round()).size < 6 for p in polls.T])
    assert slow.mean() == pytest.approx(0.5, abs=0.1)
    phase = polls[0] / np.where(slow, 300.0, 60.0)
    assert np.histogram(phase, 5, (0, 1))[0] == pytest.approx(60, abs=30)


def test_posting_twice_gives_the_same_bits_and_another_second_others() -> None:
    for path in (*PUSHED, *POLLED):
        line = Line([(path, 200, 0, "x")])
        first = post(line, 1000.25)
        assert first.tobytes() == post(line, 1000.25).tobytes()
        assert (first != post(line, 1001.25)).mean() > (0.2 if path == "ideal" else 0.9)


def test_neither_other_cells_nor_the_order_of_devices_change_an_arrival() -> None:
    uid = np.random.default_rng(2).permutation(5000)[:300]
    one = Line([("P4", 300, 0, "x")], uid=uid)
    order = np.random.default_rng(3).permutation(300)
    many = Line([("P4", 90, 0, "x"), ("P4", 10, 1, "x"), ("P4", 200, 1, "y")], uid=uid[order])
    for line in (one, many):
        line.network.service_s[:] = 0.5
    t = 4321.5
    np.testing.assert_array_equal(post(one, t)[order], post(many, t, t, t))


def test_an_arrival_depends_on_the_second_at_the_cloud_not_on_the_slot_or_the_step() -> None:
    late, early = Line([("P3", 100, 0, "x")]), Line([("P3", 100, 0, "x")])
    late.run(600)
    for line in (late, early):
        line.network.service_s[:] = 0.0
    np.testing.assert_array_equal(post(late, 777.0), post(early, 777.0))


def test_dead_time_is_added() -> None:
    quick, slow = Line([("P3", 100, 0, "x")]), Line([("P3", 100, 0, "x")], dead_s=8.0)
    a, b = post(quick, 500.0), post(slow, 500.0)
    np.testing.assert_allclose(b[a < NEVER_S] - a[a < NEVER_S], 8.0, atol=step_s(quick))


@pytest.mark.parametrize("path", ["P3", "P4"])
def test_what_arrives_while_the_link_is_out_is_lost_but_a_poll_waits(path: str) -> None:
    line = Line([(path, 400, 0, "x")], paths={path: {"loss_share": 0.0}})
    line.row(FLEET.LINK_DOWN_S)[:200], line.row(FLEET.LINK_UP_S)[:200] = 400.0, 1100.0
    arrive = post(line, 500.0)
    assert (arrive[200:] < NEVER_S).all()
    if path == "P3":
        assert (arrive[:200] == NEVER_S).all()
        assert (post(line, 1200.0) < NEVER_S).all()
    else:  # fetched at the first poll after the outage, unless given up by then
        came = arrive[:200][arrive[:200] < NEVER_S]
        assert came.size > 20 and came.min() >= 1100.0
        assert (post(line, 1090.0)[:200] < NEVER_S).all()


def test_a_home_that_is_not_reached_gets_nothing() -> None:
    for path in ("P3", "P4"):
        line = Line([(path, 300, 0, "x")])
        line.row(FLEET.LINK_DOWN_S)[:], line.row(FLEET.LINK_UP_S)[:] = -NEVER_S, NEVER_S
        assert (post(line, 50.0) == NEVER_S).all()


def test_an_ideal_path_has_no_delay() -> None:
    line = Line([("P3", 100, 0, "x"), ("P4-slow", 100, 1, "y")], ideal=True, links=True, reach_share=0.5)
    line.run(300)
    for leaf in (0, 1):
        line.want(0.5, leaf)
    next(iter(line.step()))
    arrive = line.arrivals()
    assert (arrive >= 300.0).all() and (arrive < 300.005).all()
    assert (line.mean() > 0.4999).all()
    for k in range(5):
        for leaf in (0, 1):
            line.want(-0.1 * k, leaf)  # no least interval
        next(iter(line.step()))
        assert (line.row(FLEET.CMD_END) == np.float32(-0.1 * k)).all()


def test_latency_scale_multiplies_every_time() -> None:
    for path in ("P3", "P4"):
        line, slow = Line([(path, 200, 0, "x")]), Line([(path, 200, 0, "x")], latency_scale=3.0)
        for each in (line, slow):
            each.network.service_s[:] = 0.0
        a, b = line.config.path(path), slow.config.path(path)
        assert b.p95_s() == pytest.approx(3 * a.p95_s(), rel=1e-9)
        assert (b.telemetry_s, b.telemetry_delay_s) == (3 * a.telemetry_s, 3 * a.telemetry_delay_s)
        assert b.poll_s == tuple(3 * t for t in a.poll_s)
        assert (b.hold_s, b.loss_share, b.least_interval_s) == (a.hold_s, a.loss_share, a.least_interval_s)
        x, y = post(line, 1000.0) - 1000, post(slow, 1000.0) - 1000
        if path == "P3":
            both = (x < 1e8) & (y < 1e8)
            np.testing.assert_allclose(y[both], 3 * x[both], rtol=1e-3, atol=2 * step_s(line) + step_s(slow))
        else:
            assert np.median(y) > 2 * np.median(x)


def test_the_next_poll_is_the_first_not_before() -> None:
    draw = np.random.default_rng(4)
    for _ in range(300):
        period = np.float32(draw.choice([10, 60, 300, 1800]))
        t, phase = np.float32(draw.uniform(0, 30_000)), np.float32(draw.uniform(0, period))
        at = float(next_poll(t, period, phase))
        turns = (at - float(phase)) / float(period)
        assert turns == pytest.approx(round(turns), abs=1e-3)
        assert -0.01 <= at - float(t) < float(period) + 0.01


def test_a_missed_poll_waits_for_the_next_and_an_outage_for_its_end() -> None:
    def at(ready: float, missed: bool, down: float, up: float) -> float:
        return float(fetched(*map(np.float32, (ready,)), missed, *map(np.float32, (60, 20, down, up))))

    assert at(100.0, False, 1e9, 1e9) == 140.0
    assert at(100.0, True, 1e9, 1e9) == 200.0
    assert at(100.0, False, 130.0, 150.0) == 200.0
    assert at(100.0, False, 141.0, 150.0) == 140.0
    assert at(100.0, True, 130.0, 150.0) == 200.0


def test_a_message_is_booked_with_its_last_arrival() -> None:
    line = Line([("P3", 100, 0, "x"), ("P4", 100, 0, "y")])
    line.want(0.5)
    next(iter(line.step()))
    arrive = line.arrivals()
    assert line.network.mail[0, 0, 0, net.MAIL.T_LAST] == arrive[arrive < NEVER_S].max()


def settings(**fields: Any) -> dict[str, Any]:
    return {"paths": {"P3": fields}}


def test_moments_are_kept_to_half_a_step_and_never_grow_into_never() -> None:
    draw = np.random.default_rng(6)
    for step, since in ((2.0**-7, 0.0), (2.0**-4, 86_399.5), (2.0, 40.0)):
        times = (since + draw.uniform(0, 65_000, 500) * step).astype(np.float32)
        coded, given = (np.float32(since), np.float32(1 / step)), (np.float32(since), np.float32(step))
        kept = [moment(code(t, *coded), *given) for t in times]
        assert np.abs(np.array(kept) - times).max() <= step / 2 + 0.004  # float32 seconds late in the day
        assert code(NEVER_S, *coded) == NEVER and moment(NEVER, *given) == NEVER_S
        assert moment(code(np.float32(since + 70_000 * step), *coded), *given) == since + 65_534 * step


@pytest.mark.parametrize("path", [*PUSHED, *POLLED])
def test_a_step_is_as_fine_as_the_longest_way_allows(path: str) -> None:
    line = Line([(path, 300, 0, "x")])
    longest = line.network.path[0, net.CHANNEL.LONGEST_S] + line.network.service_s[0] + 1500.0
    assert longest <= 65_534 * step_s(line) < 2.01 * longest
    assert np.log2(step_s(line)) == round(np.log2(step_s(line)))


def test_everything_is_lost_where_all_messages_are() -> None:
    line = Line([("P3", 100, 0, "x")], **settings(loss_share=1.0))
    assert (post(line, 10.0) == NEVER_S).all()
    line.want(0.5)
    line.run(600)
    assert not line.row(FLEET.CMD_END).any() and line.book(net.SENDER.FLYING) <= 1
