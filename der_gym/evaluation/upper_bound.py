"""The clairvoyant upper bound of an episode's reward: a linear programme over two pools of devices, one per seed.

It knows what the idle twin did, every request and every price. It moves the power of all stores and of all loads, in
windows of 5 minutes, as if each device answered at once, and asks for the greatest reward that this power could earn.
Whatever a controller does is a point of the programme, at a value that is not below its reward. For it is relaxed:

* Network: every device may be moved alone, at any time. There is no delay, loss, quota, channel or leaf.
* Devices: only rated power, the energy that all stores hold together, and the loads' uncommanded power bound a move.
  Ramps, taper, full stores, wiring, starts and the loads' heat and charge do not.
* Owners: a move is booked at the homes where it is cheapest first. A kWh not charged costs a store ``LEAST_ROUND_TRIP``
  of a kWh, one charged keeps ``MOST_ROUND_TRIP``. A home's load may lower the bill of its store as well. Inconvenience
  is free.
* Plan: any within its bounds, free of what was done to reach it.
* Money: wear, messages, penalties, lock-out, comfort and debt cost nothing. Windows stand for their minutes.
* Imbalance in unawarded blocks: what loads hold back by a command is not income (``rebound``); the first
  ``LATE_WINDOWS`` windows may be the tail of an earlier command.

What is left out and could raise a reward above it, by less than the relaxations give: gain errors of meters, and the
electronics of emptied stores, which draw nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from der_gym.core.heads import PLAN
from der_gym.core.units import BLOCK_S, HOUR_S, REFRESH_S
from der_gym.env.reward.reward import REWARD_TERMS
from der_gym.evaluation.twin_record import TwinRecord
from der_gym.scenario.model import Scenario
from der_gym.services import SERVICES
from der_gym.services.base import Scope
from der_gym.services.costs import CostConfig

Array = np.ndarray
LEAST_ROUND_TRIP, MOST_ROUND_TRIP = 0.8, 0.93  # AC to AC, the range of the shipped classes [A]
LATE_WINDOWS = 2  # 10 minutes: slower than the messages that end a command [A]
HOURS = REFRESH_S / HOUR_S
PER_BLOCK = BLOCK_S // REFRESH_S
LARGE_KWH = 1e5
SIGNS = (("up", 1.0), ("down", -1.0))  # ways to move -> sign of the response


class Step(NamedTuple):
    """A part of a pool's move in a window: its column, yen that a kWh of it brings, what it takes from the store."""

    column: int
    yen: float
    stored: float


Moves = dict[str, list[Step]]  # by way; the yen fall from step to step


@dataclass(frozen=True)
class Case:
    """The programme of one seed reads row ``w`` of the twin's record, the fleet's prices and that of reserve energy."""

    twin: TwinRecord
    w: int
    costs: CostConfig
    energy_yen_kwh: float


class _Programme:
    """Columns and rows of a mixed-integer programme, added one after the other; it is maximised."""

    def __init__(self) -> None:
        self.gain, self.low, self.high, self.whole = list[float](), list[float](), list[float](), list[int]()
        self.rows: list[dict[int, float]] = []
        self.most: list[float] = []

    def column(self, gain: float = 0.0, low: float = 0.0, high: float = np.inf, whole: bool = False) -> int:
        """Add a variable and return its number."""
        self.gain.append(gain)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.gain) - 1

    def at_most(self, row: dict[int, float], most: float) -> None:
        """Add the rule that a weighted sum is at most ``most``."""
        self.rows.append(row)
        self.most.append(most)

    def solve(self) -> float:
        """Return the greatest value; RuntimeError where HiGHS finds none."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # slow to import, and only a bound needs it
        from scipy.sparse import csr_array

        at = [k for k, row in enumerate(self.rows) for _ in row]
        columns = [j for row in self.rows for j in row]
        values = [v for row in self.rows for v in row.values()]
        table = csr_array((values, (at, columns)), shape=(len(self.rows), len(self.gain)))
        found = milp(
            -np.array(self.gain),
            integrality=np.array(self.whole),
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            constraints=LinearConstraint(table, ub=np.array(self.most)),
        )
        if found.x is None:
            raise RuntimeError(f"the bound's programme has no solution: {found.message}")
        return -float(found.mip_dual_bound if found.mip_dual_bound is not None else found.fun)


def upper_bounds(scenario: Scenario, twin: TwinRecord) -> Array:
    """Return the greatest reward that the relaxed episode of each seed allows, float64 (n_seed,).

    NaN where there is no bound: several services, another way to pay owners, a meter at the homes, a plug-in reward, a
    head that moves the plan, a service without `Service.bound_terms`.

    Parameters
    ----------
    scenario : Scenario
    twin : TwinRecord
        What the uncommanded worlds of the seeds did.
    """
    n, terms = len(twin.bill_yen), _energy_price(scenario)
    if terms is None:
        return np.full(n, np.nan)
    return np.array([_upper_bound(Case(twin, w, scenario.costs, terms)) for w in range(n)])


def _energy_price(scenario: Scenario) -> float | None:
    """Return the yen of a kWh of reserve energy; None where the scenario has no bound."""
    first = scenario.services[0]
    alone = len(scenario.services) == 1 and first.metering == "device" and scenario.costs.owners == "bill"
    moved = any(head.kind == PLAN for head in scenario.heads())
    if not alone or moved or list(REWARD_TERMS):
        return None
    scope = Scope(1, scenario.episode.n_block + scenario.episode.n_block_after, scenario.episode.n_block, 1)
    terms = SERVICES[first.name](first, scope).bound_terms()
    return None if terms is None else terms.energy_yen_kwh


def _upper_bound(case: Case) -> float:
    made, t, w = _Programme(), case.twin, case.w
    n_block = t.award_kw.shape[1]
    moves = [[_moves(made, case, pool, k) for k in range(n_block * PER_BLOCK)] for pool in range(2)]
    _bill(made, case, moves)
    _energy(made, moves[0], t.stored_kwh[w])
    for b in range(n_block):
        own = slice(b * PER_BLOCK, (b + 1) * PER_BLOCK)
        plan = made.column(high=max(float((t.plan_high_kw - t.plan_low_kw)[w, own].min()), 0.0))
        idle_kw = (t.plan_low_kw - t.metered_kw)[w, own]
        response = [{plan: 1.0, **_net(moves, k)} for k in range(own.start, own.stop)]
        if t.award_kw[w, b] > 0.0:
            _committed(made, case, b, response, idle_kw)
        else:
            _free(made, case, b, response, idle_kw, [pool[own] for pool in moves])
    asked = np.where(t.award_kw[w] > 0.0, t.target_kw[w].reshape(n_block, -1).mean(axis=1), 0.0).sum()
    return made.solve() + float(t.per_yen[w] * t.fixed_yen[w] + t.per_kw[w] * asked - t.less[w])


def _moves(made: _Programme, case: Case, pool: int, k: int) -> Moves:
    """Add a pool's moves in a window, up and down: first where they bring the owners most."""
    t, c, at = case.twin, case.costs, (case.w, pool, k)
    retail, kept, export = t.retail_yen[case.w, k // PER_BLOCK], c.stored_yen_kwh, c.export_yen_kwh
    room_up = max(t.power_kw[at] - t.least_kw[at], 0.0)
    room_down = max(t.most_kw[at] - t.power_kw[at], 0.0)
    if pool == 0:
        least, most = LEAST_ROUND_TRIP * kept, MOST_ROUND_TRIP * kept
        up = [
            (t.charging_kw[at], retail - least, LEAST_ROUND_TRIP),
            (t.import_kw[at] - t.charging_kw[at], retail - kept, 1.0),
            (t.surplus_kw[case.w, k], export - least, LEAST_ROUND_TRIP),
            (np.inf, export - kept, 1.0),
        ]
        down = [
            (t.easing_kw[case.w, k], kept - export, 1.0),
            (t.export_kw[at] - t.easing_kw[case.w, k], most - export, MOST_ROUND_TRIP),
            (t.giving_kw[case.w, k], kept - retail, 1.0),
            (np.inf, most - retail, MOST_ROUND_TRIP),
        ]
    else:
        both = t.twice_kw[case.w, k], t.twice_export_kw[case.w, k]
        buys, sells = retail - kept, kept - export
        up = [(both[0], 2 * buys, 0.0), (t.import_kw[at] - both[0], buys, 0.0), (np.inf, -sells, 0.0)]
        down = [(both[1], 2 * sells, 0.0), (t.export_kw[at] - both[1], sells, 0.0), (np.inf, -buys, 0.0)]
    more, less = _steps(made, up, room_up), _steps(made, down, np.inf)
    down_row = {step.column: 1.0 for step in less} | {step.column: -1.0 for step in more}
    made.at_most(down_row, room_down)
    if pool == 1:  # what was put off may come back, and be put off again
        made.at_most({column: -v for column, v in down_row.items()}, room_up)
    return {"up": more, "down": less}


def _steps(made: _Programme, steps: list[tuple[Any, float, float]], room_kw: float) -> list[Step]:
    added, left = [], float(room_kw)
    for kw, yen, stored in steps:
        most = max(min(float(kw), left), 0.0)
        added.append(Step(made.column(high=most), float(yen), stored))
        left -= most
    return added


def _net(moves: list[list[Moves]], k: int) -> dict[int, float]:
    """Return the response of both pools in a window, as a row."""
    return {column: sign for pool in moves for way, sign in SIGNS for column, _, _ in pool[k][way]}


def _bill(made: _Programme, case: Case, moves: list[list[Moves]]) -> None:
    """Add the owners' line: their bill, at least 0."""
    line = made.column(gain=-float(case.twin.per_yen[case.w]))
    row = {line: -1.0}
    for pool in moves:
        for window in pool:
            row |= {step.column: -step.yen * HOURS for step in (*window["up"], *window["down"])}
    made.at_most(row, -float(case.twin.bill_yen[case.w]))


def _energy(made: _Programme, stores: list[Moves], stored_kwh: Array) -> None:
    """Add that stores give no more than they hold: one column a window carries what they gave more than the twin."""
    before: int | None = None
    for window, kwh in zip(stores, stored_kwh, strict=True):
        gave = made.column(low=-LARGE_KWH, high=float(kwh))
        row = {step.column: sign * step.stored * HOURS for way, sign in SIGNS for step in window[way]} | {gave: -1.0}
        made.at_most(row | ({before: 1.0} if before is not None else {}), 0.0)
        before = gave


def _committed(made: _Programme, case: Case, b: int, response: list[dict[int, float]], idle_kw: Array) -> None:
    """Add an awarded block: reserve energy, the rest as imbalance, and the error of each window."""
    t, w, delivered = case.twin, case.w, dict[int, float]()
    price, per_yen, per_kw = float(t.imbalance_yen_kwh[w, b]), float(t.per_yen[w]), float(t.per_kw[w])
    target = t.target_kw[w, b * PER_BLOCK : (b + 1) * PER_BLOCK]
    for row, idle, wanted in zip(response, idle_kw, target, strict=True):
        error = made.column(gain=-per_kw / PER_BLOCK)
        made.at_most(row | {error: -1.0}, float(wanted - idle))
        made.at_most({j: -v for j, v in row.items()} | {error: -1.0}, float(idle - wanted))
        for j, v in row.items():
            delivered[j] = delivered.get(j, 0.0) + v * HOURS
    idle_kwh = float(idle_kw.sum() * HOURS)
    for j, v in delivered.items():
        made.gain[j] += per_yen * price * v
    made.gain[made.column(low=1.0, high=1.0)] = per_yen * price * idle_kwh
    paid = made.column(gain=per_yen * (case.energy_yen_kwh - price), high=float(target.sum() * HOURS))
    made.at_most({paid: 1.0} | {j: -v for j, v in delivered.items()}, max(idle_kwh, 0.0))


def _free(
    made: _Programme, case: Case, b: int, response: list[dict[int, float]], idle_kw: Array, moves: list[list[Moves]]
) -> None:
    """Add an unawarded block: its deviation is imbalance, less what loads hold back by a command."""
    price, outside = float(case.twin.imbalance_yen_kwh[case.w, b]), dict[int, float]()
    for row in response:
        for j, v in row.items():
            outside[j] = outside.get(j, 0.0) + v * HOURS
    idle_kwh = float(idle_kw.sum() * HOURS)
    income = made.column(gain=float(case.twin.per_yen[case.w]) * price, low=-LARGE_KWH)
    more = {income: 1.0} | {j: -v for j, v in outside.items()}
    made.at_most(more, idle_kwh)
    if price < 0.0:
        made.at_most({j: -v for j, v in more.items()}, -idle_kwh)
        return
    left, above = dict(more), made.column(high=1.0, whole=True)
    asked = [stores["up"][-1] for stores in moves[0][LATE_WINDOWS:]]  # a store feeds the grid by command alone
    asked += [step for loads in moves[1][LATE_WINDOWS:] for step in loads["up"]]
    for step in asked:
        left[step.column] = left.get(step.column, 0.0) + HOURS
    made.at_most(left | {above: LARGE_KWH}, idle_kwh + LARGE_KWH)
    made.at_most({income: 1.0, above: -LARGE_KWH}, 0.0)
