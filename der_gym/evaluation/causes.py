"""Why a block failed: one line for each, by stated rules, from the traces of the play and of its twin.

A block fails when the mean of a window lies out of the band around what the allowed lags permit. Each cause has a
counterfactual: the response as it would have been without that cause. The *excess* is the kW by which the windows lie
out of band, summed. The first cause in this order whose counterfactual leaves no excess is named; else the one that
leaves the least, as *mainly*, where that is half or less; else it is the controller.

| cause | rule: the response is replaced by |
|---|---|
| no command | (no leaf was asked for more than 2 % of its swing in the block, and the target left the band) |
| plan error | twin - power: measured against what the group would have drawn without commands |
| rebound | response + what leaves at rest (fraction within 2 %) drew above the twin |
| energy empty | response + target - available, where the capability showed less available than the target |
| saturation | the target, in minutes in which every leaf that had something to give was asked for 98 % or more |
| unreachable | response + fraction x available power of the devices whose link was down |
| delay | the response 5, 10 or 15 minutes later |
| control | none of these: too little or too much was asked for |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_gym.core.figures import figure
from der_gym.core.units import BLOCK_S, DAY_S
from der_gym.evaluation.play import Played
from der_gym.signals.calendar import date_of

F8 = NDArray[np.float64]
BLOCK_MIN = BLOCK_S // 60
AT_REST = 0.02  # a fraction that moves less than this is never sent
FULL = 0.98
SHIFTS_MIN = (5, 10, 15)
MOSTLY = 0.5  # part of the excess that may be left by a cause that is named
CAUSES = ("no command", "plan error", "rebound", "energy empty", "saturation", "unreachable", "delay", "control")


@dataclass(frozen=True)
class Block:
    """One block of a play: kW per minute (n_minute), per leaf where so said.

    Attributes
    ----------
    band_kw : float
    low_kw, high_kw : (n_window,)
        Least and greatest mean of the target over the allowed lags.
    target_kw, response_kw, plan_kw, twin_kw : (n_minute,)
        ``response = plan - metered``; ``twin`` is the power without commands.
    later_kw : (n_minute + 15,)
        The response, and that of the 15 minutes after the block.
    power_kw, action, extra_kw, up_kw, lost_kw : (n_minute,) and (n_minute, n_leaf) four times
        True power; fractions asked for; leaf's power above its twin's; available; of that behind links that are down.
    """

    band_kw: float
    low_kw: F8
    high_kw: F8
    target_kw: F8
    response_kw: F8
    plan_kw: F8
    twin_kw: F8
    later_kw: F8
    power_kw: F8
    action: F8
    extra_kw: F8
    up_kw: F8
    lost_kw: F8

    def errors(self, response_kw: F8) -> F8:
        """Return each window's distance from what is allowed, signed, (n_window,)."""
        means = response_kw.reshape(len(self.low_kw), -1).mean(axis=1)
        error: F8 = np.maximum(means - self.high_kw, 0.0) + np.minimum(means - self.low_kw, 0.0)
        return error

    def excess_kw(self, response_kw: F8) -> float:
        """Return the kW out of band, summed over the windows."""
        out = np.abs(self.errors(response_kw)) - self.band_kw * (1.0 + 1e-6)
        return float(np.maximum(out, 0.0).sum())

    def out(self) -> NDArray[np.bool_]:
        """Return the minutes of the windows that failed, (n_minute,); all where none can be told."""
        bad = np.abs(self.errors(self.response_kw)) > self.band_kw
        bad = bad if bad.any() else np.ones_like(bad)
        return np.repeat(bad, len(self.response_kw) // len(bad))


@dataclass(frozen=True)
class Failure:
    """A failed block and its cause."""

    seed: int
    block: int
    starts: str  # date and time
    worst_kw: float
    award_kw: float
    cause: str
    text: str

    @property
    def line(self) -> str:
        """Return the failure in one line."""
        sign = "over" if self.worst_kw > 0 else "short"
        share = abs(self.worst_kw) / self.award_kw
        size = f"{figure(abs(self.worst_kw))} kW {sign} ({share:.0%} of award)"
        return f"{self.starts} block {self.block}: {size}: {self.text}"


def cause(block: Block) -> tuple[str, str]:
    """Return the name of the cause and the line that tells it."""
    if (np.abs(block.action) <= AT_REST).all() and (np.maximum(block.low_kw, 0.0) > block.band_kw).any():
        return "no command", "no command: nothing was asked of any leaf"
    before = block.excess_kw(block.response_kw)
    left = {name: (block.excess_kw(response), text) for name, response, text in _counterfactuals(block)}
    for name, (rest, text) in left.items():
        if rest <= 0.0 < before:
            return name, f"{name}: {text}"
    name = min(left, key=lambda key: left[key][0])
    rest, text = left[name]
    if before > 0.0 and rest <= MOSTLY * before:
        return name, f"mainly {name}: {text}"
    return "control", f"control: {_too(block)} was asked for"


def _kw(value: float, sign: str = "") -> str:
    return f"{figure(value, sign=sign)} kW"


def _too(block: Block) -> str:
    errors = block.errors(block.response_kw)
    return "too much" if errors[np.abs(errors).argmax()] > 0 else "too little"


def _counterfactuals(block: Block) -> Iterator[tuple[str, F8, str]]:
    """Yield name, response without that cause, and its figures, in the order of the table."""
    out = block.out()
    response, target = block.response_kw, block.target_kw
    off = float((block.plan_kw - block.twin_kw)[out].mean())
    yield "plan error", block.twin_kw - block.power_kw, f"the plan is {_kw(off, '+')} off the group without commands"
    rebound = np.where(np.abs(block.action) <= AT_REST, np.maximum(block.extra_kw, 0.0), 0.0).sum(axis=1)
    yield "rebound", response + rebound, f"leaves at rest drew {_kw(rebound[out].mean())} back"
    available = block.up_kw.sum(axis=1)
    empty = np.maximum(target - available, 0.0)
    text = f"{_kw(available[out].mean())} were available for {_kw(target[out].mean())}"
    yield "energy empty", response + empty, text
    full = ((block.action >= FULL) | (block.up_kw <= 0.0)).all(axis=1) & (available > 0.0)
    yield "saturation", np.where(full, np.maximum(response, target), response), "every leaf was asked for all it has"
    missed = (np.maximum(block.action, 0.0) * block.lost_kw).sum(axis=1)
    yield "unreachable", response + missed, f"{_kw(missed[out].mean())} stood behind links that were down"
    n = len(response)
    shifts = {m: block.later_kw[m : m + n] for m in SHIFTS_MIN}
    best = min(SHIFTS_MIN, key=lambda m: block.excess_kw(shifts[m]))
    yield "delay", shifts[best], f"{best} minutes earlier it would have fitted"


def failures(played: Played, twin: Played, band_share: float | None = None) -> list[Failure]:
    """Return the failed blocks of a play, by seed and block.

    Parameters
    ----------
    played, twin : Played
        The same seeds under a controller and without commands.
    band_share : float, optional
        Half the width of the tolerance over the commitment; default: the first service's.
    """
    band = played.first.band_share if band_share is None else band_share
    return [_failure(played, twin, band, i, b) for i, b in np.argwhere(played.passed == 0.0).tolist()]


def _failure(played: Played, twin: Played, band_share: float, i: int, b: int) -> Failure:
    block = cut(played, twin, band_share, i, b)
    name, text = cause(block)
    errors = block.errors(block.response_kw)
    worst = float(errors[np.abs(errors).argmax()])
    seed, award = int(played.seeds[i]), float(played.award_kw[i, b])
    return Failure(seed, b, clock(int(played.start_abs_s[i]) + b * BLOCK_S), worst, award, name, text)


def cut(played: Played, twin: Played, band_share: float, i: int, b: int) -> Block:
    """Return block ``b`` of seed number ``i``."""
    t, w = played.trace, twin.trace
    per_block = played.window_kw.shape[2] // played.award_kw.shape[1]
    windows, minutes = slice(b * per_block, (b + 1) * per_block), slice(b * BLOCK_MIN, (b + 1) * BLOCK_MIN)
    later = slice(b * BLOCK_MIN, (b + 1) * BLOCK_MIN + max(SHIFTS_MIN))
    response = (t.plan_kw - t.metered_kw)[i].astype(np.float64)
    after = np.pad(response, (0, max(SHIFTS_MIN)), mode="edge")

    def at(row: NDArray[np.float32]) -> F8:
        return row[i, minutes].astype(np.float64)

    return Block(
        band_kw=band_share * float(played.award_kw[i, b]),
        low_kw=played.window_kw[i, 0, windows],
        high_kw=played.window_kw[i, 1, windows],
        target_kw=at(t.target_kw),
        response_kw=response[minutes],
        plan_kw=at(t.plan_kw),
        twin_kw=at(w.true_kw),
        later_kw=after[later],
        power_kw=at(t.true_kw),
        action=at(t.action),
        extra_kw=at(t.leaf_kw) - at(w.leaf_kw),
        up_kw=at(t.up_kw),
        lost_kw=at(t.lost_kw),
    )


def clock(abs_s: int) -> str:
    """Return date and time of day of a number of seconds since 2000-01-01."""
    minute = abs_s % DAY_S // 60
    return f"{date_of(abs_s // DAY_S)} {minute // 60:02d}:{minute % 60:02d}"
