"""Data of an episode's page beside the trace: reports with their age, stored energy, every message."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import TracebackType

import numpy as np

from der_gym.core.errors import InputError
from der_gym.engine.tables import CAPABILITY
from der_gym.env.worlds import Worlds
from der_gym.evaluation.recorder import MINUTE_S, Recorder
from der_gym.evaluation.report.mail import Message, Messages
from der_gym.simulation import aggregator_view, metering
from der_gym.simulation.representative_fleet import units

Array = np.ndarray


@dataclass
class Detail:
    """One episode from within; kW and kWh, one row per minute.

    Attributes
    ----------
    leaf_names, class_names, leaf_class : tuple of str
        Leaves of the control tree; device classes; the class of most of a leaf's devices.
    unit, nominal_kw : (n_leaf,)
        Devices and rated swing of each leaf.
    request_kw : (n_bin,)
        The market's request, one per 5 minutes.
    leaf_kw : (n_minute, n_leaf)
        True power, mean over the minute.
    seen_kw, age_s, silent_share : (n_minute, n_leaf)
        By the telemetry at hand when the minute began: power; age of the reports weighted by rated kW; greatest age.
    stored_kwh : (n_minute, n_class)
        Energy that upward response can draw on, measured every 5 minutes.
    messages : list of Message
        Those of dispatch.
    other_messages : dict of str to list of Message
        Those of every other stream, by its kind.
    requests : dict of str to (n_bin,)
        Service id -> its request.
    """

    leaf_names: tuple[str, ...]
    class_names: tuple[str, ...]
    leaf_class: tuple[str, ...]
    unit: Array
    nominal_kw: Array
    request_kw: Array
    leaf_kw: Array
    seen_kw: Array
    age_s: Array
    silent_share: Array
    stored_kwh: Array
    messages: list[Message] = field(default_factory=list)
    other_messages: dict[str, list[Message]] = field(default_factory=dict)
    requests: dict[str, Array] = field(default_factory=dict)

    def told(self, service: str) -> Detail:
        """Return the same, told of a service: its request.

        Parameters
        ----------
        service : str
            Id of one of ``requests``.
        """
        return replace(self, request_kw=self.requests[service])


class DetailRecorder(Recorder):
    """A recorder of one world that also fills a :class:`Detail`.

    Raises
    ------
    InputError
        For more than one world.
    """

    def __init__(self, worlds: Worlds) -> None:
        super().__init__(worlds)
        if worlds.n_world != 1:
            raise InputError(f"report of an episode: {worlds.n_world} worlds; allowed: 1")
        self.detail = _empty(worlds, self.trace.plan_kw.shape[1])
        self._messages = Messages(self.sim.structure, self.sim.network)
        self.detail.messages, self.detail.other_messages = self._messages.sent, self._messages.others
        self._t_s = 0.0

    def __enter__(self) -> DetailRecorder:
        super().__enter__()
        self.sim.on_tick.append(self._listen)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sim.on_tick.remove(self._listen)
        super().__exit__(kind, error, at)

    def before(self, action: Array) -> None:
        """Note what is seen, how old it is, and what is stored when a decision is taken."""
        if self._minutes.stop:  # what was stored stays on show until the next capability
            self.detail.stored_kwh[self._minutes.stop :] = self.detail.stored_kwh[self._minutes.stop - 1]
        super().before(action)
        self._t_s = float(self.sim.fleet.t_s[0])
        seen = self.sim.view.leaf[0]
        columns = (
            ("seen_kw", aggregator_view.LEAF.SEEN_KW),
            ("age_s", aggregator_view.LEAF.AGE_MEAN_S),
            ("silent_share", aggregator_view.LEAF.SILENT_SHARE),
        )
        for name, column in columns:
            getattr(self.detail, name)[self._minutes] = seen[:, column]

    def after(self) -> None:
        """Note what each leaf drew, and the messages that went out."""
        super().after()
        self._messages.collect(self._t_s, self.sim.fleet.fleet)

    def _listen(self) -> None:
        """Add a tick to the minute's mean of each leaf; the clock stands at the tick's end."""
        dt = self.worlds.scenario.tick_s
        minute = int(self.sim.fleet.t_s[0] - dt) // MINUTE_S
        leaves = self._leaves(self.sim.meters.power[:, :, metering.POWER.TRUE_KW])[0]
        self.detail.leaf_kw[minute] += leaves * (dt / MINUTE_S)

    def _capability(self, minutes: slice) -> None:
        super()._capability(minutes)
        held, st = self.capability[:, :, CAPABILITY.STORED_KWH].sum(axis=0), self.sim.structure
        for k, name in enumerate(self.detail.class_names):
            self.detail.stored_kwh[minutes, k] = held[st.cell_class == st.class_names.index(name)].sum()


def _empty(worlds: Worlds, n_minute: int) -> Detail:
    sim, layout = worlds.simulator, worlds.layout
    st = sim.structure
    n_leaf, n_class = layout.n_leaf, len(st.class_slice)
    unit = np.bincount(st.cell_leaf, units(st), minlength=n_leaf)
    most = [max(np.flatnonzero(st.cell_leaf == j), key=lambda c: units(st)[c]) for j in range(n_leaf)]
    return Detail(
        leaf_names=layout.leaf_names,
        class_names=tuple(st.class_slice),
        leaf_class=tuple(st.class_names[st.cell_class[c]] for c in most),
        unit=unit,
        nominal_kw=layout.nominal_kw.copy(),
        request_kw=sim.market.primary.service.request_kw[0].copy(),
        leaf_kw=np.zeros((n_minute, n_leaf)),
        seen_kw=np.zeros((n_minute, n_leaf)),
        age_s=np.zeros((n_minute, n_leaf)),
        silent_share=np.zeros((n_minute, n_leaf)),
        stored_kwh=np.zeros((n_minute, n_class)),
        requests={session.id: session.service.request_kw[0].copy() for session in sim.market.sessions},
    )
