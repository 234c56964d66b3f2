"""The course of a failed block: its worst window, and the way of the commands for it."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.evaluation.causes import AT_REST, Block, cut
from der_gym.evaluation.play import Played
from der_gym.evaluation.report.detail import Detail
from der_gym.evaluation.report.mail import REACHED, Message, first_s
from der_gym.evaluation.report.page import rounded

BIN_S = 300
MOVED = 0.01  # of the award: a request that changes by less is the same
MOST_ROWS = 24  # leaves whose messages are drawn
OPEN = 5.0  # awards: a window that allows so much is open above, as of a service that never judges too much
BEFORE_S = 900  # the chart of a block starts so long before it


def requested_s(request_kw: np.ndarray, award_kw: float, before_s: float) -> float:
    """Return when the request in force at ``before_s`` was announced: the start of the bin of its last change."""
    k = min(int(before_s) // BIN_S, len(request_kw) - 1)
    while k > 0 and abs(request_kw[k] - request_kw[k - 1]) <= MOVED * award_kw:
        k -= 1
    return float(k * BIN_S)


def in_force(messages: list[Message], by_s: float) -> list[Message]:
    """Return each leaf's last message sent by ``by_s`` (included), by leaf."""
    newest = {m.leaf: m for m in messages if m.sent_s <= by_s and not m.replaced}
    return [newest[leaf] for leaf in sorted(newest)]


def decided_s(start_s: float, window_s: float) -> float:
    """Return until when a command counts as one for the window: its start; of a longer one than a bin, a bin later."""
    return start_s + min(max(window_s - BIN_S, 0.0), BIN_S)


def steps(message: Message) -> dict[str, float | None]:
    """Return a message's way, seconds of the episode, None where a step is never taken."""
    reach = {f"reach_{round(100 * share)}": message.reached_s(share) for share in REACHED}
    told = {"sent": message.sent_s, "cloud": message.cloud_s, **reach, "acts_50": first_s(message.act_s, 0.5)}
    return {name: seconds(value) for name, value in told.items()}


def seconds(value: float) -> float | None:
    """Return a time with a tenth of a second, None where it never comes."""
    return round(value, 1) if isfinite(value) else None


def chain(played: Played, detail: Detail, block: Block, b: int) -> list[dict[str, Any]]:
    """Return the steps from the request to the verdict in the order in which they came.

    The commands are the last ones sent by ``decided_s`` of the worst window, of all leaves together. Steps that are
    never taken end the list, without a time.
    """
    window = BLOCK_S // len(block.low_kw)
    start = b * BLOCK_S + block.worst() * window
    award, newest = float(played.award_kw[0, b]), in_force(detail.messages, decided_s(start, window))
    asked = requested_s(detail.request_kw, award, min((m.sent_s for m in newest), default=start))
    again = requested_s(detail.request_kw, award, start)
    told = [("requested", asked)] + ([("requested_again", again)] if again > asked else [])
    if newest:
        reach = np.concatenate([m.reach_s for m in newest])
        told += [("sent", min(m.sent_s for m in newest)), ("cloud", min(m.cloud_s for m in newest))]
        told += [(f"reach_{round(100 * share)}", first_s(reach, share)) for share in REACHED]
        told += [("acts_50", first_s(np.concatenate([m.act_s for m in newest]), 0.5))]
    told += [("window_starts", start), ("window_ends", start + window), ("judged", (b + 1) * BLOCK_S)]
    order = {name: i for i, (name, _) in enumerate(told)}
    return [
        {"step": name, "at_s": seconds(at)} for name, at in sorted(told, key=lambda pair: (pair[1], order[pair[0]]))
    ]


def figures(block: Block) -> dict[str, float]:
    """Return what the parts of the error are made of, kW, mean over the worst window.

    ``target``, ``response``, ``plan_off`` (plan less the group without commands), ``available`` for 30 minutes,
    ``asked`` of it, ``unreachable`` (asked of devices whose link was down), ``rebound`` of leaves at rest.
    """
    at, ask = block.minutes(), np.maximum(block.action, 0.0)
    rest = np.where((np.abs(block.sent) <= AT_REST) & block.commanded, np.maximum(-block.given_kw, 0.0), 0.0)
    rows = {
        "target": block.target_kw,
        "response": block.response_kw,
        "plan_off": block.plan_kw - block.twin_kw,
        "available": block.up_kw.sum(axis=1),
        "asked": (ask * block.up_kw).sum(axis=1),
        "unreachable": (ask * block.lost_kw).sum(axis=1),
        "rebound": rest.sum(axis=1),
    }
    return {name: round(float(row[at].mean()), 2) for name, row in rows.items()}


def largest(detail: Detail, messages: list[Message]) -> list[Message]:
    """Return the messages to the ``MOST_ROWS`` leaves with the greatest rated swing, by leaf."""
    order = sorted(messages, key=lambda m: -float(detail.nominal_kw[m.leaf]))
    return sorted(order[:MOST_ROWS], key=lambda m: m.leaf)


def way(played: Played, twin: Played, detail: Detail, band_share: float, b: int) -> dict[str, Any]:
    """Return all that a report tells of block ``b`` of a single episode: window, chain, leaves, messages, figures."""
    block = cut(played, twin, band_share, 0, b)
    k, window = block.worst(), BLOCK_S // len(block.low_kw)
    start = b * BLOCK_S + k * window
    newest = largest(detail, in_force(detail.messages, decided_s(start, window)))
    first, last = b * BLOCK_S - BEFORE_S, (b + 1) * BLOCK_S
    own, award = {m.leaf for m in newest}, float(played.award_kw[0, b])
    low, high = block.low_kw[k] - block.band_kw, block.high_kw[k] + block.band_kw
    shown = [m for m in detail.messages if m.leaf in own and not m.replaced and first <= m.sent_s < last]
    return {
        "window_s": [start, start + window],
        "allowed_kw": rounded([low, high if high - low <= OPEN * award else np.inf], 2),
        "mean_kw": round(float(block.response_kw.reshape(len(block.low_kw), -1)[k].mean()), 2),
        "chain": chain(played, detail, block, b),
        "leaves": [_leaf(m) for m in newest],
        "messages": [{"leaf": m.leaf, "a": round(m.a, 4), **steps(m)} for m in shown],
        "figures": figures(block),
    }


def _leaf(m: Message) -> dict[str, Any]:
    lost = round(float(np.isfinite(m.lost_s).mean()), 4) if m.n else 0.0
    return {"leaf": m.leaf, "a": round(m.a, 4), "n": m.n, "lost_share": lost, **steps(m)}
