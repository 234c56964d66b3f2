"""A service in a simulation: its node, its meter, its plan and its samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import BLOCK_S
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call
from der_gym.services.base import Sample, Service
from der_gym.simulation import metering
from der_gym.simulation.metering import POWER
from der_gym.simulation.planner import Planner

Array = np.ndarray


class ServiceSession:
    """One service on its node, for all worlds.

    Parameters
    ----------
    service : Service
    planner : Planner
    leaf_weight : float64 (n_leaf,)
        The node: each control leaf's part, 0..1.
    tick_s : int
    perfect : bool
        Whether every service without a baseline of its own settles against the power without commands.

    Attributes
    ----------
    plan_kw : float64 (n_world, n_block)
        Plan of the node; ``shown_kw`` is the plan that an aggregator sees.
    perfect_kw : float64 (n_world, n_sample)
        Power of the node without commands, in the ablation without plan error; else empty.
    sum_kw : float64 (n_world, POWER.N)
        Power of the open sample's ticks.
    sample : Sample
    bin_error : float64 (n_world, 2)
        Sum and count of the seen error over the decisions of this 5-minute bin.
    """

    def __init__(
        self, service: Service, planner: Planner, leaf_weight: Array, tick_s: int, perfect: bool = False
    ) -> None:
        config = service.config
        self.service, self.planner, self.leaf_weight = service, planner, leaf_weight
        self.receiving = config.metering == "receiving"
        self.perfect = (perfect or config.plan == "perfect") and not service.own_baseline
        self.cell_weight = leaf_weight[planner.structure.cell_leaf]
        n_world, n_block = service.award_kw.shape
        self.sample_s = service.periods.sample_s
        if self.sample_s % tick_s or BLOCK_S % self.sample_s:
            raise InputError(
                f"services.{config.id}: samples of {self.sample_s} s; allowed: whole ticks (tick_s {tick_s}) that "
                f"divide {BLOCK_S} s"
            )
        self.n_tick = self.sample_s // tick_s
        self.plan_kw = service.baseline_kw if service.own_baseline else np.zeros((n_world, n_block))
        self.perfect_kw = np.zeros((n_world, n_block * (BLOCK_S // self.sample_s) if self.perfect else 1))
        self.shown_kw = np.zeros_like(self.plan_kw) if self.perfect else self.plan_kw
        self.sum_kw, self.bin_error = np.zeros((n_world, POWER.N)), np.zeros((n_world, 2))
        kinds = (bool, np.int64, float, float, float)
        self.sample = Sample(*(np.zeros(n_world, dtype=kind) for kind in kinds))

    @property
    def id(self) -> str:
        """Return the name of its columns and lines."""
        return str(self.service.config.id)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        own = {"perfect_kw": self.perfect_kw, "sum_kw": self.sum_kw, "bin_error": self.bin_error}
        own |= {} if self.service.own_baseline else {"plan_kw": self.plan_kw}
        return {f"{self.id}.{name}": array for name, array in {**self.service.arrays(), **own}.items()}

    def begin(self, mask: Array) -> None:
        """Take over the plan of the worlds in ``mask``; nothing is sampled yet."""
        self.sum_kw[mask], self.bin_error[mask] = 0.0, 0.0
        if not self.service.own_baseline:
            leaves = self.planner.leaf_kw[mask] * self.leaf_weight
            self.plan_kw[mask] = leaves.sum(axis=2) + (self.planner.house_kw[mask] if self.receiving else 0.0)

    # -- calls of a step ------------------------------------------------------------------------------------------

    def adding(self, n_shard: int, active: Array, power: Array, site_net: Array) -> Call:
        """Return the call that adds a tick's power of the node to the open sample.

        Parameters
        ----------
        n_shard : int
            Shards of a world.
        active : bool (n_world,)
        power : float64 (S, n_cell, POWER.N); site_net : float64 (S, POWER.N)
            Of the devices; of the homes, kW.
        """
        given = (n_shard, active, self.cell_weight, power, site_net, self.receiving, self.sum_kw)
        return Call(add_node, *given, by_world=True)

    def settling(self, active: Array, t_s: Array) -> list[Call]:
        """Return the calls that close a sample where one ends, and let the service take it.

        Parameters
        ----------
        active : bool (n_world,)
        t_s : float64 (n_world,)
            Seconds of the episode.
        """
        per_block = BLOCK_S // self.sample_s
        plan = (self.plan_kw, self.perfect_kw, self.perfect, per_block)
        given = (active, t_s, self.sample_s, self.sum_kw, float(self.n_tick), *plan)
        closes = Call(close_sample, *given, *self.sample, by_world=True)
        return [closes, *self.service.settle(active, t_s, self.sample)]

    def freezing(self, ends: Array, t_s: Array) -> list[Call]:
        """Return the call that fixes the node's plan two blocks ahead, where a block ``ends``."""
        if self.perfect or self.service.own_baseline:
            return []
        p = self.planner
        given = (ends, t_s, self.leaf_weight, p.leaf_kw, p.house_kw, self.receiving, self.plan_kw)
        return [Call(freeze_node, *given, by_world=True)]

    # -- the ablation without plan error -------------------------------------------------------------------------

    def take_perfect(self, mask: Array, kw: Array) -> None:
        """Take the node's power without commands, float64 (n_world, n_sample), kW, as the plan."""
        self.perfect_kw[mask] = kw[mask]
        means = kw.reshape(len(kw), self.plan_kw.shape[1], -1).mean(axis=2)
        self.plan_kw[mask] = means[mask]

    def show_perfect(self, t_s: Array) -> None:
        """Show the twin's power in the last sample as the plan of the running block."""
        w, n = np.arange(len(t_s)), self.perfect_kw.shape[1]
        last = np.clip((t_s // self.sample_s).astype(np.int64) - 1, 0, n - 1)
        block = np.minimum(t_s // BLOCK_S, self.plan_kw.shape[1] - 1).astype(np.int64)
        self.shown_kw[:] = self.plan_kw
        self.shown_kw[w, block] = self.perfect_kw[w, last]

    def copy(self) -> Any:
        """Return copies of the arrays that a twin's run changes."""
        return {name: array.copy() for name, array in self.arrays().items()}


@kernel
def add_node(w0, w1, n_shard, active, cell_weight, power, site_net, receiving, sum_kw):  # type: ignore[no-untyped-def]
    """Add a tick's metered and true power of a node to the open sample.

    Parameters
    ----------
    cell_weight : float64 (n_cell,)
        Part of each cell that the node holds.
    power : float64 (S, n_cell, POWER.N); site_net : float64 (S, POWER.N)
    receiving : bool
        Metered at the homes' receiving points, not at the devices.
    sum_kw : float64 (n_world, POWER.N)
    """
    for w in range(w0, w1):
        if active[w]:
            for r in range(metering.POWER.N):
                total = 0.0
                for s in range(w * n_shard, (w + 1) * n_shard):
                    if receiving:
                        total += site_net[s, r]
                    else:
                        for c in range(power.shape[1]):
                            total += power[s, c, r] * cell_weight[c]
                sum_kw[w, r] += total


@kernel
def close_sample(  # type: ignore[no-untyped-def]
    w0, w1, active, t_s, sample_s, sum_kw, n_tick, plan, perfect_kw, perfect, per_block, ends, number, true_kw,
    metered_kw, plan_kw,
):  # fmt: skip
    """Mark the worlds whose sample has just ended and hand out its means.

    Parameters
    ----------
    plan : float64 (n_world, n_block); perfect_kw : float64 (n_world, n_sample)
        The plan, or the sample-wise one of the ablation, which counts where ``perfect``.
    per_block : int
        Samples of a block.
    ends : bool (n_world,); number : int64; true_kw, metered_kw, plan_kw : float64 (n_world,)
        Out.
    """
    for w in range(w0, w1):
        t = int(t_s[w])
        ends[w] = active[w] and t % sample_s == 0
        if not ends[w]:
            continue
        k = t // sample_s - 1
        number[w] = k
        true_kw[w] = sum_kw[w, metering.POWER.TRUE_KW] / n_tick
        metered_kw[w] = sum_kw[w, metering.POWER.METERED_KW] / n_tick
        sum_kw[w, metering.POWER.TRUE_KW], sum_kw[w, metering.POWER.METERED_KW] = 0.0, 0.0
        if perfect:
            plan_kw[w] = perfect_kw[w, min(k, perfect_kw.shape[1] - 1)]
        else:
            plan_kw[w] = plan[w, min(k // per_block, plan.shape[1] - 1)]


@kernel
def freeze_node(w0, w1, ends, t_s, leaf_weight, plan_leaf_kw, house_kw, receiving, plan_kw):  # type: ignore[no-untyped-def]
    """Write a node's plan of the block two ahead where a block ``ends``: its leaves' parts, and the homes'.

    Parameters
    ----------
    w0, w1 : int
        Range of worlds.
    ends : bool (n_world,); t_s : float64 (n_world,)
    leaf_weight : float64 (n_leaf,)
    plan_leaf_kw : float64 (n_world, n_block, n_leaf); house_kw : float64 (n_world, n_block)
        Plans of the leaves; of the homes' own load and PV, counted where ``receiving``.
    receiving : bool
        Metered at the homes' receiving points.
    plan_kw : float64 (n_world, n_block)
        Updated.
    """
    for w in range(w0, w1):
        ahead = int(t_s[w]) // BLOCK_S + 2
        if ends[w] and ahead < plan_kw.shape[1]:
            total = 0.0
            for j in range(leaf_weight.shape[0]):
                total += plan_leaf_kw[w, ahead, j] * leaf_weight[j]
            plan_kw[w, ahead] = total + (house_kw[w, ahead] if receiving else 0.0)
