"""Play one controller on many seeds: one batch of worlds, with a trace of every minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers import Controller, bound
from der_gym.core.units import BLOCK_S
from der_gym.devices.base import Register
from der_gym.devices.owners.behaviour import STATE
from der_gym.engine.tables import FLEET
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import BY_SERVICE, Recorder, Trace
from der_gym.evaluation.service_played import ServicePlayed
from der_gym.network import tables as net
from der_gym.scenario.model import Scenario
from der_gym.services.base import OUTCOME
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
CHUNK = 64  # worlds played at once; a result does not depend on it
Progress = Callable[[float], None]  # told the share of the play that is done
Watch = Callable[[Worlds], Recorder]
Options = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class Played:
    """The play of a controller on ``n`` seeds; every array leads with the seed.

    Attributes
    ----------
    seeds : int64 (n,)
    reward : float64 (n,)
        Sum over the episode.
    terms : float64 (n, TERMS.N)
        Its terms, ``env.reward.reward.TERMS``.
    statement_yen : float64 (n, n_block, n_line)
        The statement at each half hour's end, cumulative; its lines stand in ``lines``, the total last; ``kinds``:
        without the services' names.
    by_variant : dict of float64 (n,)
        The reward of the same play under ``ledger`` and ``shared``, whichever was played; see `Reward.so_far`.
    services : dict
        Service id -> `ServicePlayed`; the first is the one that ``outcome``, ``award_kw`` ... are short for.
    debt_kwh : float64 (n,)
        Energy that classes lack for their next need, at the end.
    messages, discharged_kwh, starts : float64 (n,)
        Messages to units; registers of the episode.
    by_home : dict of float32 (n, n_home)
        Registers that are judged home by home, of the classes that have them, 24 hours after the end.
    summed : dict of float64 (n,)
        Likewise, those that scoreboards show and that only add up.
    offers : dict of float64 (n, n_block) or (n,)
        Where owners are offered pay: see `offer_results`; else empty.
    start_abs_s : int64 (n,)
        Seconds since 2000-01-01 at the episode's start.
    trace : Trace
    """

    seeds: Array
    reward: Array
    terms: Array
    statement_yen: Array
    lines: tuple[str, ...]
    kinds: tuple[str, ...]
    by_variant: dict[str, Array]
    services: dict[str, ServicePlayed]
    debt_kwh: Array
    messages: Array
    discharged_kwh: Array
    starts: Array
    by_home: dict[str, Array]
    summed: dict[str, Array]
    offers: dict[str, Array]
    start_abs_s: Array
    trace: Trace

    @property
    def ledger_yen(self) -> Array:
        """Return the statement at the end, float64 (n, n_line)."""
        end: Array = self.statement_yen[:, -1]
        return end

    @property
    def first(self) -> ServicePlayed:
        """Return the service that is told of first: the scenario's first, or the one that was asked for."""
        return next(iter(self.services.values()))

    @property
    def told_of(self) -> str:
        """Return the id of that service where there are several, else nothing."""
        return next(iter(self.services)) if len(self.services) > 1 else ""

    def told(self, service: str) -> Played:
        """Return the same play, told of another service: it is the first, and the trace's.

        Parameters
        ----------
        service : str
            Id of one of ``services``.
        """
        own = self.services[service]
        trace = replace(self.trace, **{name: getattr(own, name) for name in BY_SERVICE})
        return replace(self, services={service: own} | self.services, trace=trace)

    @property
    def outcome(self) -> Array:
        """Return the first service's outcome, (n, n_period, n_column)."""
        return self.first.outcome

    @property
    def award_kw(self) -> Array:
        """Return the first service's commitment, kW, (n, n_period)."""
        return self.first.award_kw

    @property
    def window_kw(self) -> Array:
        """Return the first service's allowed means, kW, (n, 2, n_window)."""
        return self.first.window_kw

    @property
    def accuracy(self) -> Array:
        """Return the first service's skill, (n,)."""
        return self.first.accuracy

    @property
    def mae_share(self) -> Array:
        """Return the first service's error over its commitment, (n,)."""
        return self.first.mae_share

    @property
    def passed(self) -> Array:
        """Return 1, 0 or NaN (never judged) per period of the first service, (n, n_period)."""
        return self.first.passed

    def yen(self, line: str) -> Array:
        """Return a line of the statement, (n,): of all services where several have one of that name; 0 where none."""
        own = [k for k, names in enumerate(zip(self.lines, self.kinds, strict=True)) if line in names]
        total: Array = self.ledger_yen[:, own].sum(axis=1)
        return total

    @property
    def judged_share(self) -> Array:
        """Return the share of awarded windows that were judged, (n,)."""
        awarded = self.award_kw > 0
        share: Array = self.outcome[:, :, OUTCOME.JUDGED_SHARE].sum(axis=1, where=awarded) / np.maximum(
            awarded.sum(axis=1), 1
        )
        return share


class EpisodeRunner:
    """The worlds that all controllers of a comparison meet, made once per number of worlds.

    Parameters
    ----------
    scenario : Scenario
    workers : int, optional
        Threads.
    service : str, optional
        Id of the service that measures, causes and pages tell of alone; default: measures tell of the scenario's first
        where they have no service's name, causes and pages of all.

    Attributes
    ----------
    told : list of str
        Ids of the services that causes and pages tell of.

    Raises
    ------
    InputError
        For a service that the scenario does not have.
    """

    def __init__(self, scenario: Scenario, workers: int | None = None, service: str | None = None) -> None:
        self.scenario, self.workers = scenario, workers
        self.service = scenario.service(service or scenario.services[0].id).id
        self.told = [service] if service else [config.id for config in scenario.services]
        self._made: dict[int, Worlds] = {}

    @property
    def notes(self) -> list[str]:
        """Return what was done to the user's files so far: a line each, no line twice."""
        return list(dict.fromkeys(note for made in self._made.values() for note in made.simulator.market.notes))

    def worlds(self, n_world: int) -> Worlds:
        """Return ``n_world`` worlds; their next reset clears what was played."""
        if n_world not in self._made:
            self._made[n_world] = Worlds(self.scenario, None, n_world, self.workers)
            self._made[n_world].simulator.market.show(self.service)
        return self._made[n_world]

    def play(
        self,
        controller: Controller,
        seeds: Sequence[int],
        options: Options = None,
        chunk: int = CHUNK,
        progress: Progress | None = None,
        run_on: bool = True,
        watch: Watch = Recorder,
    ) -> Played:
        """Play ``controller`` on every seed, ``chunk`` worlds at a time.

        Parameters
        ----------
        controller : Controller
        seeds : sequence of int
            World i has the luck of the single environment that is reset with ``seeds[i]``.
        options : mapping or sequence of mappings, optional
            ``date`` and ``start_h``, as for an environment's reset; a sequence has one for each seed.
        chunk : int
            Worlds at once, >= 1; less memory, the same result.
        progress : callable, optional
        run_on : bool
            Whether to run 24 hours on after the end without commands, and count what homes lacked by then.
        watch : callable
            Makes the recorder of each chunk's worlds once they are reset; a report has one of its own.
        """
        every = [dict(options or {})] * len(seeds) if options is None or isinstance(options, Mapping) else list(options)
        firsts = range(0, len(seeds), chunk)
        played = []
        for k, i in enumerate(firsts):
            part, own = list(seeds[i : i + chunk]), every[i : i + chunk]
            tell = _share_of(progress, k, len(firsts))
            played.append(_play(self.worlds(len(part)), controller, part, own, tell, run_on, watch))
        return played[0] if len(played) == 1 else _join(played)


def _share_of(progress: Progress | None, k: int, n: int) -> Progress:
    if progress is None:
        return lambda _: None
    return lambda share: progress((k + share) / n)


def _play(
    worlds: Worlds,
    controller: Controller,
    seeds: list[int],
    options: Sequence[Mapping[str, Any]],
    tell: Progress,
    run_on: bool,
    watch: Watch,
) -> Played:
    n = worlds.n_world
    every = np.ones(n, dtype=bool)
    _reset(worlds, {i: seeding.np_random(seed)[0] for i, seed in enumerate(seeds)}, options)
    controller = bound(controller, worlds)
    recorder = watch(worlds)
    reward, plugged, terms = np.zeros(n), np.zeros(n), np.zeros_like(worlds.reward.terms)
    ledger = worlds.simulator.market.ledger
    statement = np.zeros((n, worlds.scenario.horizon_s // BLOCK_S, len(ledger.lines)))
    state, start = None, every
    n_step = worlds.scenario.n_step
    with recorder:
        for k in range(n_step):
            action, state = controller.predict(worlds.observe(), state, start)
            recorder.before(action)
            worlds.step(action, every)
            recorder.after()
            reward += worlds.reward.reward
            terms += worlds.reward.terms
            plugged += worlds.reward.plugged_in()
            statement[:, k * worlds.scenario.decision_s // BLOCK_S :] = ledger.yen[:, None]
            start = ~every
            tell((k + 1) / n_step)
    by_variant = {name: total + plugged for name, total in worlds.reward.so_far().items()}
    sums = {"reward": reward, "terms": terms, "statement_yen": statement, "by_variant": by_variant}
    return _result(worlds, seeds, sums, recorder, run_on)


def _reset(worlds: Worlds, generators: dict[int, np.random.Generator], options: Sequence[Mapping[str, Any]]) -> None:
    """Reset all worlds, those with the same options at once."""
    for chosen in {tuple(sorted(each.items())): each for each in options}.values():
        mask = np.array([each == chosen for each in options])
        worlds.reset(mask, {i: g for i, g in generators.items() if mask[i]}, chosen)


def _result(worlds: Worlds, seeds: list[int], sums: Mapping[str, Any], recorder: Recorder, run_on: bool) -> Played:
    sim = worlds.simulator
    market, fleet, network = sim.market, sim.fleet, sim.network
    start, commanded = market.episode.start_abs_s(), sim.scenario.control != "incentive"
    obeys = [commanded and each for each in sim.scenario.obeying(sim.structure.leaf_names)]
    at_end: dict[str, Any] = {
        "seeds": np.array(seeds),
        **sums,
        "lines": market.ledger.lines,
        "kinds": market.ledger.kinds,
        "services": {
            each.id: ServicePlayed.of(each, recorder.services[each.id], obeys)
            for each in dict.fromkeys([market.primary, *market.sessions])
        },
        "debt_kwh": sim.debt_kwh(),
        "messages": (network.leaf[:, :, net.SENDER.N_SENT] * network.gate[:, net.GATE.N_UNIT]).sum(axis=1),
        "discharged_kwh": fleet.total_of("discharge"),
        "starts": fleet.total_of("start"),
        "offers": offer_results(sim),
        "start_abs_s": start.copy(),
    }
    if run_on:
        sim.run_on(np.ones(worlds.n_world, dtype=bool))
    homes: dict[str, Any] = {
        "by_home": {name: _per_home(worlds, name) for name, r in shown(sim.fleet).items() if r.by_home},
        "summed": {name: fleet.total(name) for name, r in shown(sim.fleet).items() if not r.by_home},
    }
    return Played(**at_end, **homes, trace=recorder.trace)


def offer_results(sim: Simulator) -> dict[str, Array]:
    """Return what offers of pay came to at the end; nothing where none are made.

    ``paid_kwh`` float64 (n_world, n_block): energy paid for in each half hour; ``way`` (n_world,): 1 where offers pay
    for drawing less, -1 where they pay for drawing more; ``calls`` (n_world,): events to which people were called;
    ``opted_in`` (n_world,): rated power whose owners take part at the end, or did in the last event, over all.
    """
    if sim.offers is None:
        return {}
    head = next(head for head in sim.scenario.heads() if head.kind == "incentive")
    kept, rated = sim.offers, sim.fleet.fleet[:, FLEET.RATED_KW].astype(np.float64)
    joined = (kept.state[:, STATE.ANSWER] > 0) * rated
    each = [array.reshape(sim.n_world, -1).sum(axis=1) for array in (joined, rated)]
    return {
        "paid_kwh": np.diff(kept.paid_kwh, axis=1, prepend=0.0),
        "way": np.full(sim.n_world, -1.0 if head.high <= 0.0 else 1.0),
        "calls": sim.market.fleet_ledger.calls.copy(),
        "opted_in": each[0] / np.maximum(each[1], 1e-9),
    }


def shown(fleet: Fleet) -> dict[str, Register]:
    """Return the registers of a fleet's classes that scoreboards show: by which people lose, and some more."""
    every = [item for own in fleet.classes.values() for item in own.device.meters.items()]
    return {name: register for name, register in every if register.harm or register.shown}


def _per_home(worlds: Worlds, register: str) -> Array:
    """Return a register of every real device of the classes that have it, float32 (n_world, n), by class and place."""
    sim, found = worlds.simulator, []
    for own in sim.fleet.classes.values():
        if register in own.device.energy:
            real = sim.structure.present[:, own.lo : own.hi].ravel().astype(bool)
            found.append(own.register(register).reshape(worlds.n_world, -1)[:, real].astype(np.float32))
    return np.concatenate(found, axis=1)


def _join(parts: list[Played]) -> Played:
    joined: dict[str, Any] = {}
    for field in fields(Played):
        values = [getattr(part, field.name) for part in parts]
        joined[field.name] = JOINS.get(field.name, np.concatenate)(values)
    return Played(**joined)


def _join_services(parts: Sequence[dict[str, ServicePlayed]]) -> dict[str, ServicePlayed]:
    return {name: ServicePlayed.join([part[name] for part in parts]) for name in parts[0]}


def _join_named(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


JOINS: Mapping[str, Callable[..., Any]] = {
    "trace": Trace.join,
    "lines": lambda parts: parts[0],
    "kinds": lambda parts: parts[0],
    "services": _join_services,
    "by_variant": _join_named,
    "by_home": _join_named,
    "summed": _join_named,
    "offers": _join_named,
}
