"""Play one controller on many seeds: one batch of worlds, with a trace of every minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from der_gym.controllers import Controller, facts
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import Recorder, Trace
from der_gym.network import tables as net
from der_gym.scenario.model import Scenario
from der_gym.services.tertiary_1.settlement import OUTCOME

Array = np.ndarray
CHUNK = 64  # worlds played at once; a result does not depend on it
Progress = Callable[[float], None]  # told the share of the play that is done
Watch = Callable[[Worlds], Recorder]
Options = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class Played:
    """What a controller did on ``n`` seeds; every array leads with the seed.

    Attributes
    ----------
    seeds : int64 (n,)
    reward : float64 (n,)
        Sum over the episode.
    terms : float64 (n, 5)
        Its terms, ``envs.reward.TERMS``.
    book : float64 (n, n_line); outcome : float64 (n, n_block, n_column)
        See ``markets.settlement``.
    award_kw : float64 (n, n_block)
    window_kw : float64 (n, 2, n_window)
        Least and greatest mean of the target over the allowed lags.
    accuracy, mae_share, debt_kwh : float64 (n,)
        Skill and error of the product; energy that classes lack for their next need, at the end.
    messages, discharged_kwh, starts : float64 (n,)
        Messages to units; registers of the episode.
    unserved_kwh_th, ev_missing_kwh : float32 (n, n_home)
        Per water heater and per car, 24 hours after the end.
    runouts, short_cars : float64 (n,)
        Likewise, summed.
    start_abs_s : int64 (n,)
        Seconds since 2000-01-01 at the episode's start.
    trace : Trace
    """

    seeds: Array
    reward: Array
    terms: Array
    book: Array
    outcome: Array
    award_kw: Array
    window_kw: Array
    accuracy: Array
    mae_share: Array
    debt_kwh: Array
    messages: Array
    discharged_kwh: Array
    starts: Array
    unserved_kwh_th: Array
    ev_missing_kwh: Array
    runouts: Array
    short_cars: Array
    start_abs_s: Array
    trace: Trace

    @property
    def passed(self) -> Array:
        """Return 1, 0 or NaN (never judged) per block, (n, n_block)."""
        verdict: Array = self.outcome[:, :, OUTCOME.PASSED]
        return verdict

    @property
    def judged_share(self) -> Array:
        """Return the share of awarded windows that were judged, (n,)."""
        awarded = self.award_kw > 0
        share: Array = self.outcome[:, :, OUTCOME.JUDGED_SHARE].sum(axis=1, where=awarded) / np.maximum(
            awarded.sum(axis=1), 1
        )
        return share


class EpisodeRunner:
    """The worlds that all controllers of a comparison meet, made once per number of worlds."""

    def __init__(self, scenario: Scenario, workers: int | None = None) -> None:
        self.scenario, self.workers = scenario, workers
        self._made: dict[int, Worlds] = {}

    @property
    def notes(self) -> list[str]:
        """Return what was done to the user's files so far: a line each, no line twice."""
        return list(dict.fromkeys(note for made in self._made.values() for note in made.simulator.market.notes))

    def worlds(self, n_world: int) -> Worlds:
        """Return ``n_world`` worlds; their next reset clears what was played."""
        if n_world not in self._made:
            self._made[n_world] = Worlds(self.scenario, None, n_world, self.workers)
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
    controller.bind(worlds.layout, facts(worlds))
    recorder = watch(worlds)
    reward, terms, state, start = np.zeros(n), np.zeros_like(worlds.reward.terms), None, every
    n_step = worlds.scenario.n_step
    with recorder:
        for k in range(n_step):
            action, state = controller.predict(worlds.observe(), state, start)
            recorder.before(action)
            worlds.step(action, every)
            recorder.after()
            reward += worlds.reward.reward
            terms += worlds.reward.terms
            start = ~every
            tell((k + 1) / n_step)
    return _result(worlds, seeds, reward, terms, recorder.trace, run_on)


def _reset(worlds: Worlds, generators: dict[int, np.random.Generator], options: Sequence[Mapping[str, Any]]) -> None:
    """Reset all worlds, those with the same options at once."""
    for chosen in {tuple(sorted(each.items())): each for each in options}.values():
        mask = np.array([each == chosen for each in options])
        worlds.reset(mask, {i: g for i, g in generators.items() if mask[i]}, chosen)


def _result(worlds: Worlds, seeds: list[int], reward: Array, terms: Array, trace: Trace, run_on: bool) -> Played:
    sim = worlds.simulator
    product, fleet, network = sim.market.product, sim.fleet, sim.network
    start = sim.market.start_abs_s()
    at_end = {
        "seeds": np.array(seeds),
        "reward": reward,
        "terms": terms,
        "book": product.book.copy(),
        "outcome": product.outcome.copy(),
        "award_kw": product.award_kw.copy(),
        "window_kw": product.window_kw.copy(),
        "accuracy": product.skill(),
        "mae_share": product.mae_share(),
        "debt_kwh": sim.debt_kwh(),
        "messages": (network.leaf[:, :, net.SENDER.N_SENT] * network.gate[:, net.GATE.N_UNIT]).sum(axis=1),
        "discharged_kwh": fleet.total("discharged_kwh"),
        "starts": fleet.total("starts"),
        "start_abs_s": start.copy(),
    }
    if run_on:
        sim.run_on(np.ones(worlds.n_world, dtype=bool))
    homes = {
        "unserved_kwh_th": _per_home(worlds, "ecocute", "unserved_kwh"),
        "ev_missing_kwh": _per_home(worlds, "ev", "missing_kwh"),
        "runouts": fleet.total("runouts"),
        "short_cars": fleet.total("short_cars"),
    }
    return Played(**at_end, **homes, trace=trace)


def _per_home(worlds: Worlds, device: str, register: str) -> Array:
    """Return a register of every real device of a class, float32 (n_world, n), in the order of places."""
    sim = worlds.simulator
    store = sim.fleet.classes.get(device)
    if store is None:
        return np.zeros((worlds.n_world, 0), dtype=np.float32)
    values = store.register(register).reshape(worlds.n_world, -1)
    real = sim.structure.present[:, store.lo : store.hi].ravel().astype(bool)
    kept: Array = values[:, real].astype(np.float32)
    return kept


def _join(parts: list[Played]) -> Played:
    joined: dict[str, Any] = {}
    for field in fields(Played):
        values = [getattr(part, field.name) for part in parts]
        joined[field.name] = Trace.join(values) if field.name == "trace" else np.concatenate(values)
    return Played(**joined)
