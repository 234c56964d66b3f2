"""Why a block failed: the error of its worst window as a sum of parts, from the traces of the play and of its twin.

The error is the mean response of the window less the nearest mean that the allowed lags permit. With ``asked`` and
``sent`` for the power that the fractions asked for and in force take of what each leaf has to give. Where some leaves
obey commands and others are offered pay, the target is what the answers of these leave to the commands:

| part | kW, mean over the window |
|---|---|
| plan error | plan - power without commands, as far as the commands asked for did not make up for it |
| not available | what the group had to give - target, where that is less, as far as it was not asked for |
| control | asked - target: what is left of it then |
| not sent | sent - asked of the leaves whose fraction moved by no more than is ever sent |
| held command | sent - asked of the others: an earlier message holds until the path takes the next one |
| unreachable | given - sent, as far as that was asked of devices whose link was down |
| delay | given - sent, as far as the commands of the last 15 minutes gave it |
| devices | given - sent of the leaves under command: what is left of it then |
| rebound | given - sent of the leaves at rest: they draw back what they gave |
| answers | where no leaf obeys commands: given by owners who are offered pay - target |
| meter | response - what all this gives: the meter, and leaves within the minute |

They add up to the error. The largest of those with its sign is the cause; where that is less than a fifth of the error
there is no single one. A cause *control* is told as *no command* where no leaf was asked for anything, nor held to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from der_gym.core.figures import figure
from der_gym.core.units import BLOCK_S, DAY_S
from der_gym.evaluation.play import Played
from der_gym.signals.calendar import date_of

F8 = NDArray[np.float64]
Kw = TypeVar("Kw", float, F8)
BLOCK_MIN = BLOCK_S // 60
AT_REST = 0.02  # a fraction that moves by no more than this is never sent
DELAY_MIN = 15
LEAST = 0.2  # part of the error that a cause must be
NO_COMMAND, NO_CAUSE = "no command", "no single cause"
PARTS = (
    "plan error",
    "not available",
    "control",
    "not sent",
    "held command",
    "unreachable",
    "delay",
    "devices",
    "rebound",
    "answers",
    "meter",
)
CAUSES = (NO_COMMAND, *PARTS, NO_CAUSE)
WHY = {
    "plan error": "the plan was off the group without commands",
    "not available": "the group had less to give than was called for",
    "not sent": "below the threshold of messages",
    "held command": "an earlier message held, the path took no new one yet",
    "unreachable": "devices that were asked stood behind links that were down",
    "delay": f"commands of the last {DELAY_MIN} minutes had not come through",
    "rebound": "leaves at rest were off the group without commands",
    "meter": "the meter was off the devices",
    NO_COMMAND: "nothing was asked of any leaf",
    NO_CAUSE: "many small ones",
}
OTHERWISE = {
    "control": ("too little was asked for", "too much was asked for"),
    "devices": ("devices gave less than they were asked for", "devices gave more than they were asked for"),
    "answers": ("owners who are offered pay gave too little", "owners who are offered pay gave too much"),
}


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
    action, sent, sent_low, sent_high : (n_minute, n_leaf)
        Fractions asked for, in force by the last message sent, least and greatest of that in the last 15 minutes.
    given_kw, up_kw, down_kw, lost_kw : (n_minute, n_leaf)
        Leaf's power below its twin's; available upward and downward; upward of that behind links that are down.
    obeys : bool (n_leaf,), optional
        Which leaves obey commands; the owners of the others are offered pay. Default: all obey.
    """

    band_kw: float
    low_kw: F8
    high_kw: F8
    target_kw: F8
    response_kw: F8
    plan_kw: F8
    twin_kw: F8
    action: F8
    sent: F8
    sent_low: F8
    sent_high: F8
    given_kw: F8
    up_kw: F8
    down_kw: F8
    lost_kw: F8
    obeys: NDArray[np.bool_] | None = None

    @property
    def commanded(self) -> NDArray[np.bool_]:
        """Return which leaves obey commands, (n_leaf,)."""
        return np.ones(self.given_kw.shape[1], dtype=bool) if self.obeys is None else self.obeys

    def errors(self) -> F8:
        """Return each window's distance from what is allowed, signed, (n_window,)."""
        means = self.response_kw.reshape(len(self.low_kw), -1).mean(axis=1)
        return np.asarray(means - np.clip(means, self.low_kw, self.high_kw))

    def worst(self) -> int:
        """Return the number of the window that lies farthest from what is allowed."""
        return int(np.abs(self.errors()).argmax())

    def worst_kw(self) -> float:
        """Return the error of the worst window, signed."""
        return float(self.errors()[self.worst()])

    def minutes(self) -> slice:
        """Return the minutes of the worst window."""
        n, k = len(self.response_kw) // len(self.low_kw), self.worst()
        return slice(k * n, (k + 1) * n)

    def power(self, fraction: F8) -> F8:
        """Return what fractions take of what the leaves have to give, (n_minute, n_leaf); 0 where they obey none."""
        return np.where(fraction > 0.0, fraction * self.up_kw, fraction * self.down_kw) * self.commanded


@dataclass(frozen=True)
class Failure:
    """A failed block and its cause; ``parts`` add up to the error ``worst_kw``."""

    seed: int
    block: int
    starts: str  # date and time
    worst_kw: float
    award_kw: float
    cause: str
    text: str
    parts: Mapping[str, float] = field(default_factory=dict)
    service: str = ""  # its id where there are several

    @property
    def line(self) -> str:
        """Return the failure in one line."""
        sign = "over" if self.worst_kw > 0 else "short"
        share = abs(self.worst_kw) / self.award_kw
        size = f"{figure(abs(self.worst_kw))} kW {sign} ({share:.0%} of award)"
        of = f"{self.service} " if self.service else ""
        return f"{self.starts} {of}block {self.block}: {size}: {self.text}"


def parts(block: Block) -> dict[str, float]:
    """Return the parts of the error of the worst window, kW, signed; they add up to it."""
    at = block.minutes()
    response, plan, twin = (float(row[at].mean()) for row in (block.response_kw, block.plan_kw, block.twin_kw))
    asked, sent = block.power(block.action)[at], block.power(block.sent)[at]
    unsent, small = sent - asked, np.abs(block.action - block.sent)[at] <= AT_REST
    answer = _answer(block, at)
    leaves = {"not sent": np.where(small, unsent, 0.0), "held command": np.where(small, 0.0, unsent)} | answer
    means = {name: float(kw.sum(axis=1).mean()) for name, kw in leaves.items()}
    target, some_obey = response - block.worst_kw(), block.commanded.any()
    if some_obey:
        target, means["answers"] = target - means["answers"], 0.0
    counted = block.commanded if some_obey else ~block.commanded
    least, most = (float((kw * counted)[at].sum(axis=1).mean()) for kw in (-block.down_kw, block.up_kw))
    left = plan - twin + float(asked.sum(axis=1).mean()) - target
    off = _explained(left, plan - twin)
    short = _explained(left - off, float(np.clip(target, least, most)) - target)
    known = {"plan error": off, "not available": short, "control": left - off - short} | means
    if not some_obey:  # nobody could be asked: owners were to meet the target
        known |= {"control": 0.0, "answers": known["answers"] + known["control"]}
    return known | {"meter": block.worst_kw() - sum(known.values())}


def _answer(block: Block, at: slice) -> dict[str, F8]:
    """Return what the leaves gave less what the messages in force asked, by its reasons, (n_minute, n_leaf)."""
    sent = block.power(block.sent)[at]
    left = block.given_kw[at] - sent
    unreachable = _explained(left, -(np.maximum(block.sent, 0.0) * block.commanded * block.lost_kw)[at])
    before = [block.power(fraction)[at] - sent for fraction in (block.sent_low, block.sent_high)]
    delay = np.clip(left - unreachable, *before)
    rest, obeys, still = left - unreachable - delay, block.commanded, np.abs(block.sent[at]) <= AT_REST
    own = {"devices": np.where(obeys & ~still, rest, 0.0), "rebound": np.where(obeys & still, rest, 0.0)}
    return {"unreachable": unreachable, "delay": delay, **own, "answers": np.where(obeys, 0.0, rest)}


def _explained(kw: Kw, by: Kw) -> Kw:
    """Return the part of ``kw`` that another power explains: it has the sign of both and is no larger than either."""
    part: Kw = np.clip(kw, np.minimum(by, 0.0), np.maximum(by, 0.0))
    return part


def cause(block: Block) -> tuple[str, str]:
    """Return the name of the cause and the line that tells it and the parts."""
    found, error = parts(block), block.worst_kw()
    name = max(found, key=lambda part: found[part] * np.sign(error))
    if abs(found[name]) < LEAST * abs(error):
        name = NO_CAUSE
    elif name == "control" and not _commanded(block):
        name = NO_COMMAND
    why = OTHERWISE[name][error > 0] if name in OTHERWISE else WHY[name]
    size = max(map(abs, found.values()))
    order = sorted(found, key=lambda part: -abs(found[part]))
    shown = {NO_COMMAND if name == NO_COMMAND and part == "control" else part: found[part] for part in order}
    told = ", ".join(f"{part} {kw}" for part, kw in ((p, figure(v, size, "+")) for p, v in shown.items()) if kw != "0")
    return name, f"{name}: {why} ({told} kW)"


def _commanded(block: Block) -> bool:
    at = block.minutes()
    return bool((block.commanded & ((block.action != 0.0) | (block.sent != 0.0))[at]).any())


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


def of_services(played: Played, twin: Played, services: Sequence[str]) -> list[Failure]:
    """Return the failed blocks of several services, one service after the other.

    Parameters
    ----------
    played, twin : Played
        See `failures`.
    services : sequence of str
        Ids.
    """
    return [found for each in services for found in failures(played.told(each), twin.told(each))]


def _failure(played: Played, twin: Played, band_share: float, i: int, b: int) -> Failure:
    block = cut(played, twin, band_share, i, b)
    starts = clock(int(played.start_abs_s[i]) + b * BLOCK_S)
    told = (int(played.seeds[i]), b, starts, block.worst_kw(), float(played.award_kw[i, b]))
    return Failure(*told, *cause(block), parts(block), played.told_of)


def cut(played: Played, twin: Played, band_share: float, i: int, b: int) -> Block:
    """Return block ``b`` of seed number ``i``.

    Parameters
    ----------
    played, twin : Played
        Of a controller and of an idle group on the same seeds.
    band_share : float
        Half width of the tolerance over the award, 0..1.
    i, b : int
        Number of the seed; period of the outcome.
    """
    t, w, of = played.trace, twin.trace, played.first.leaf_weight
    per_block = played.window_kw.shape[2] // played.award_kw.shape[1]
    windows, minutes = slice(b * per_block, (b + 1) * per_block), slice(b * BLOCK_MIN, (b + 1) * BLOCK_MIN)
    before = np.pad(t.sent[i].astype(np.float64), ((DELAY_MIN, 0), (0, 0)))
    recent = np.lib.stride_tricks.sliding_window_view(before, DELAY_MIN + 1, axis=0)[minutes]

    def at(row: NDArray[np.float32]) -> F8:
        return row[i, minutes].astype(np.float64)

    return Block(
        band_kw=band_share * float(played.award_kw[i, b]),
        low_kw=played.window_kw[i, 0, windows],
        high_kw=played.window_kw[i, 1, windows],
        target_kw=at(t.target_kw),
        response_kw=at(t.plan_kw) - at(t.metered_kw),
        plan_kw=at(t.plan_kw),
        twin_kw=at(w.true_kw),
        action=at(t.action),
        sent=at(t.sent),
        sent_low=recent.min(axis=2),
        sent_high=recent.max(axis=2),
        given_kw=(at(w.leaf_kw) - at(t.leaf_kw)) * of,
        up_kw=at(t.up_kw) * of,
        down_kw=at(t.down_kw) * of,
        lost_kw=at(t.lost_kw) * of,
        obeys=played.first.leaf_obeys,
    )


def clock(abs_s: int) -> str:
    """Return date and time of day of a number of seconds since 2000-01-01."""
    minute = abs_s % DAY_S // 60
    return f"{date_of(abs_s // DAY_S)} {minute // 60:02d}:{minute % 60:02d}"
