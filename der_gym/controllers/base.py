"""The common part of controllers: the protocol, the public facts that they are bound to, settings, exact helpers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from der_gym.core.errors import InputError
from der_gym.core.registry import Registry
from der_gym.devices import with_trait
from der_gym.env.observation.layout import Layout
from der_gym.network import tables as net
from der_gym.network.channels import ChannelConfig
from der_gym.scenario.model import Scenario
from der_gym.scenario.validation import explain
from der_gym.simulation.network_runtime import NetworkRuntime
from der_gym.simulation.simulator import Simulator

Array = np.ndarray
State = dict[str, Array]
RAMP_S = 4.0  # dead time and ramp of a median store [M]; here for all classes
_GRID = (np.arange(64) + 0.5) / 64


class ControllerConfig(BaseModel):
    """Base of the controllers' settings: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    search: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Field -> range that tuning searches."""
    search_leaves: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """Field with parts by control leaf, 1 where a leaf is not named -> range of a part that tuning searches."""


@dataclass(frozen=True)
class PublicInfo:
    """The aggregator's knowledge before the first decision: contracts, data sheets, commissioning tests.

    Attributes
    ----------
    decision_s : float
        Time between two decisions.
    band_share : float
        Half width of the tolerance, share of the award.
    n_block : int
        Awarded blocks of an episode.
    keeps_plan : bool
        Whether the service's target holds in every half hour, not in committed ones alone.
    leaf_class : tuple of str
        Device class behind each leaf; several are joined by ``+``.
    way_p95_s : float64 (n_leaf,)
        Time by which 95 % of a leaf's devices have a message.
    interval_s, hold_s : float64 (n_leaf,)
        Least time between two messages; how long a message is held.
    change_share : float
        A fraction that moves by no more than this is not sent.
    arrived : float64 (n_leaf, n_lag)
        Share of a leaf's devices that act on a message, mean over the decision step that begins ``k`` decisions after
        it was sent; the last entry is 1.
    shown : float64 (n_leaf, n_lag)
        Share whose telemetry shows it ``k + 1`` decisions after it was sent; the last entry is 1.
    report_s : float64 (n_leaf,)
        Mean age of the last report of a device that reports.
    obeys : bool (n_leaf,)
        Leaves whose contract takes commands; the others hear offers alone.
    """

    decision_s: float
    band_share: float
    n_block: int
    keeps_plan: bool
    leaf_class: tuple[str, ...]
    way_p95_s: Array
    interval_s: Array
    hold_s: Array
    change_share: float
    arrived: Array
    shown: Array
    report_s: Array
    obeys: Array

    @property
    def stores(self) -> Array:
        """Return which leaves hold stores alone: planned at standby and set continuously, bool (n_leaf,)."""
        stores = with_trait("standby_in_award")
        return np.array([all(part in stores for part in name.split("+")) for name in self.leaf_class])

    def holding(self, trait: str) -> Array:
        """Return which leaves hold a class with a trait, bool (n_leaf,)."""
        having = with_trait(trait)
        return np.array([any(part in having for part in name.split("+")) for name in self.leaf_class])


class HasWorlds(Protocol):
    """The input of :func:`public_info`: the worlds behind an environment (``env.unwrapped.worlds``)."""

    scenario: Scenario
    simulator: Simulator


def public_info(worlds: HasWorlds, service: str | None = None) -> PublicInfo:
    """Return the public facts of ``worlds``, as one service (default: the first) and the leaves of its node see them.

    Known error: arrival and telemetry of a leaf are the means over its channels by cell, links and outages aside; a
    device's own answer counts as 4 s for all classes.
    """
    scenario, sim = worlds.scenario, worlds.simulator
    session = next((each for each in sim.market.sessions if each.id == service), sim.market.primary)
    leaves = [int(j) for j in (np.flatnonzero(session.leaf_weight > 0) if service else range(sim.structure.n_leaf))]
    st, network, step_s = sim.structure, sim.network, float(scenario.decision_s)
    n_lag = max(2, int(np.ceil(max(_longest_s(p) for p in network.paths[: st.n_cell]) / step_s)) + 1)
    own = [[int(c) for c in np.flatnonzero(st.cell_leaf == j)] for j in leaves]
    return PublicInfo(
        decision_s=step_s,
        band_share=session.service.band_share,
        n_block=scenario.episode.n_block,
        keeps_plan=session.service.keeps_plan,
        leaf_class=tuple("+".join(sorted({st.class_names[k] for k in st.cell_class[cells]})) for cells in own),
        way_p95_s=network.gate[leaves, net.GATE.ON_WAY_S].copy(),
        interval_s=network.gate[leaves, net.GATE.INTERVAL_S].copy(),
        hold_s=network.gate[leaves, net.GATE.HOLD_S].copy(),
        change_share=scenario.network.change_share,
        arrived=np.stack([np.mean([_arrived(network, c, step_s, n_lag) for c in cells], axis=0) for cells in own]),
        shown=np.stack([np.mean([_shown(network, c, step_s, n_lag) for c in cells], axis=0) for cells in own]),
        report_s=np.array([np.mean([_report_s(network.paths[c]) for c in cells]) for cells in own]),
        obeys=np.array(scenario.obeying(st.leaf_names), dtype=bool)[leaves],
    )


def _longest_s(path: ChannelConfig) -> float:
    return path.longest_poll_s + path.telemetry_s + path.telemetry_delay_s + path.quantile(0.95) + RAMP_S


def _report_s(path: ChannelConfig) -> float:
    return path.telemetry_s / 2.0 / (1.0 - path.telemetry_loss_share) + path.telemetry_delay_s


def _ways(network: NetworkRuntime, cell: int) -> list[tuple[Array, float]]:
    """Return (times from sending to acting on a grid of quantiles, weight) for each poll period of a cell's path."""
    path = network.paths[cell]
    latency = np.quantile(network.table[cell].astype(np.float64), _GRID) + RAMP_S
    waits = [(_GRID * t, s) for t, s in zip(path.poll_s, path.poll_share, strict=True)] or [(np.zeros(1), 1.0)]
    weight = sum(s for _, s in waits)
    return [(np.add.outer(latency, wait).ravel(), s / weight) for wait, s in waits]


def _arrived(network: NetworkRuntime, cell: int, step_s: float, n_lag: int) -> Array:
    ends = (np.arange(n_lag) + 1) * step_s
    share = np.zeros(n_lag)
    for way, weight in _ways(network, cell):
        share += weight * np.clip((ends[:, None] - way) / step_s, 0.0, 1.0).mean(axis=1)
    return _whole(share)


def _shown(network: NetworkRuntime, cell: int, step_s: float, n_lag: int) -> Array:
    path = network.paths[cell]
    report = _GRID * path.telemetry_s + path.telemetry_delay_s
    ends = (np.arange(n_lag) + 1) * step_s
    share = np.zeros(n_lag)
    for way, weight in _ways(network, cell):
        seen = np.sort(np.add.outer(way, report).ravel())
        share += weight * np.searchsorted(seen, ends, side="right") / seen.size
    return _whole(share)


def _whole(share: Array) -> Array:
    share[-1] = 1.0
    return share


class Controller(Protocol):
    """A controller: bound once, then asked for a batch of actions at each decision.

    Attributes
    ----------
    name, title : str
    needs : str
        ``"observation"``, or ``"truth"`` for one that only an evaluation may hand the simulator to.
    config_class : type
        Its settings.

    A controller with ``acts_in_box = True`` returns whole actions, in the Box of the scenario's heads and unit; others
    return fractions of leaves.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[Literal["observation", "truth"]]
    config_class: ClassVar[type[ControllerConfig]]

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Learn the layout and the public facts; called once before ``predict``.

        Parameters
        ----------
        layout : Layout
            Places and units of observation and action.
        public : PublicInfo
            What an aggregator knows of the scenario beforehand.
        """

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """Return actions and the next memory.

        Parameters
        ----------
        obs : float32 (n, size)
        state : dict of arrays with leading axis n, or None
            What the last call returned; None at first. Never changed in place.
        episode_start : bool (n,)
            Rows whose memory starts anew.

        Returns
        -------
        action : float32 (n, n_leaf)
            Fractions in -1..1. A row depends on no other row, to the bit.
        state : dict of arrays
        """


class Rule:
    """The common part of the shipped rules: their settings, layout and public facts."""

    name: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[Literal["observation", "truth"]] = "observation"
    config_class: ClassVar[type[ControllerConfig]] = ControllerConfig
    per_service: ClassVar[bool] = True  # knows one target: several services take a copy each
    plays: ClassVar[tuple[str, ...]] = ("dispatch", "both")  # kinds of ``control`` of the scenarios that it can play

    def __init__(self, config: Any = None) -> None:
        self.config: Any = self.config_class() if config is None else config

    def bind(self, layout: Layout, public: PublicInfo) -> None:
        """Keep the layout and the facts.

        Arguments are those of `Controller`.
        """
        self.layout, self.public = layout, public

    def predict(self, obs: Array, state: State | None, episode_start: Array) -> tuple[Array, State]:
        """See :class:`Controller`."""
        raise NotImplementedError

    def read(self, obs: Array, *names: str) -> list[Array]:
        """Return fields in their own units, float64."""
        return [np.ascontiguousarray(self.layout.decode(obs, name)) for name in names]


def _is_rule(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, Rule)


CONTROLLERS: Registry[type[Rule]] = Registry("controller", "der_gym.controllers", _is_rule, "a subclass of Rule")


def settings(name: str, values: Mapping[str, Any]) -> ControllerConfig:
    """Return the validated settings of a controller; InputError names the first wrong key or value.

    Parameters
    ----------
    name : str
        Of a registered controller.
    values : mapping
        Setting -> value; what is left out keeps its default.
    """
    model = CONTROLLERS[name].config_class
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"controller {name}: {explain(error, model)}") from None


def fresh(state: State | None, start: Array, like: Mapping[str, Array]) -> State:
    """Return ``state`` with the rows of ``start`` as in ``like``; a copy of ``like`` where there is no state."""
    if state is None:
        return {name: array.copy() for name, array in like.items()}
    out = {}
    for name, array in like.items():
        keep = ~start.reshape(-1, *[1] * (array.ndim - 1))
        out[name] = np.where(keep, state[name], array)
    return out
