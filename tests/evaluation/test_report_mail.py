"""The record of messages, against the engine's own ring and on made-up ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import message, scenario, started

from der_gym.engine.tables import FLEET
from der_gym.evaluation.report.mail import Message, Messages, counts, first_s
from der_gym.network import tables as net

NEVER = float("inf")


def made(sent_s: float = 0.0, reach: tuple[float, ...] = (10.0, 70.0, NEVER), **changes: Any) -> Message:
    """Return a message to three devices: reached after 10 and 70 s, and lost at the cloud."""
    lost = np.where(np.isfinite(reach), NEVER, sent_s + 5.0)
    given = {"leaf": 0, "a": 0.5, "sent_s": sent_s, "cloud_s": sent_s + 5.0, "until_s": 3600.0}
    times = {"reach_s": np.array(reach), "act_s": np.array(reach) + 3.0, "lost_s": lost}
    return Message(**{**given, **times, **changes})


def told(messages: list[Message], n_minute: int = 3) -> dict[str, list[int]]:
    return {name: values.tolist() for name, values in counts(messages, n_minute).items()}


def test_counts_by_the_minute() -> None:
    assert told([made()]) == {"sent": [3, 3, 3], "arrived": [1, 2, 2], "lost": [1, 1, 1], "under_way": [1, 0, 0]}
    assert told([made(), made(60.0, (65.0, 66.0, 500.0))])["under_way"] == [1, 1, 1]
    assert told([])["sent"] == [0, 0, 0]


def test_a_message_sent_at_a_minutes_end_belongs_to_the_next() -> None:
    assert told([made(60.0, (60.0, 60.0, 61.0))])["sent"] == [0, 3, 3]


def test_one_that_was_replaced_in_the_queue_is_not_counted() -> None:
    assert told([made(replaced=True)])["sent"] == [0, 0, 0]


def test_what_is_given_up_is_lost_then() -> None:
    one = made()
    one.give_up(30.0)
    assert told([one])["arrived"] == [1, 1, 1]
    assert told([one])["lost"] == [2, 2, 2]
    assert one.reached_s(1 / 3) == 10.0
    assert one.reached_s(0.5) == NEVER


def test_the_first_time_by_which_a_share_has_passed() -> None:
    times = np.array([4.0, 1.0, 3.0, 2.0, NEVER, 5.0, 6.0, 7.0, 8.0, 9.0])
    assert [first_s(times, share) for share in (0.1, 0.5, 0.9, 0.95)] == [1.0, 5.0, 9.0, NEVER]
    assert first_s(np.zeros(0), 0.5) == NEVER


@pytest.mark.parametrize("seed", [1, 2])
def test_arrivals_are_those_at_which_devices_take_their_command(seed: int) -> None:
    """A device holds the fraction of the message from the tick on in which the record says that it begins to act."""
    sim = started(scenario("tertiary-1"), [seed])
    record, every = Messages(sim.structure, sim.network), np.ones(1, dtype=bool)
    for k in range(6):
        sim.step(message(sim, 0.7), every)
        record.collect(60.0 * k, sim.fleet.fleet)
    assert len(record.sent) == sim.network.leaf[0, :, net.SENDER.N_SENT].sum() > 0
    now, compared = float(sim.fleet.t_s[0]), 0
    holds = sim.fleet.fleet[0, FLEET.CMD_END]
    for one in record.sent:
        cells = np.flatnonzero(sim.structure.cell_leaf == one.leaf)
        places = np.concatenate([np.arange(sim.structure.cell_lo[c], sim.structure.cell_hi[c]) for c in cells])
        places = places[sim.structure.present[0, places] == 1]
        assert one.n == len(places)
        newest = [m for m in record.sent if m.leaf == one.leaf][-1]
        if one is newest and one.sent_s == 0.0:  # nothing else was sent: what is held came with this one
            assert ((holds[places] != 0) == (one.act_s <= now)).all()
            compared += one.n
        assert (np.isfinite(one.reach_s) != np.isfinite(one.lost_s)).all()
        assert (one.reach_s[np.isfinite(one.reach_s)] >= one.cloud_s - 1e-3).all()
    assert compared > 10


def test_a_queue_behind_an_outage_holds_the_newest_message_only() -> None:
    sim = started(scenario("tertiary-1"), [1])
    sim.network.cloud[0, :, net.CLOUD.OUT_0_FROM], sim.network.cloud[0, :, net.CLOUD.OUT_0_FROM + 1] = (
        0.0,
        1200.0,
    )  # every cloud is out at first
    record, every = Messages(sim.structure, sim.network), np.ones(1, dtype=bool)
    for k in range(30):
        sim.step(message(sim, 0.5 if k % 2 else 0.2), every)
        record.collect(60.0 * k, sim.fleet.fleet)
    assert any(one.replaced for one in record.sent)
    kept = [one for one in record.sent if not one.replaced]
    for leaf in range(sim.structure.n_leaf):
        assert sum(one.leaf == leaf for one in kept) == sim.network.leaf[0, leaf, net.SENDER.N_SENT]
    assert min(one.cloud_s for one in kept) >= 1200.0
    units = sum(one.n for one in kept)
    assert units == (sim.network.leaf[0, :, net.SENDER.N_SENT] * sim.network.gate[:, net.GATE.N_UNIT]).sum()
