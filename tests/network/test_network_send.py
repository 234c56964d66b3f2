"""The sender: what goes out and when, and how it queues before a slow cloud or one that is out."""

from __future__ import annotations

import numpy as np
import pytest
from network_line import Line

from der_gym.core.units import DAY_S
from der_gym.engine.tables import FLEET
from der_gym.network import tables as net
from der_gym.network.send import after_outage
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.network.tables import NEVER_S

SURE = {"loss_share": 0.0, "missed_poll_share": 0.0}
FAST = {"latency": [{"median_s": 0.5, "sigma": 0.1}], "loss_share": 0.0}


def sent_at(line: Line, until_s: float, wants: list[float] | None = None, leaf: int = 0) -> list[float]:
    """Return when messages of a leaf are sent; ``wants`` are wanted at one decision each, the last for ever."""
    times, before, k = [], line.book(net.SENDER.N_SENT, leaf), 0
    while line.now < until_s:
        if wants:
            line.want(wants[min(k, len(wants) - 1)], leaf)
        start, k = line.now, k + 1
        for _ in line.step():
            pass
        if line.book(net.SENDER.N_SENT, leaf) > before:
            before = line.book(net.SENDER.N_SENT, leaf)
            times.append(start)
    return times


def test_doing_nothing_sends_nothing() -> None:
    assert sent_at(Line([("P1", 3, 0, "x")]), 7200) == []


def test_an_unchanged_command_is_only_sent_again_before_it_ends() -> None:
    line = Line([("P3", 200, 0, "x")], paths={"P3": SURE})
    held = []
    times, before = [], 0.0
    line.want(0.5)
    while line.now < 3 * 3600:
        start = line.now
        for _ in line.step():
            held.append(line.row(FLEET.CMD_END).copy())
        if line.book(net.SENDER.N_SENT) > before:
            before = line.book(net.SENDER.N_SENT)
            times.append(start)
    gaps = np.diff(times)
    gate = line.network.gate[0]
    assert (gaps >= gate[net.GATE.HOLD_S] - gate[net.GATE.REFRESH_BEFORE_S] - 60).all() and (
        gaps < gate[net.GATE.HOLD_S]
    ).all()
    back = np.array(held[5:]) != 0.5
    assert back.mean() < 1e-3  # but for the slowest few, no device falls back to its own schedule in between


def test_a_small_move_waits_and_a_return_to_zero_does_not() -> None:
    line = Line([("P1", 3, 0, "x")], paths={"P1": {"hold_s": 3600}})
    assert sent_at(line, 600, [0.5, 0.51, 0.515, 0.49, 0.53, 0.53]) == [0.0, 240.0]
    line = Line([("P1", 3, 0, "x")], paths={"P1": {"hold_s": 3600}})
    assert sent_at(line, 600, [0.1, 0.0, 0.0]) == [0.0, 60.0]  # after 0 nothing is to be kept in force
    line = Line([("P1", 3, 0, "x")], paths={"P1": {"hold_s": 3600}}, change_share=0.2)
    assert sent_at(line, 600, [0.5, 0.6, 0.75]) == [0.0, 120.0]


def test_a_trifle_says_nothing_and_releases_what_is_in_force() -> None:
    line = Line([("P1", 3, 0, "x")], paths={"P1": {"hold_s": 3600}})
    assert sent_at(line, 600, [0.019, -0.019, 0.001]) == []
    line = Line([("P1", 3, 0, "x")], paths={"P1": {"hold_s": 3600}})
    assert sent_at(line, 600, [0.5, 0.01, -0.01]) == [0.0, 60.0]
    assert line.book(net.SENDER.SENT_A) == 0.0


def test_a_second_value_counts_as_a_change_while_there_is_something_to_say() -> None:
    line = Line([("P1", 3, 0, "x")], streams=(DISPATCH, MessageStream("rule", change_b=0.05)))
    lane = 1  # of the rule to the only leaf
    line.message[0, lane] = 1, 0.0, 49.9
    assert sent_at(line, 60, leaf=lane) == []  # a = 0 says nothing, whatever b is
    line.message[0, lane] = 1, 0.3, 49.9
    assert sent_at(line, 120, leaf=lane) == [60.0]
    line.message[0, lane, 2] = 49.87
    assert sent_at(line, 180, leaf=lane) == []  # a move below the stream's own limit
    line.message[0, lane, 2] = 49.8
    assert sent_at(line, 240, leaf=lane) == [180.0]
    last = int(line.book(net.SENDER.HEAD, lane)) - 1
    assert line.network.mail[0, lane, last, [net.MAIL.KIND, net.MAIL.A, net.MAIL.B]] == pytest.approx([1, 0.3, 49.8])
    line.message[0, lane] = 1, 0.0, 49.8
    assert sent_at(line, 300, leaf=lane) == [240.0]  # what is in force is ended
    assert line.book(net.SENDER.N_SENT) == 0.0  # dispatch has said nothing meanwhile


def test_every_stream_has_its_own_interval_quota_change_limit_and_channel() -> None:
    own = MessageStream("incentive", channel="P4", change_a=5.0)
    line = Line([("P1", 3, 0, "x")], streams=(DISPATCH, own), paths={"P4": {"quota_per_day": 3, "hold_s": 86_400}})
    dispatch, offer = line.network.gate
    assert (dispatch[net.GATE.INTERVAL_S], offer[net.GATE.INTERVAL_S]) == (30.0, 300.0)
    assert (dispatch[net.GATE.QUOTA_PER_DAY], offer[net.GATE.QUOTA_PER_DAY]) == (100_000, 3)
    assert (dispatch[net.GATE.CHANGE], offer[net.GATE.CHANGE]) == (0.02, 5.0)
    assert offer[net.GATE.ON_WAY_S] > 10 * dispatch[net.GATE.ON_WAY_S]
    for k in range(60):
        line.message[:, 0, 1], line.message[:, 1, 1] = 0.1 * (-1) ** k, 20.0 + 6.0 * (k // 5 % 2)
        for _ in line.step():
            pass
    assert line.book(net.SENDER.N_SENT, 0) == 60.0 and line.book(net.SENDER.N_SENT, 1) == 3.0
    assert line.network.cell_cloud.tolist() == [0, 1]  # a channel has a cloud of its own: no queue behind the maker's


def test_another_streams_messages_leave_the_luck_of_dispatch_alone() -> None:
    cells = [("P3", 40, 0, "A"), ("P4", 40, 1, "B")]
    alone = Line(cells)
    both = Line(cells, streams=(DISPATCH, MessageStream("incentive", channel="P2"), MessageStream("rule")))
    for line in (alone, both):
        line.message[:, :2, 1] = 0.5
    both.message[:, 2:4, 1], both.message[:, 4:, 1] = 30.0, 1.0
    for line in (alone, both):
        for _ in line.step():
            pass
    st = alone.structure
    for c in range(st.n_cell):
        np.testing.assert_array_equal(alone.network.arrivals(0, c, 0), both.network.arrivals(0, c, 0))
    own, offer, rule = (both.network.arrivals(0, c, 0) for c in (1, 3, 4))
    assert np.median(offer) < 10 < np.median(own)  # pushed, where dispatch waits for a poll
    on_same_path = np.stack([rule, both.network.arrivals(0, 0, 0)])
    assert abs(np.corrcoef(np.argsort(np.argsort(on_same_path)))[0, 1]) < 0.4  # a stream has its own luck


@pytest.mark.parametrize(("path", "interval_s"), [("P1", 60), ("P3", 60), ("P4", 300)])
def test_no_command_sooner_than_the_least_interval(path: str, interval_s: int) -> None:
    line = Line([(path, 3, 0, "x")])
    times = sent_at(line, 3600, [0.1 * (-1) ** k for k in range(60)])
    assert np.diff(times).min() == interval_s
    assert len(times) == 3600 / interval_s


def test_a_leaf_keeps_the_strictest_rules_of_its_paths() -> None:
    line = Line([("P1", 3, 0, "x"), ("P4", 3, 0, "y")])
    gate, n = line.network.gate[0], line.structure
    assert (gate[net.GATE.INTERVAL_S], gate[net.GATE.HOLD_S], gate[net.GATE.QUOTA_PER_DAY]) == (300, 300, 200)
    assert gate[net.GATE.N_UNIT] == n.n_place == 6


def test_the_quota_ends_and_returns_at_midnight() -> None:
    start = 22 * 3600
    line = Line([("P1", 3, 0, "x")], start_s=start, paths={"P1": {"quota_per_day": 10}})
    times = np.array(sent_at(line, 4 * 3600, [0.3 * (-1) ** k for k in range(300)]))
    midnight = DAY_S - start
    assert times[times < midnight].tolist() == [60.0 * k for k in range(10)]
    again = times[times >= midnight]
    assert again[0] - midnight in (0.0, 60.0)  # the tick after midnight refills, its decision stands before it
    assert (again - again[0]).tolist() == [60.0 * k for k in range(10)]
    assert line.book(net.SENDER.QUOTA) == 0.0


# --- slow clouds and clouds that are out


def test_devices_of_a_big_leaf_are_called_one_batch_after_another() -> None:
    slow = {**FAST, "batch": 10, "request_per_s": 0.5}  # 400 devices: 40 calls, 80 s
    line = Line([("P3", 400, 0, "A")], paths={"P3": slow})
    line.want(0.5)
    line.run(60)
    arrive = line.arrivals()
    assert line.network.service_s[0] == pytest.approx(80.0)
    assert (arrive < NEVER_S).all()  # nobody is dropped for standing at the end of the queue
    assert np.quantile(arrive, [0.25, 0.5, 0.75]) == pytest.approx([20, 40, 60], abs=5)
    first = arrive.argsort()
    line.want(-0.5)
    line.run(180)
    second = line.arrivals(1).argsort()
    assert np.corrcoef(first.argsort(), second.argsort())[0, 1] > 0.99  # each at its own place in the queue


def test_leaves_of_one_cloud_queue_and_others_do_not() -> None:
    slow = {**FAST, "batch": 10, "request_per_s": 1.0}  # 100 devices: 10 s
    line = Line([("P3", 100, 0, "A"), ("P3", 100, 1, "A"), ("P3", 100, 2, "B")], paths={"P3": slow})
    for leaf in range(3):
        line.want(0.5, leaf)
    line.run(60)
    assert line.network.cell_t[0].tolist() == [0.0, 10.0, 0.0]
    assert line.network.mail[0, :, 0, net.MAIL.T_CLOUD].tolist() == [10.0, 20.0, 10.0]


def test_behind_a_cloud_slower_than_the_decisions_no_command_grows_old() -> None:
    slow = {**FAST, "batch": 10, "request_per_s": 0.1, "hold_s": 7200}  # 100 devices: 100 s, a command a minute
    line = Line([("P3", 100, 0, "A"), ("P3", 100, 1, "A")], paths={"P3": slow})
    when = {0.0: 0.0}
    for k in range(240):
        for leaf in (0, 1):
            line.want(0.1 + 0.003 * k if k % 2 else -0.1 - 0.003 * k, leaf)
        for now in line.step():
            for leaf in (0, 1):
                when.setdefault(
                    float(np.float32(line.book(net.SENDER.SENT_A, leaf))), line.book(net.SENDER.SENT_S, leaf)
                )
            if now > 600:
                age = now - np.array([when[float(a)] for a in line.row(FLEET.CMD_END)])
                assert age.max() <= 2 * 200 + 100 + 60 + 2  # a turn of both leaves, the service, a decision
    calls = [line.book(net.SENDER.N_SENT, leaf) for leaf in (0, 1)]
    assert calls[0] == pytest.approx(240 * 60 / 200, abs=3)  # each leaf had half of the cloud's time
    assert abs(calls[0] - calls[1]) <= 1
    assert line.book(net.SENDER.QUOTA) == 1000 - calls[0]


def test_messages_wait_for_the_end_of_an_outage_and_the_newest_comes() -> None:
    line = Line([("P3", 50, 0, "A"), ("P3", 50, 1, "B")], paths={"P3": {**FAST, "hold_s": 3600}})
    line.cloud_out(0.0, 1230.0)
    for k in range(20):
        for leaf in (0, 1):
            line.want(0.1 + 0.04 * k, leaf)
        for _ in line.step():
            waiting, other = line.row(FLEET.CMD_END)[:50], line.row(FLEET.CMD_END)[50:]
            assert (waiting == 0.0).all()
            assert (other == np.float32(0.1 + 0.04 * k)).all()
    assert line.now == 1200
    line.run(1260)
    newest = np.float32(0.1 + 0.04 * 19)
    assert (line.row(FLEET.CMD_END)[:50] == newest).all()
    arrive = line.arrivals()[:50]
    assert arrive.min() > 1230.0 and arrive.max() < 1232.0
    assert (
        line.book(net.SENDER.N_SENT, 0) == 1.0 and line.book(net.SENDER.N_SENT, 1) == 20.0
    )  # what was never called was never sent


def test_a_leaf_of_two_clouds_goes_on_with_the_one_that_works() -> None:
    line = Line([("P3", 50, 0, "A"), ("P3", 50, 0, "B")], paths={"P3": {**FAST, "hold_s": 3600}})
    line.cloud_out(0.0, 3000.0)
    for k in range(55):
        line.want(0.1 + 0.04 * (k % 20))
        for now in line.step():
            out, works = line.row(FLEET.CMD_END)[:50], line.row(FLEET.CMD_END)[50:]
            assert (works == np.float32(0.1 + 0.04 * (k % 20))).all()
            assert (out == (0.0 if now <= 3000 else works)).all()


def test_a_message_that_ends_during_the_outage_is_never_obeyed() -> None:
    line = Line([("P3", 50, 0, "A")], paths={"P3": {**FAST, "hold_s": 600}})
    line.cloud_out(30.0, 5000.0)
    line.want(0.5)
    line.run(60)
    assert (line.row(FLEET.CMD_END) == 0.5).all()  # it went out before
    line.want(-0.5)
    line.run(180)
    line.want(0.0)  # replaces what waits
    while line.now < 7200:
        for now in line.step():
            assert (line.row(FLEET.CMD_END) == (0.5 if now <= 600 else 0.0)).all()


def test_overlapping_outages_are_one() -> None:
    row = np.full(net.CLOUD.N, NEVER_S, dtype=np.float64)
    row[net.CLOUD.OUT_0_FROM : net.CLOUD.OUT_0_FROM + 6] = 100, 200, 150, 400, 400, 450
    assert [after_outage(row, t) for t in (99.0, 100.0, 160.0, 399.0, 420.0, 450.0)] == [99, 450, 450, 450, 450, 450]


def test_a_copy_of_every_array_goes_on_to_the_same_bits() -> None:
    slow = {**FAST, "batch": 10, "request_per_s": 0.1, "hold_s": 7200}
    cells = [("P3", 100, 0, "A"), ("P3", 100, 1, "A")]
    line, copy = Line(cells, paths={"P3": slow}), Line(cells, paths={"P3": slow})
    for each, until in ((line, 900), (copy, 120)):  # the copy has a queue of its own
        while each.now < until:
            each.message[:, :, 1] = 0.1 * (-1) ** (each.now // 60)
            for _ in each.step():
                pass
    for name, array in copy.network.arrays().items():
        array[:] = line.network.arrays()[name]
    for name in ("fleet", "t_s", "abs_s", "keys"):
        getattr(copy, name)[:] = getattr(line, name)
    for each in (line, copy):
        each.want(0.7)
        each.want(0.7, leaf=1)
        each.run(2400)
    assert copy.fleet.tobytes() == line.fleet.tobytes()
    np.testing.assert_array_equal(copy.network.leaf, line.network.leaf)


def test_a_new_episode_does_not_remember_the_queue_of_the_last() -> None:
    line = Line([("P3", 50, 0, "A")], paths={"P3": FAST})
    line.cloud_out(0.0, 80_000.0)
    line.want(0.5)
    line.run(120)
    line.t_s[:] = 0.0
    line.network.begin(line.active, line.keys, line.abs_s)
    line.fleet[:, FLEET.CMD_START : FLEET.VALID_S + 1] = 0.0
    line.run(60)
    assert (line.row(FLEET.CMD_END) == 0.5).all()


# --- nobody is left with an old command


@pytest.mark.parametrize("loss_share", [0.0, 0.02])
def test_no_command_on_p4_grows_older_than_an_interval_and_two_polls(loss_share: float) -> None:
    fields = {"poll_s": [300], "poll_share": [1.0], "loss_share": loss_share, "quota_per_day": 1000}
    line = Line([("P4", 400, 0, "C")], paths={"P4": fields})
    latency_s = line.config.path("P4").quantile(0.9995)
    bound_s = 300 + 2 * 300 + latency_s + 1.0
    when, ages = {0.0: 0.0}, []
    for k in range(360):  # six hours, another command every minute
        line.want(0.001 * ((37 * k) % 1000) if k else 1.0)
        for now in line.step():
            when[float(np.float32(line.book(net.SENDER.SENT_A)))] = line.book(net.SENDER.SENT_S)
            if now > bound_s + 60:
                ages.append(now - np.array([when[float(a)] for a in line.row(FLEET.CMD_END)]))
    old = np.array(ages) > bound_s
    if loss_share == 0.0:
        assert not old.any()
    assert old.mean() < 0.01
    assert np.array(ages).max() <= bound_s + (0 if loss_share == 0.0 else 4 * 300)
    assert 200 < np.mean(ages) < 500
