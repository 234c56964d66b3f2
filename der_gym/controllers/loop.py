"""The parts of a closed loop over slow paths: what was sent, what of it acts now, what of it telemetry can show yet."""

from __future__ import annotations

import numpy as np

from der_gym.controllers.base import Array, PublicFacts

LAG_MAX_S = 300.0  # what the market allows a response to lag [M]
BIN_S = 300.0  # a request is announced for so long
_MINUTE_S = 60.0


def n_past(decision_s: float) -> int:
    """Return how many past targets must be kept to reach 300 s back."""
    return int(np.ceil(LAG_MAX_S / decision_s)) + 2


def aim(past_kw: Array, end_kw: Array, bin_left: Array, steps: float, decision_s: float) -> Array:
    """Return the target ``steps`` decisions ago, or ahead where negative, kW (n,).

    Parameters
    ----------
    past_kw : float64 (n, n_past)
        Targets of the coming minute as they were at each decision, newest first; linear in between.
    end_kw, bin_left : float64 (n,)
        Target of the last minute of the 5-minute bin, part of the bin that is left. Ahead, the target runs linearly to
        the bin's end and holds there: what follows is not announced yet.
    """
    if steps < 0.0:
        way = np.maximum(bin_left * BIN_S - _MINUTE_S, 1.0)
        part = np.minimum(-steps * decision_s / way, 1.0)
        ahead: Array = past_kw[:, 0] + (end_kw - past_kw[:, 0]) * part
        return ahead
    i = min(int(steps), past_kw.shape[1] - 2)
    share = min(steps - i, 1.0)
    value: Array = past_kw[:, i] * (1.0 - share) + past_kw[:, i + 1] * share
    return value


class Delays:
    """The delays of the leaves as weights over the messages sent.

    Parameters
    ----------
    public : PublicFacts

    Attributes
    ----------
    n_lag : int
        Decisions that the memory of messages must reach back.
    """

    def __init__(self, public: PublicFacts) -> None:
        self.acting = np.diff(public.arrived, axis=1, prepend=0.0)  # (n_leaf, n_lag)
        self.showing = np.diff(public.shown, axis=1, prepend=0.0)
        self.n_lag = public.shown.shape[1]

    def begin(self, n: int) -> Array:
        """Return the memory before the first message, (n, n_lag, n_leaf)."""
        return np.zeros((n, self.n_lag, self.showing.shape[0]))

    def shown(self, sent: Array) -> Array:
        """Return the fraction of each leaf, (n, n_leaf), that telemetry should show by now.

        ``sent`` (n, n_lag, n_leaf): the fractions in force at the sender, newest first; entry ``k`` was sent ``k + 1``
        decisions ago.
        """
        return _weigh(sent, self.showing, 0)

    def on_the_way(self, sent: Array) -> Array:
        """Return what earlier messages make up of each leaf's mean fraction over the coming step, (n, n_leaf)."""
        return _weigh(sent[:, :-1], self.acting, 1)

    @property
    def at_once(self) -> Array:
        """Return the weight of a message sent now in the coming step, (n_leaf,)."""
        first: Array = self.acting[:, 0]
        return first


def _weigh(sent: Array, weight: Array, first: int) -> Array:
    out = np.zeros((sent.shape[0], sent.shape[2]))
    for k in range(sent.shape[1]):
        out += sent[:, k] * weight[:, first + k]
    return out


def expected_kw(fraction: Array, up_kw: Array, down_kw: Array) -> Array:
    """Return the response that fractions stand for: upward ones of ``up_kw``, downward ones of ``down_kw``."""
    kw: Array = np.where(fraction > 0.0, fraction * up_kw, fraction * down_kw)
    return kw
