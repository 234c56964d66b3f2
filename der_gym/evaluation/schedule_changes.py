"""Changes of an episode's actions that a search with hindsight tries, a draw of its own for every half hour.

Fractions of dispatch and offers of pay are moved alike, leaf by leaf and half hour by half hour. Against an error the
fractions move by its kW; offers, whose kW nobody knows, by a drawn step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from der_gym.core.units import BLOCK_S
from der_gym.devices import with_trait
from der_gym.env.worlds import Worlds

Array = np.ndarray
KINDS = {"learn": 0.55, "shift": 0.2, "hold": 0.1, "scale": 0.1, "rest": 0.05}  # chance of each kind of change [A]
SPREAD, SPREAD_OFFERS = 0.06, 0.12  # sd of a shift, of the Box [A]
STILL = 0.8  # chance that a half hour without offers is left so, where nothing is commanded [A]
LEAVES = 0.5  # chance that a change touches a leaf [A]
LAGS, WIDTHS, HOLDS = (0, 1, 2, 3, 5), (1, 2, 3, 5), (2, 3, 5, 10)  # decisions [A]


@dataclass(frozen=True)
class Fleet:
    """What the changes know of a scenario.

    Attributes
    ----------
    reach_kw : float64 (n_world, size)
        What 1 asks of the leaf behind each entry of dispatch, kW; 0 for other entries.
    fine : bool (size,)
        Entries of leaves that follow continuously.
    n_block : int
    rest : float64 (size,)
        Entries that ask for nothing and offer nothing.
    offers : bool (size,)
        Entries that are offers of pay.
    """

    reach_kw: Array
    fine: Array
    n_block: int
    rest: Array
    offers: Array

    @property
    def spread(self) -> Array:
        """Return the standard deviation of a shift of each entry, float64 (size,)."""
        return np.where(self.offers, SPREAD_OFFERS, SPREAD)

    @staticmethod
    def of(worlds: Worlds) -> Fleet:
        """Return the facts of ``worlds``, whose episodes have begun."""
        st, action = worlds.simulator.structure, worlds.layout.action
        kw, fine = np.zeros((worlds.n_world, action.size)), np.zeros(action.size, dtype=bool)
        smooth = with_trait("continuous")
        if "dispatch" in action.places:
            _, at, n = action.places["dispatch"]
            obeys = worlds.scenario.obeying(st.leaf_names)
            kw[:, at : at + n] = (worlds.layout.nominal_kw if action.is_plain else _reach_kw(worlds)) * np.array(obeys)
            for j in range(n):
                fine[at + j] = obeys[j] and all(st.class_names[c] in smooth for c in st.cell_class[st.cell_leaf == j])
        rest = action.encode({"offer": 0.0}).astype(np.float64) if "offer" in action.places else np.zeros(action.size)
        return Fleet(kw, fine if fine.any() else kw[0] > 0, worlds.scenario.horizon_s // BLOCK_S, rest, _offers(action))


def _offers(action: Any) -> Array:
    """Return which entries of the action are offers of pay, bool (size,)."""
    out = np.zeros(action.size, dtype=bool)
    if "offer" in action.places:
        _, at, n = action.places["offer"]
        out[at : at + n] = True
    return out


def _reach_kw(worlds: Worlds) -> Array:
    """Return the kW that an entry of 1 asks of each leaf, (n_world, n_leaf)."""
    one, action = np.ones((worlds.n_world, worlds.layout.action.size)), worlds.layout.action
    reach: Array = action.decode(one, "dispatch", worlds.action.award_kw) * worlds.layout.nominal_kw
    return reach


def changed(fleet: Fleet, w: int, actions: Array, error_kw: Array, draw: np.random.Generator) -> Array:
    """Return a world's actions with a change in each half hour, float32 (n_step, size).

    Parameters
    ----------
    fleet : Fleet
    w : int
        The world.
    actions : float32 (n_step, size)
    error_kw : float64 (n_step,)
        Response less target when they were played.
    draw : Generator
    """
    out: Array = actions.astype(np.float64)
    steps = len(actions) // fleet.n_block
    for b in range(fleet.n_block):
        own = slice(b * steps, (b + 1) * steps)
        if not fleet.fine.any() and (out[own] == fleet.rest).all() and draw.random() < STILL:
            continue
        kind = str(draw.choice(list(KINDS), p=list(KINDS.values())))
        if kind == "learn" and error_kw[own].any():
            out[own] += _against(fleet, w, error_kw, own, draw) if fleet.fine.any() else 0.0
            out[own] += _priced(fleet, error_kw[own], draw)
        elif kind == "hold":
            out[own] = _held(out[own], int(draw.choice(HOLDS)))
        elif kind == "scale":
            times = 1.0 + draw.normal(0.0, 0.1) * _some(out.shape[1], draw)
            out[own] = fleet.rest + (out[own] - fleet.rest) * times
        elif kind == "rest":
            some = _some(out.shape[1], draw)
            out[own][:, some] = fleet.rest[some]
        else:
            first, last = np.sort(draw.integers(0, steps + 1, size=2))
            out[own][first:last] += draw.normal(0.0, fleet.spread) * _some(out.shape[1], draw)
    cut: Array = np.clip(out, -1.0, 1.0).astype(np.float32)
    return cut


def _priced(fleet: Fleet, error_kw: Array, draw: np.random.Generator) -> Array:
    """Return the move of some offers against the mean error of a half hour: more pay where the answer is too small."""
    if not fleet.offers.any():
        return np.zeros(len(fleet.offers))
    step = -np.sign(error_kw.mean()) * np.abs(draw.normal(0.0, fleet.spread)) * _some(len(fleet.offers), draw)
    return np.where(fleet.offers, step, 0.0)


def _some(size: int, draw: np.random.Generator) -> Array:
    """Return which entries are touched, one at least."""
    some: Array = np.asarray(draw.random(size) < LEAVES)
    some[draw.integers(size)] = True
    return some


def _against(fleet: Fleet, w: int, error_kw: Array, own: slice, draw: np.random.Generator) -> Array:
    """Return the move of some fine leaves against the error that follows, smoothed, (n, size)."""
    lag, width, part = int(draw.choice(LAGS)), int(draw.choice(WIDTHS)), draw.uniform(0.2, 1.2)
    n = own.stop - own.start
    ahead = np.zeros(n + lag + width)
    seen = error_kw[own.start : own.stop + lag + width]
    ahead[: len(seen)] = seen
    smooth = np.convolve(ahead, np.ones(width) / width, mode="valid")[lag : lag + n]
    takes = fleet.fine & (draw.random(len(fleet.fine)) < 0.7)
    takes = takes if takes.any() else fleet.fine
    move: Array = -part * smooth[:, None] / fleet.reach_kw[w, takes].sum() * takes
    return move


def _held(actions: Array, n: int) -> Array:
    """Return actions that keep their mean over ``n`` decisions: fewer messages."""
    starts = np.arange(0, len(actions), n)
    means = np.add.reduceat(actions, starts, axis=0) / np.diff([*starts, len(actions)])[:, None]
    held: Array = np.repeat(means, n, axis=0)[: len(actions)]
    return held
