"""The common part of the single and the vector environment: worlds, layout, reward, infos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from der_gym.core.errors import InputError
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.env.action.take import ActionTaker
from der_gym.env.observation.fields import own_field
from der_gym.env.observation.layout import Layout, ServiceView, observe
from der_gym.env.reward.reward import TERMS, Reward
from der_gym.network.tables import SENDER
from der_gym.scenario.load import load
from der_gym.scenario.model import Scenario
from der_gym.services.base import OUTCOME
from der_gym.simulation.aggregator_view import SERVICE
from der_gym.simulation.simulator import Simulator
from der_gym.simulation.snapshot import Snapshot, check_alike, check_fits, checked_places

Array = np.ndarray
COUNTED = ("blocks_passed", "blocks_judged", "blocks_abandoned", "error_kw", "true_minus_metered_kwh")
SENT = ("actions_clipped", "messages_sent")


@kernel
def count_outcome(w0, w1, first, last, row, outcome, table):  # type: ignore[no-untyped-def]
    """Add a service's verdicts to the rows of ``COUNTED`` from ``row`` on, in ``table`` (n_info, n_world).

    Parameters
    ----------
    first, last : bool
        Begin at 0; make the sum of errors a mean over the judged periods.
    outcome : float64 (n_world, n_period, n_column), columns `OUTCOME` first
    """
    for w in range(w0, w1):
        passed = judged = abandoned = error = gap = 0.0
        for b in range(outcome.shape[1]):
            verdict = outcome[w, b, OUTCOME.PASSED]
            if not np.isnan(verdict):
                passed += verdict
                judged += 1.0
                error += outcome[w, b, OUTCOME.MEAN_ABS_ERROR_KW]
            abandoned += outcome[w, b, OUTCOME.ABANDONED]
            gap += outcome[w, b, OUTCOME.TRUE_MINUS_METERED_KWH]
        for k, value in enumerate((passed, judged, abandoned, error, gap)):
            table[row + k, w] = value if first else table[row + k, w] + value
        if last:
            table[row + 3, w] /= max(table[row + 1, w], 1.0)


@kernel
def fill_infos(w0, w1, terms, yen, clipped, leaf, table):  # type: ignore[no-untyped-def]
    """Fill the rows of ``table``: reward terms, statement, and, the last two, clipped actions and messages sent.

    Messages are those of the action's heads, one for each leaf. Those that tell stores to stand by are paid for in the
    ledger, and are not counted here.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    terms : float64 (n_world, TERMS.N); yen : float64 (n_world, n_line); clipped : float64 (n_world,)
    leaf : float64 (n_world, n_lane, SENDER.N)
    table : float64 (n_info, n_world)
        Out.
    """
    n_term, n_row = terms.shape[1], table.shape[0]
    for w in range(w0, w1):
        for i in range(n_term):
            table[i, w] = terms[w, i]
        for i in range(yen.shape[1]):
            table[n_term + i, w] = yen[w, i]
        sent = 0.0
        for j in range(leaf.shape[1]):
            sent += leaf[w, j, SENDER.N_SENT]
        table[n_row - 2, w], table[n_row - 1, w] = clipped[w], sent


class Worlds:
    """``n_world`` worlds of a scenario behind observation, action and reward."""

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        overrides: Mapping[str, Any] | None,
        n_world: int,
        workers: int | None = None,
    ) -> None:
        simulator = Simulator(load(scenario, overrides), n_world, workers)
        leaf_names, scenario = simulator.structure.leaf_names, simulator.scenario
        asked = scenario.heads(), scenario.observation.fields, scenario.action.unit == "award"
        self._build(simulator, Layout.make(leaf_names, simulator.nominal_kw, _views(simulator), *asked))

    def _build(self, simulator: Simulator, layout: Layout) -> None:
        """Make the arrays, and let the simulator's step end with reward, observation and infos."""
        self.scenario, self.simulator, self.layout = simulator.scenario, simulator, layout
        self.reward = Reward(simulator)
        self.n_world = n_world = simulator.n_world
        self._where, self._how = self.layout.plan()
        spans = (self.scenario.n_step, self.scenario.decision_s, self.simulator.market.planner.correction)
        plan = self.simulator.step_plan
        standing = (self.simulator.network.streams, plan.message, plan.active)
        self.action = ActionTaker(self.layout.action, *standing, *spans)
        self._ready = False
        self._obs = np.zeros((n_world, self.layout.size), dtype=np.float32)
        self._extra = np.zeros((n_world, self.layout.n_computed))
        self.info_names = self._info_names()
        self._table = np.zeros((len(self.info_names), n_world))
        stages = [*self.reward.scoring(plan.active), *self._observing(plan.active), *self._telling()]
        plan.append_stage(stages)
        low, high = self.layout.bounds()
        self.observation_space = gym.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.layout.action.size,), dtype=np.float32)

    def reset(
        self, mask: Array, generators: Mapping[int, np.random.Generator], options: Mapping[str, Any] | None
    ) -> None:
        """Start new episodes in the worlds of ``mask``.

        Parameters
        ----------
        mask : bool (n_world,)
        generators : mapping
            World -> its generator, for every world of ``mask``.
        options : mapping, optional
            ``date`` ("YYYY-MM-DD") and ``start_h``.
        """
        self.simulator.reset(mask, generators, options)
        self.reward.begin(mask)
        self.action.begin(mask, np.sum([s.service.unit_kw for s in self.simulator.market.sessions], axis=0))
        if self.reward.relative:
            self._play_twin(mask)
        self._see(mask)

    def _play_twin(self, mask: Array) -> None:
        """Note what an idle group's rewards in the worlds of ``mask`` will be; then all is as before."""
        sim, arrays = self.simulator, self.simulator.arrays() | self._arrays() | self._shown()
        before, extra = {name: array.copy() for name, array in arrays.items()}, self.reward.extra
        heard = sim.on_tick, sim.on_minute
        sim.on_tick, sim.on_minute = [], []  # nobody hears what did not happen
        idle = np.repeat(self.layout.encode({})[None], self.n_world, axis=0)
        found = np.zeros_like(self.reward.twin)
        self.reward.extra = dict(extra)
        for k in range(self.scenario.n_step):
            self.step(idle, mask)
            found[:, k] = self.reward.reward
        sim.on_tick, sim.on_minute = heard
        self.reward.extra = extra
        for name, array in arrays.items():
            array[:] = before[name]
        self.reward.twin[mask] = found[mask]

    def step(self, action: Any, active: Array) -> Array:
        """Take a decision in the ``active`` worlds; return which of them have reached their end.

        Parameters
        ----------
        action : array-like (n_world, size)
            Entries in -1..1; what lies beyond is cut and counted.
        active : bool (n_world,)
        """
        if not self._ready:
            self._ready = self._check_reset(active)
        any_ended = self.action.take(action, active)
        self.simulator.step(self.action.message, self.action.active, follow=not any_ended)
        if any_ended:  # their debt is charged first
            self.reward.charge_terminal_debt(self.action.ended)
            self.simulator.step_plan.post_step()
        self.reward.finish(active)
        return self.action.ended.copy()

    @property
    def step_no(self) -> Array:
        """Return the decisions taken in each world's episode, int64 (n_world,)."""
        return self.action.step_no

    def _check_reset(self, active: Array) -> bool:
        """Refuse worlds that were never reset; return whether all have been."""
        if self.simulator.never[active].any():
            raise InputError("step: called before reset; call reset() first")
        return not self.simulator.never.any()

    def _observing(self, active: Array) -> list[Call]:
        v = self.simulator.view
        block = v.block.reshape(self.n_world, -1, v.block.shape[3])
        tables = (v.world, v.service, block, v.leaf, self._extra, v.own, SERVICE.UNIT_KW, self._obs)
        computing = self.layout.computing(active, v, self._extra)
        return [*computing, Call(observe, active, self._where, self._how, *tables, by_world=True)]

    def _info_names(self) -> tuple[str, ...]:
        """Return the names of the infos; of several services each has its own counts beside the sum of all."""
        market = self.simulator.market
        several = market.sessions if len(market.sessions) > 1 else []
        each = [f"{session.id.replace('-', '_')}_{name}" for session in several for name in COUNTED]
        terms, lines = (f"reward_{name}" for name in TERMS), (f"yen_{name}" for name in market.ledger.lines)
        return (*terms, *lines, *COUNTED, *each, *SENT)

    def _telling(self) -> list[Call]:
        """Return the calls that fill the table of infos."""
        market, leaf = self.simulator.market, self.simulator.network.leaf
        at, n = len(TERMS) + len(market.ledger.lines), len(market.sessions)
        calls = []
        for k, session in enumerate(market.sessions):
            spans = [(k == 0, k == n - 1, at)] + ([(True, True, at + len(COUNTED) * (k + 1))] if n > 1 else [])
            calls += [Call(count_outcome, *span, session.service.outcome, self._table, by_world=True) for span in spans]
        given = (self.reward.terms, market.ledger.yen, self.action.clipped, leaf)
        return [*calls, Call(fill_infos, *given, self._table, by_world=True)]

    def _see(self, mask: Array) -> None:
        """Write observations of the worlds of ``mask`` and all infos as they stand between two steps."""
        for call in (*self._observing(mask), *self._telling()):
            call(0, self.n_world)

    def observe(self) -> Array:
        """Return the observations, float32 (n_world, size), fresh; a world that takes no step keeps its last one."""
        return self._obs.copy()

    def infos(self) -> dict[str, Array]:
        """Return each info by name, float64 (n_world,), fresh: ``info_names`` and one per plug-in reward term."""
        out = dict(zip(self.info_names, self._table.copy(), strict=True))
        for name, value in self.reward.extra.items():
            out[f"reward_{name}"] = value.copy()
        return out

    def info(self, w: int = 0) -> dict[str, np.float64]:
        """Return the infos of one world as numpy's float64, which have a dtype and are Python floats too."""
        out: dict[str, np.float64] = dict(zip(self.info_names, self._table[:, w], strict=False))  # half the time
        for name, value in self.reward.extra.items():
            out[f"reward_{name}"] = np.float64(value[w])
        return out

    def _arrays(self) -> dict[str, Array]:
        """Return the arrays that a world's future depends on, beside the simulator's."""
        return self.reward.arrays() | self.action.arrays()

    def _shown(self) -> dict[str, Array]:
        """Return the arrays of the last step's result."""
        return self.reward.shown() | {"obs": self._obs, "infos": self._table}

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copy be built anew around the simulator's copy and take over the arrays; see `Simulator`."""
        return _around, (self.simulator, self.layout), (self._arrays() | self._shown(), self.reward.extra)

    def __setstate__(self, state: tuple[dict[str, Array], dict[str, Array]]) -> None:
        kept, self.reward.extra = state
        for name, array in (self._arrays() | self._shown()).items():
            array[:] = kept[name]

    def snapshot(self, worlds: Sequence[int]) -> tuple[Snapshot, dict[str, Array]]:
        """Return the chosen worlds whole, the environment's own arrays included."""
        places = checked_places(worlds, self.n_world)
        return self.simulator.snapshot(places), {name: array[places].copy() for name, array in self._arrays().items()}

    def restore(self, kept: tuple[Snapshot, dict[str, Array]], worlds: Sequence[int]) -> None:
        """Put worlds back, or elsewhere; what cannot be put back is refused by InputError, and nothing is changed.

        Parameters
        ----------
        kept : tuple
            What `snapshot` returned.
        worlds : sequence of int
            Places, 0..n_world - 1, one for each world of the snapshot.
        """
        if not isinstance(kept, tuple) or len(kept) < 2 or not isinstance(kept[1], Mapping):
            raise InputError(f"restore: {type(kept).__name__}; allowed: what snapshot() returned")
        own = self._arrays()
        places = check_fits(kept[0], self.simulator.files_hash, self.n_world, worlds)
        check_alike("snapshot", kept[1], {name: (array, len(places)) for name, array in own.items()})
        self.simulator.restore(kept[0], places)
        for name, array in own.items():
            array[places] = kept[1][name]
        self._see(np.isin(np.arange(self.n_world), places))


def _around(simulator: Simulator, layout: Layout) -> Worlds:
    """Return worlds around a simulator whose step does not end with any yet."""
    made = Worlds.__new__(Worlds)
    made._build(simulator, layout)
    return made


def _views(simulator: Simulator) -> list[ServiceView]:
    """Return the services' views for a layout."""
    return [
        ServiceView(
            id=session.id,
            leaves=tuple(int(j) for j in np.flatnonzero(session.leaf_weight > 0)),
            own=tuple(own_field(row, session.service.scales[row.name]) for row in session.service.FIELDS.rows),
            kind=session.service.name,
        )
        for session in simulator.market.sessions
    ]
