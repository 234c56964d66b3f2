"""Learn from a policy's own tracking errors: play, note what was asked too little or too much, fit, play again.

A correction ``c`` (share of the award) that is in force moves the group's response by about ``c``. Where the response
lay off its trajectory by the error ``e`` (share of the award), ``c - e`` would have been right. A network is fitted to
that by least squares, from what the controller saw when it decided. It plays the next round, which shows what it still
gets wrong where it leads; all rounds are kept, as in dataset aggregation [1]_. No reward and no noise is needed: every
decision says by how much it was wrong.

References
----------
.. [1] Ross, Gordon, Bagnell, "A reduction of imitation learning and structured prediction to no-regret online
   learning", 2011, arXiv:1011.0686.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch
from gymnasium.utils import seeding

from agents import networks
from der_gym.controllers import public_info
from der_gym.controllers.policy import Policy
from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import frozen_kw

Array = np.ndarray
SAMPLE_S = 60


class ErrorLog:
    """Notes the metered response less its trajectory, kW, of every minute, while its ``with`` block runs.

    Attributes
    ----------
    error_kw : float64 (n_world, n_minute)
    """

    def __init__(self, worlds: Worlds) -> None:
        self.sim = worlds.simulator
        self.session = self.sim.market.primary
        if self.session.sample_s != SAMPLE_S:
            raise InputError(
                f"service {self.session.id}: samples of {self.session.sample_s} s; allowed: a first service with "
                f"{SAMPLE_S} s, which has a trajectory to follow"
            )
        self.error_kw = np.zeros_like(self.session.service.target_kw)

    def __enter__(self) -> ErrorLog:
        self.sim.on_minute.append(self._minute)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sim.on_minute.remove(self._minute)

    def _minute(self) -> None:
        sample, target_kw = self.session.sample, self.session.service.target_kw
        worlds = np.flatnonzero(sample.ends)
        at = sample.number[worlds].astype(np.int64)
        response_kw = frozen_kw(self.session, worlds, at) - sample.metered_kw[worlds]
        self.error_kw[worlds, at] = response_kw - target_kw[worlds, at]


def carried(worlds: Worlds, reach: float) -> tuple[Array, tuple[float, ...]]:
    """Return which entries of the action carry the correction, bool (n_entry,), and each leaf's part of ``reach``.

    Of the leaves that obey commands those with stores carry it, all of them where there are none.

    Parameters
    ----------
    worlds : Worlds
    reach : float
        Largest correction, share of the award.

    Raises
    ------
    InputError
        Where nobody is commanded.
    """
    public, layout = public_info(worlds), worlds.layout
    if "dispatch" not in layout.action.places:
        raise InputError(f"scenario {worlds.scenario.name}: nobody is commanded; allowed: control dispatch, both")
    stores = public.stores & public.obeys
    leaves = stores if stores.any() else public.obeys
    _, first, n_leaf = layout.action.places["dispatch"]
    entries = np.zeros(layout.action.size, dtype=bool)
    entries[first : first + n_leaf] = leaves
    share = layout.nominal_kw / layout.nominal_kw[leaves].sum()
    return entries, tuple(float(min(max(s * reach, 1e-6), 2.0)) for s in share)


@dataclass(frozen=True)
class Round:
    """What a batch of episodes shows.

    Attributes
    ----------
    x : float32 (n, n_step, n_x)
        The newest frame of the network's inputs at each decision.
    correction : float32 (n, n_step)
        The correction in force, share of ``reach``.
    wanted : float32 (n, n_step)
        The one that would have been right; NaN where no award stands.
    error_rms : float
        Root of the mean squared minute error, share of the award.
    """

    x: Array
    correction: Array
    wanted: Array
    error_rms: float


def play(worlds: Worlds, policy: Policy, entry: int, first_seed: int, lag: int, reach: float) -> Round:
    """Play one episode in every world and say what each decision should have been.

    Parameters
    ----------
    worlds : Worlds
    policy : Policy
        Bound to the worlds' layout.
    entry : int
        Of the action, one that carries the correction.
    first_seed : int
        Of world 0; the others follow.
    lag : int
        Decisions until a command acts.
    reach : float
        Largest correction, share of the award.
    """
    n, n_x = worlds.n_world, len(policy.mean)
    every = np.ones(n, dtype=bool)
    worlds.reset(every, {i: seeding.np_random(first_seed + i)[0] for i in range(n)}, {})
    state, start, seen, held = None, every, [], []
    with ErrorLog(worlds) as log:
        for _ in range(worlds.scenario.n_step):
            obs = worlds.observe()
            inputs = policy.inputs(obs, state, start)
            action, state = policy.decide(inputs, obs, state, start)
            seen.append(inputs[0][:, :n_x])
            held.append(state["held"][:, entry].copy())
            worlds.step(action, every)
            start = ~every
    award_kw = np.repeat(log.session.service.award_kw, BLOCK_S // SAMPLE_S, axis=1)
    share = np.divide(log.error_kw, award_kw, out=np.full_like(award_kw, np.nan), where=award_kw > 0)
    correction = np.stack(held, axis=1)
    clock = len(seen), worlds.scenario.decision_s, log.session.service.window_s
    wanted = correction - ahead(share, *clock, lag).astype(np.float32) / reach
    return Round(np.stack(seen, axis=1), correction, wanted, float(np.sqrt(np.nanmean(share**2))))


def ahead(error: Array, n_step: int, decision_s: int, window_s: int, lag: int) -> Array:
    """Return the mean error from when a decision acts to the end of that judged window, (n, n_step); NaN past the end.

    Parameters
    ----------
    error : float64 (n, n_minute)
        Of each minute; NaN where no award stands.
    n_step, decision_s, window_s : int
        Decisions of the episode; seconds between two; length of a judged window, s.
    lag : int
        Decisions until a command acts.
    """
    out = np.full((len(error), n_step), np.nan)
    for k in range(n_step):
        first_s = (k + lag) * decision_s
        last_s = (first_s // window_s + 1) * window_s
        minutes = error[:, first_s // SAMPLE_S : -(-last_s // SAMPLE_S)]
        if minutes.shape[1]:
            out[:, k] = minutes.mean(axis=1)
    return out


def examples(rounds: list[Round], frames: int) -> tuple[Array, Array, Array]:
    """Return inputs without repeats (n, n_step, n_x), rows of (episode, decisions) to look up, and wanted corrections.

    The rows are int64 (n_example, 1 + frames): an episode, then this decision and those before it, the first one
    standing for those before the start.
    """
    x = np.concatenate([r.x for r in rounds])
    wanted = np.concatenate([r.wanted for r in rounds])
    episode, step = np.nonzero(np.isfinite(wanted))
    past = np.maximum(step[:, None] - np.arange(frames), 0)
    return x, np.column_stack([episode, past]), wanted[episode, step]


def fit(net: Any, rounds: list[Round], frames: int, n_update: int, batch: int, learning_rate: float) -> float:
    """Fit a network by least squares with Adam; its step falls to a twentieth; return the last tenth's mean loss.

    Parameters
    ----------
    net : torch.nn.Module
        Maps (n, frames * n_x) to (n, 1); changed in place.
    rounds : list of Round
    frames, n_update, batch : int
    learning_rate : float
    """
    x, rows, wanted = (torch.from_numpy(each) for each in examples(rounds, frames))
    adam = torch.optim.Adam(net.parameters(), learning_rate, weight_decay=1e-5)
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.05, n_update)
    losses = []
    for _ in range(n_update):
        at = torch.randint(len(rows), (batch,))
        row = rows[at]
        inputs = x[row[:, :1], row[:, 1:]].flatten(1)
        loss = ((net(inputs)[:, 0] - wanted[at]) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        falling.step()
        losses.append(loss.detach())
    return float(torch.stack(losses[-max(n_update // 10, 1) :]).mean())


def network(n_input: int, hidden: int) -> Any:
    """Return two tanh layers of ``hidden`` and one output that begins at 0."""
    last = torch.nn.Linear(hidden, 1)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    layers = (torch.nn.Linear(n_input, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, hidden), torch.nn.Tanh(), last)
    return torch.nn.Sequential(*layers)


def tensors(net: Any, policy: Policy, carries: Array) -> dict[str, Array]:
    """Return a network as a policy's tensors.

    Parameters
    ----------
    net : torch.nn.Module
        As `network` makes it.
    policy : Policy
        Gives the scale of the inputs.
    carries : bool (n_entry,)
        The entries of the action that get the output; the others get 0.
    """
    out, last = networks.tensors((each for each in net if hasattr(each, "weight")), policy), len(policy.card.hidden)
    out[f"weight.{last}"] = out[f"weight.{last}"] * carries.astype(np.float32)
    out[f"bias.{last}"] = out[f"bias.{last}"] * carries.astype(np.float32)
    return out
