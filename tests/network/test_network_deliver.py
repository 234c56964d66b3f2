"""What a device holds: the newest message that has arrived, until it ends; told by a slow and obvious witness."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from network_line import Line

from der_gym.engine.tables import FLEET
from der_gym.network import tables as net
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.network.tables import NEVER_S

STEP_S = 0.25  # of the ring where messages are put in by hand: exact, and long enough
PUSH = {"loss_share": 0.0, "least_interval_s": 0, "hold_s": 600}


def by_hand(*messages: tuple[float, float, float], n: int = 1, tick_s: int = 60) -> Line:
    """Return a line whose devices get ``messages`` (fraction, arrival, end of validity), in the order of sending."""
    line = Line([("P1", n, 0, "x")], tick_s=tick_s, paths={"P1": PUSH})
    line.network.path[:, net.CHANNEL.STEP_S] = STEP_S
    for slot, (a, arrive, until) in enumerate(messages):
        line.network.slot(0, slot)[:] = arrive / STEP_S
        mail = line.network.mail[0, 0, slot]
        mail[net.MAIL.A], mail[net.MAIL.VALID_UNTIL], mail[net.MAIL.T_LAST] = a, until, arrive
    book = line.network.leaf[0, 0]
    n_slot = line.network.mail.shape[2]
    assert len(messages) <= n_slot
    book[net.SENDER.HEAD], book[net.SENDER.FLYING], book[net.SENDER.N_SENT] = (
        len(messages) % n_slot,
        len(messages),
        len(messages),
    )
    book[net.SENDER.DIRTY], book[net.SENDER.EXPIRES_S] = 1.0, min(m[2] for m in messages)
    book[net.SENDER.SENT_S], book[net.SENDER.SENT_UNTIL] = 0.0, messages[-1][2]
    return line


def held(line: Line, until_s: float) -> list[tuple[float, float, float]]:
    """Return (CMD_START, CMD_END, CMD_END_SHARE) of the first device, tick by tick."""
    out = []
    while line.now < until_s:
        for _ in line.step():
            out.append(tuple(float(line.row(k)[0]) for k in (FLEET.CMD_START, FLEET.CMD_END, FLEET.CMD_END_SHARE)))
    return out


def test_a_message_acts_from_its_arrival_in_the_middle_of_a_tick_to_its_end() -> None:
    line = by_hand((0.5, 75.0, 210.0))
    assert held(line, 300) == [
        (0.0, 0.0, 1.0),
        (0.0, 0.5, 0.75),  # arrives 15 s into the minute
        (0.5, 0.5, 1.0),
        (0.5, 0.0, 0.5),  # ends half way
        (0.0, 0.0, 1.0),
    ]


def test_an_end_on_the_tick_holds_to_the_tick() -> None:
    assert [a1 for _, a1, _ in held(by_hand((0.5, 0.0, 120.0)), 240)] == [0.5, 0.5, 0.0, 0.0]


def test_an_older_message_that_comes_later_is_dropped() -> None:
    line = by_hand((0.2, 200.0, 900.0), (0.8, 100.0, 960.0))
    values = [a1 for _, a1, _ in held(line, 300)]
    assert values == pytest.approx([0.0, 0.8, 0.8, 0.8, 0.8])


def test_of_two_messages_in_one_tick_the_newer_stays() -> None:
    for newer, older in ((70.0, 110.0), (110.0, 70.0)):
        line = by_hand((0.2, older, 900.0), (0.8, newer, 960.0))
        assert [a1 for _, a1, _ in held(line, 180)] == pytest.approx([0.0, 0.8, 0.8])
        assert float(line.row(FLEET.VALID_S)[0]) == 960.0


def test_a_message_that_has_ended_before_it_arrives_is_dropped() -> None:
    line = by_hand((0.5, 400.0, 300.0))
    assert all(tick == (0.0, 0.0, 1.0) for tick in held(line, 900))


def test_nor_does_one_lengthen_what_is_held() -> None:
    line = by_hand((0.2, 0.0, 90.0), (0.8, 110.0, 100.0))
    assert held(line, 180) == [
        (pytest.approx(0.2), pytest.approx(0.2), 1.0),
        (pytest.approx(0.2), 0.0, 0.5),
        (0.0, 0.0, 1.0),
    ]


def test_a_message_that_ended_does_not_come_back_while_others_of_it_are_still_under_way() -> None:
    line = by_hand((0.5, 10.0, 120.0), n=2)
    line.network.slot(0, 0)[0, 1] = 1500 / STEP_S  # a straggler keeps the message in the ring long after its end
    line.network.mail[0, 0, 0, net.MAIL.T_LAST] = 1500.0
    assert [a1 for _, a1, _ in held(line, 1800)] == [0.5, 0.5] + [0.0] * 28
    assert float(line.row(FLEET.CMD_END)[1]) == 0.0


def test_both_values_of_a_stream_are_held_and_released_like_the_fraction() -> None:
    line = Line(
        [("ideal", 1, 0, "x")],
        streams=(DISPATCH, MessageStream("rule")),
        paths={"ideal": {"hold_s": 150, "latency": [{"median_s": 0.5, "sigma": 0.01}]}},
    )
    line.message[:, 1, 1:] = 0.5, 49.9
    for _ in line.step():
        pass
    line.message[:, 1, 1:] = 0.0, 0.0
    rows = [net.HOLD.A_START, net.HOLD.A_END, net.HOLD.A_END_SHARE, net.HOLD.B_START, net.HOLD.B_END]
    first = line.network.hold_row[1]
    held_now = [line.network.hold[0, [first + k for k in rows], 0].tolist()]
    line.network.leaf[:, 1, net.SENDER.QUOTA] = 0.0  # the message is left to end by itself
    for _ in range(3):
        for _ in line.step():
            pass
        held_now.append(line.network.hold[0, [first + k for k in rows], 0].tolist())
    b = pytest.approx(49.9)
    assert held_now[0] == [0.0, 0.5, pytest.approx(1.0, abs=0.01), 0.0, b]
    assert held_now[1] == [0.5, 0.5, 1.0, b, b]
    assert held_now[2] == [0.5, 0.0, 0.5, b, 0.0]  # it ends in the middle of the minute
    assert held_now[3] == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert not line.network.hold[0, :4].any() or not line.network.hold[0, :2].any()  # dispatch holds nothing
    alone = Line([("P1", 3, 0, "x")])
    assert alone.network.hold.size == 0  # the fleet's own rows serve


Posted = list[tuple[float, float, np.ndarray]]  # fraction, end and arrivals of each message, in the order of sending
N = 25


def witness(posted: Posted, t: float) -> np.ndarray:
    """Return what each device holds at ``t``."""
    out = np.zeros(N)
    for i in range(N):
        arrived = [m for m in posted if m[2][i] <= t + 1e-3]  # what comes right at a tick's end is there at its end
        if arrived and arrived[-1][1] > t:
            out[i] = arrived[-1][0]
    return out


def events(posted: Posted, start: float, end: float) -> np.ndarray:
    """Return how many arrivals and ends of messages fall into (start, end] for each device."""
    count = np.zeros(N, dtype=int)
    for _, until, arrive in posted:
        count += (arrive > start) & (arrive <= end)
        count += start < until <= end
    return count


def integral(posted: Posted, start: float, end: float) -> np.ndarray:
    """Return the mean of what is held over a tick, from cuts at every arrival and end."""
    cuts = sorted({start, end, *(m[1] for m in posted), *(float(t) for m in posted for t in m[2])})
    cuts = [t for t in cuts if start <= t <= end]
    parts = [(b - a) * witness(posted, 0.5 * (a + b)) for a, b in pairwise(cuts)]
    return np.sum(parts, axis=0) / (end - start)


@pytest.mark.parametrize(
    ("path", "fields", "interval_s"),
    [
        ("P1", {**PUSH, "hold_s": 150}, 60),
        ("P3", {**PUSH, "hold_s": 240, "latency": [{"median_s": 90.0, "sigma": 1.0}]}, 60),
        ("P4", {"hold_s": 700, "loss_share": 0.1, "missed_poll_share": 0.2}, 300),
        ("P3", {"hold_s": 90, "loss_share": 0.3, "least_interval_s": 120}, 120),
    ],
)
def test_any_traffic_is_held_as_the_witness_says(path: str, fields: dict[str, Any], interval_s: int) -> None:
    line = Line([(path, N, 0, "x")], dead_s=1.5, paths={path: fields})
    posted: Posted = []
    draw, n_checked = np.random.default_rng(1), 0
    end = 0.0
    while line.now < 3600:
        if draw.random() < 0.6:
            line.want(float(np.float32(draw.choice([0.0, *draw.uniform(-1, 1, 3)]))))
        sent = line.book(net.SENDER.N_SENT)
        for end in line.step():
            if line.book(net.SENDER.N_SENT) > sent:
                sent = line.book(net.SENDER.N_SENT)
                slot = int(line.book(net.SENDER.HEAD) - 1) % int(line.network.gate[0, net.GATE.DEPTH])
                arrive = line.arrivals(slot).astype(np.float64)
                posted.append((line.book(net.SENDER.SENT_A), line.book(net.SENDER.SENT_UNTIL), arrive))
            start = end - line.tick_s
            calm = events(posted, start, end) <= 1
            n_checked += calm.sum()
            np.testing.assert_allclose(line.mean()[calm], integral(posted, start, end)[calm], atol=1e-4)
            np.testing.assert_array_equal(line.row(FLEET.CMD_END), np.float32(witness(posted, end - 1e-3)))
    assert len(posted) >= 0.3 * 3600 / interval_s and n_checked > 800


def test_a_full_ring_gives_up_the_oldest_stragglers_and_nothing_else() -> None:
    line = Line([("P4", 300, 0, "x")], paths={"P4": {"poll_s": [1800], "poll_share": [1.0], "loss_share": 0.0}})
    assert line.network.gate[0, net.GATE.DEPTH] > 4
    line.network.gate[0, net.GATE.DEPTH] = 2  # a ring much too short
    sent = {0.0: 0.0}
    newest = np.zeros(300)
    for k in range(200):
        line.want(0.3 + 0.003 * (k % 200))
        for _ in line.step():
            sent.setdefault(float(np.float32(line.book(net.SENDER.SENT_A))), line.book(net.SENDER.SENT_S))
            order = np.array([sent[float(a)] for a in line.row(FLEET.CMD_END)])
            assert ((order >= newest) | (order == 0.0)).all()  # never back to an older message
            newest = np.maximum(order, newest)
            assert 0 <= line.book(net.SENDER.FLYING) <= 2
    assert (newest > 0).mean() > 0.3 and line.now == 12_000


def test_an_inactive_world_changes_no_bit() -> None:
    line = Line([("P3", 40, 0, "x")], n_world=2, paths={"P3": {"loss_share": 0.0}})
    line.want(0.5)
    line.run(120)
    before = [array[1].tobytes() for array in (*line.network.arrays().values(), line.fleet)]
    line.active[1] = False
    line.want(-0.5)
    line.run(600)
    assert [array[1].tobytes() for array in (*line.network.arrays().values(), line.fleet)] == before
    assert (line.row(FLEET.CMD_END) == np.float32(-0.5)).all() and (line.row(FLEET.CMD_END, 1) == np.float32(0.5)).all()


def test_two_worlds_have_their_own_luck() -> None:
    line = Line([("P3", 400, 0, "x")], n_world=2)
    line.want(0.5)
    next(iter(line.step()))
    a, b = line.arrivals(), line.arrivals(world=1)
    assert (a != b).mean() > 0.9
    assert abs(np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]) < 0.2


@pytest.mark.parametrize("path", ["P1", "P2", "P3", "P4", "P5", "P6"])
def test_nothing_that_arrives_lies_before_its_sending(path: str) -> None:
    line = Line([(path, 500, 0, "x")], dead_s=0.5)
    line.run(300)
    line.want(0.5)
    next(iter(line.step()))
    arrive = line.arrivals()
    came = arrive < NEVER_S
    assert 0.9 < came.mean() <= 1.0
    assert (
        arrive[came].min() >= 300.5 and arrive[came].max() <= 300.5 + line.network.path[0, net.CHANNEL.LONGEST_S] + 1.0
    )
