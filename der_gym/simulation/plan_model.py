"""The weights of the plan: a ridge regression per start, block and leaf on what is known at the gate.

Plan per nominal kW = weights x (1, base, weather and calendar as known at the gate, state of the leaf at the gate). The
regression is that of Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634, on standardised inputs. Weights are
rounded to ``DIGITS``: libraries of linear algebra differ in the last bits from machine to machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from der_gym.core.units import SLOT_PER_DAY
from der_gym.engine.schema import Table
from der_gym.signals.table import SIGNALS, SignalTable
from der_gym.simulation.plan_state import PLAN_STATE

Array = np.ndarray
RIDGE = 1e-3  # penalty on a standardised weight, per sample [C]: 1e-2 gives the same error
DIGITS = 7
LEAST_SD = 1e-6  # an input that moves less than this is constant: its weight is 0
GATE_SLOTS = 2  # half hours from the gate to the block

KNOWN = Table(
    "plan outlook",
    "float64 (n, n_block, n_leaf, N): inputs of the plan that clock, weather and the days before give",
    """
    one          | -         | aggregator | 1
    base         | -         |            | mean of like days, per nominal kW
    weekend      | -         |            | 1 on Saturday, Sunday and holidays
    summer       | -         |            | 1 in summer
    winter       | -         |            | 1 in winter
    temp         | 10 K      |            | forecast of the block
    temp_square  | 100 K2    |            | its square
    sun          | kW/m2     |            | forecast of the block
    sun_square   | kW2/m4    |            | its square
    sun_until    | kW/m2     |            | mean forecast from the gate to the end of the block
    temp_now     | 10 K      |            | outdoor temperature of the half hour before the gate
    sun_now      | kW/m2     |            | irradiance of the half hour before the gate
    sun_before   | kW/m2     |            | mean irradiance of the 12 hours before the gate
    """,
)


@dataclass(frozen=True)
class PlanModel:
    """Weights of the plan, per nominal kW of the leaf.

    Attributes
    ----------
    starts_h : tuple of int
        Hours at which an episode may start, ascending.
    known : float64 (n_start, n_block, n_leaf, KNOWN.N)
        Weights of clock, weather and base.
    state : float64 (n_start, n_block, n_leaf, PLAN_STATE.N)
        Weights of the leaf's state at the gate.
    least, greatest : float64 (n_start, n_block, n_leaf)
        Bounds of the plan: the least and greatest half-hour mean of the training days.
    usual : float64 (n_start, n_block, n_leaf, PLAN_STATE.N)
        Mean state at the gate of leaves that were left alone for an hour before it.
    fading : float64 (n_leaf, PLAN_STATE.N)
        What is left, on average, of a state beyond the usual one gate later, 0..1.
    """

    starts_h: tuple[int, ...]
    known: Array
    state: Array
    least: Array
    greatest: Array
    usual: Array
    fading: Array

    @staticmethod
    def blank(starts_h: tuple[int, ...], n_block: int, n_leaf: int) -> PlanModel:
        """Return a model that gives the base: nothing is learned yet."""
        lead = (len(starts_h), n_block, n_leaf)
        known, bound = np.zeros((*lead, KNOWN.N)), np.full(lead, np.inf)
        known[..., KNOWN.BASE] = 1.0
        state = np.zeros((*lead, PLAN_STATE.N))
        return PlanModel(starts_h, known, state, -bound, bound, state.copy(), np.zeros((n_leaf, PLAN_STATE.N)))

    def row_of(self) -> Array:
        """Return the place of each hour's start in the arrays, int64 (24,); 0 for an hour without one."""
        row = np.zeros(24, dtype=np.int64)
        row[list(self.starts_h)] = np.arange(len(self.starts_h))
        return row

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        own = {name: getattr(self, name) for name in ("known", "state", "least", "greatest", "usual", "fading")}
        return {"starts_h": np.array(self.starts_h, dtype=np.int64), **own}


class Weather:
    """Half-hour means of the signals, as the planner reads them.

    Parameters
    ----------
    signals : SignalTable
    """

    def __init__(self, signals: SignalTable) -> None:
        rows = [SIGNALS.TEMP_C, SIGNALS.SUN_KW_M2, SIGNALS.TEMP_FORECAST_C, SIGNALS.SUN_FORECAST_KW_M2]
        values = signals.values[rows]
        whole = values[:, : values.shape[1] // 6 * 6].reshape(len(rows), -1, 6)
        self._temp, self._sun, self._temp_told, self._sun_told = whole.mean(axis=2).astype(np.float64)
        self._first_day = signals.first_day

    def known(self, day0: Array, start_h: Array, n_block: int, kinds: Array) -> Array:
        """Return the inputs that all leaves share, float64 (n, n_block, KNOWN.N); ONE is 1 and BASE 0.

        Nothing is read that is measured after the gate, an hour before each block.

        Parameters
        ----------
        day0, start_h : int64 (n,)
            First day's number; hour of the start.
        n_block : int
        kinds : int64 (n, 3)
            Weekend, season, storm of the first day.
        """
        out = np.zeros((len(day0), n_block, KNOWN.N))
        block = ((day0 - self._first_day) * SLOT_PER_DAY + 2 * start_h)[:, None] + np.arange(n_block)
        gate = block - GATE_SLOTS
        out[..., KNOWN.ONE] = 1.0
        out[..., KNOWN.WEEKEND] = kinds[:, None, 0]
        out[..., KNOWN.SUMMER], out[..., KNOWN.WINTER] = kinds[:, None, 1] == 1, kinds[:, None, 1] == 2
        temp, sun = self._temp_told[block] / 10.0, self._sun_told[block]
        out[..., KNOWN.TEMP], out[..., KNOWN.TEMP_SQUARE] = temp, temp**2
        out[..., KNOWN.SUN], out[..., KNOWN.SUN_SQUARE] = sun, sun**2
        out[..., KNOWN.SUN_UNTIL] = (self._sun_told[gate] + self._sun_told[gate + 1] + sun) / 3.0
        out[..., KNOWN.TEMP_NOW], out[..., KNOWN.SUN_NOW] = self._temp[gate - 1] / 10.0, self._sun[gate - 1]
        out[..., KNOWN.SUN_BEFORE] = self._sun[gate[..., None] - np.arange(1, 25)].mean(axis=-1)
        return out


def ridge(inputs: Array, target: Array) -> Array:
    """Return the weights of a ridge regression, float64 (n_input,); the first input is 1 and is not shrunk.

    Parameters
    ----------
    inputs : float64 (n, n_input)
    target : float64 (n,)
    """
    middle, width = inputs.mean(axis=0), inputs.std(axis=0)
    middle[0], width[0] = 0.0, 1.0
    moves = width > LEAST_SD
    scaled = np.where(moves, (inputs - middle) / np.where(moves, width, 1.0), 0.0)
    penalty = np.full(len(width), RIDGE * len(target))
    penalty[0] = 0.0
    penalty[~moves] = 1.0
    found = np.linalg.solve(scaled.T @ scaled + np.diag(penalty), scaled.T @ target)
    weight: Array = np.where(moves, found / np.where(moves, width, 1.0), 0.0)
    weight[0] -= (weight * middle).sum()
    return weight.round(DIGITS)
