"""The market session: the services of a scenario on their nodes, their plans, and one statement of yen."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from der_gym.core.errors import unknown
from der_gym.core.heads import PLAN
from der_gym.core.units import BLOCK_S, HOUR_S, SLOT_PER_DAY
from der_gym.devices import DEVICES
from der_gym.engine.compile import kernel
from der_gym.engine.program import Call, where_due
from der_gym.fleet.structure import Structure
from der_gym.scenario.model import Scenario
from der_gym.services import SERVICES
from der_gym.services.base import Opening, Scope
from der_gym.services.costs import standby_yen
from der_gym.signals import request
from der_gym.signals.table import SignalTable
from der_gym.simulation import fleet_ledger
from der_gym.simulation.claims import leaf_weights
from der_gym.simulation.episode import Episode
from der_gym.simulation.fleet_arrays import Fleet
from der_gym.simulation.fleet_ledger import FleetLedger
from der_gym.simulation.ledger import FLEET, Ledger
from der_gym.simulation.meters import Meters
from der_gym.simulation.plan_model import PlanModel
from der_gym.simulation.planner import Planner
from der_gym.simulation.reference_days import Pool
from der_gym.simulation.representative_fleet import Sample, units
from der_gym.simulation.service_session import ServiceSession

Array = np.ndarray


def _table_notes(scenario: Scenario) -> list[str]:
    """Return a line for each service whose award is from a table that was made for other homes than one's own list."""
    if scenario.resources is None:
        return []
    own = Path(scenario.resources).name
    return [
        f"{config.id}: the award is a table's per 1,000 devices, made for other homes than those of {own}; "
        f"services.{config.id}.award: {{mode: firm}} works it out for this list"
        for config in scenario.services
        if getattr(config, "award", 0) is None and getattr(config, "award_kw", None) is None
    ]


class MarketSession:
    """Services, plans and ledgers of ``n_world`` worlds.

    Parameters
    ----------
    scenario : Scenario
    structure : Structure
    signals : SignalTable
    pool : Pool
    n_world : int
    sample : Sample
        How the fleet of the reference days represents this one.
    nominal_kw : float64 (n_leaf,)
        Rated swing of the leaves.
    model : PlanModel, optional
        Weights of the plan.

    Attributes
    ----------
    episode : Episode
    planner : Planner
    sessions : list of ServiceSession
        In the order of the scenario.
    fleet_ledger, ledger
        The fleet's own lines; the statement of all.
    shown : int
        Number of the service that pictures and reports tell of; see `show`.
    standby_yen : float64 (n_world,)
        What standby costs owners on the mean of the days before.
    """

    def __init__(
        self, scenario: Scenario, structure: Structure, signals: SignalTable, pool: Pool, n_world: int, sample: Sample,
        nominal_kw: Array, model: PlanModel | None = None,
    ) -> None:  # fmt: skip
        self.scenario, self.structure, self.pool = scenario, structure, pool
        self.notes = [*signals.notes, *_table_notes(scenario)]  # what was done to the user's files, a line each
        self.n_block = scenario.episode.n_block + scenario.episode.n_block_after
        self.receiving = any(config.metering == "receiving" for config in scenario.services)
        self.episode = Episode(scenario, signals, n_world, len(pool.keys))
        sample_of = (self.episode, structure, pool, sample, self.n_block, self.receiving)
        given = (*sample_of, self._standby_share(structure), nominal_kw, model)
        moved = any(head.kind == PLAN for head in scenario.heads())
        self.planner = Planner(scenario.plan, *given, moved=moved, offered=scenario.offers is not None)
        self.planner.silent[:] = self._silent()
        weights = leaf_weights(structure, scenario.services)
        self.sessions = [self._session(config, n_world, weights[config.id]) for config in scenario.services]
        self.shown = 0
        holds = np.array([(s.leaf_weight[self.planner.standby_leaf] > 0).any() for s in self.sessions])
        self._holds_stores = holds
        registers = fleet_ledger.booked(DEVICES[name] for name in structure.class_names)
        fees = np.array([scenario.network.fee_yen_month(structure.path_names[k]) for k in structure.cell_path])
        maker_yen = fleet_ledger.interface_yen(scenario.costs, units(structure), fees)
        offers, costs = scenario.offers, scenario.costs_booked
        self.fleet_ledger = FleetLedger(costs, n_world, self.n_block, maker_yen, registers, holds, offers)
        self.ledger = self._ledger(n_world)
        self.standby_yen = np.zeros(n_world)

    def _standby_share(self, structure: Structure) -> Array:
        """Return the expected share of each cell's devices that stand by in committed blocks, float64 (n_cell,)."""
        given = self.scenario.devices.behaviour.opt_out_share  # type: ignore[attr-defined]
        found, obeys = np.zeros(structure.n_cell), self.scenario.obeying(structure.leaf_names)
        for c, name in enumerate(structure.class_names[k] for k in structure.cell_class):
            traits = DEVICES[name].traits
            if traits.standby_in_award and obeys[structure.cell_leaf[c]]:
                found[c] = self.scenario.network.standby_share(given.get(name, traits.opt_out_share))
        return found

    def _silent(self) -> Array:
        """Return the expected part of each leaf's plan of homes that cannot report: see `publish_service`."""
        unheard, fold = 1.0 - self.scenario.network.reached_share(), self.planner.fold
        of_rest = np.minimum(unheard / np.maximum(1.0 - self.planner.standby_share, 1e-9), 1.0)
        standing: Array = of_rest @ fold / np.maximum(fold.sum(axis=0), 1.0)
        return np.stack([np.full(len(standing), unheard), standing], axis=1)

    def _session(self, config: Any, n_world: int, weight: Array) -> ServiceSession:
        st = self.structure
        each = np.array([st.present[:, lo:hi].sum() for lo, hi in zip(st.cell_lo, st.cell_hi, strict=True)])
        n_device = round(float(each @ weight[st.cell_leaf]))
        scope = Scope(n_world, self.n_block, self.scenario.episode.n_block, n_device)
        service, perfect = SERVICES[config.name](config, scope), self.scenario.plan.method == "perfect"
        return ServiceSession(service, self.planner, weight, self.scenario.tick_s, perfect)

    def _ledger(self, n_world: int) -> Ledger:
        parts = {s.id: (tuple(s.service.LINES), s.service.ledger_yen) for s in self.sessions}
        parts[FLEET] = (self.fleet_ledger.lines, self.fleet_ledger.ledger_yen)
        deferred = [(s.id, line) for s in self.sessions for line in s.service.deferred]
        return Ledger(parts, deferred, n_world)

    @property
    def primary(self) -> ServiceSession:
        """Return the service that a picture and a report tell of: the scenario's first, or the one of `show`."""
        return self.sessions[self.shown]

    def show(self, service: str) -> None:
        """Let pictures and reports tell of a service, by its id; InputError names the nearest one."""
        known = [session.id for session in self.sessions]
        if service not in known:
            raise unknown("service", service, known)
        self.shown = known.index(service)

    @property
    def n_own(self) -> int:
        """Return the number of the services' own fields."""
        return sum(session.service.FIELDS.N for session in self.sessions)

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        parts: tuple[Any, ...] = (self.episode, self.planner, *self.sessions, self.fleet_ledger, self.ledger)
        every = {name: array for part in parts for name, array in part.arrays().items()}
        return every | {"market.standby_yen": self.standby_yen}

    def choose(self, w: int, generator: np.random.Generator, options: Mapping[str, Any]) -> None:
        """Choose the episode of world ``w``; always the same number of draws.

        Parameters
        ----------
        w : int
            World.
        generator : Generator
            The world's own.
        options : mapping
            Options of the reset.
        """
        self.episode.choose(w, generator, options)
        for session in self.sessions:
            session.service.choose(w, generator)

    def begin(self, mask: Array, generators: list[np.random.Generator], keys: Array) -> None:
        """Draw commitments and requests, look up the signals and forecast the plan for the worlds in ``mask``.

        Parameters
        ----------
        mask : bool (n_world,)
        generators : list of Generator
            Of each world of the mask, in order.
        keys : uint32 (n_world, 4)
        """
        which = np.flatnonzero(mask)
        self.episode.begin(mask)
        for session in self.sessions:
            session.service.draw(self._opening(session, mask, which, generators, keys))
        self.planner.begin(mask)
        self.planner.forecast(which, self._standing_leaves())
        for session in self.sessions:
            session.begin(mask)
        self.fleet_ledger.begin(mask, self.episode.start_h * (SLOT_PER_DAY // 24), self._standby_messages())
        self.standby_yen[which] = self._standby_yen(which)
        self.ledger.yen[mask] = 0.0

    def _note(self, line: str) -> None:
        """Warn once of what was done to the user's files."""
        if line not in self.notes:
            self.notes.append(line)
            warnings.warn(line, stacklevel=2)

    def _standby_messages(self) -> Array:
        """Return the messages to units that tell stores to stand by, one at the start of each window, (n_world,)."""
        if self.scenario.network.standby == "preloaded":
            return np.zeros(len(self.standby_yen))
        standing = self.planner.standing
        begins = standing & ~np.pad(standing, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        stores = (units(self.structure) * self.planner.standby_cell) @ self.planner.fold
        sent: Array = begins.sum(axis=1) @ stores
        return sent

    def _standing_leaves(self) -> Array:
        """Return where leaves stand by for a service, bool (n_world, n_block, n_leaf)."""
        found = np.zeros((len(self.standby_yen), self.n_block, self.structure.n_leaf), dtype=bool)
        for session in self.sessions:
            found |= session.service.standing()[:, :, None] & (session.leaf_weight > 0)
        return found

    def yardstick_yen(self, mask: Array) -> Array:
        """Return the yen of a group that follows every request exactly, (n,): the unit of the reward's money.

        It is the sum over the services, less what standby costs owners on the mean of the days before; half of the
        sum at least, so that a reserve that does not pay for its standby still has a unit.
        """
        each = [session.service.yardstick_yen(mask, self.scenario.costs) for session in self.sessions]
        total = np.sum(each, axis=0)
        yen: Array = np.maximum(total - self.standby_yen[mask], total / 2)
        return yen

    def _standby_yen(self, which: Array) -> Array:
        """Return what standby costs the owners of stores if the episode is as the mean of the days before, (n,)."""
        if not self.planner.standing[which].any():
            return np.zeros(len(which))
        power, _, _ = self.planner.history(which)
        cells = self.planner.sample.scale[: self.structure.n_cell] * self.planner.standby_cell
        first = self.episode.start_h[which, None] * (SLOT_PER_DAY // 24)
        slot = (first + np.arange(self.n_block)) % SLOT_PER_DAY
        mean = power.mean(axis=1, dtype=np.float64)[np.arange(len(which))[:, None], slot, : len(cells)]
        stands = self.planner.standing[which][:, :, self.structure.cell_leaf]
        own_kw = (mean * stands) @ cells
        return standby_yen(self.fleet_ledger.costs, own_kw, self.fleet_ledger.retail_yen[which])

    def _opening(
        self, session: ServiceSession, mask: Array, which: Array, generators: list[np.random.Generator], keys: Array
    ) -> Opening:
        e, service = self.episode, session.service
        own = zlib.crc32(session.id.encode())
        luck = generators if service.worlds_luck else [np.random.default_rng([own, *keys[w, 2:]]) for w in which]
        path = self.scenario.signals.request
        sign = self.scenario.signals.request_sign
        asked = (
            None if path is None else request.OwnRequest(str(path), request.load_request(str(path), sign), self._note)
        )
        history, weekend = self._history(session, mask, which)
        given = (e.day0, e.start_abs_s(), e.kinds, e.window, history, weekend, luck, asked)
        return Opening(mask, which, e.start_h, e.kinds[:, 0, 1], *given)

    def _history(self, session: ServiceSession, mask: Array, which: Array) -> tuple[Array, Array]:
        """Return the node's half-hour means and the weekends of the ten days before, (n_world, n_day, 48) and so on."""
        if not (session.service.own_baseline or session.service.reads_history):
            return np.zeros((len(mask), 0, SLOT_PER_DAY)), np.zeros((len(mask), 0), dtype=bool)
        power, _, weekend = self.planner.history(which)
        scale = self.planner.sample.scale.copy()
        stands = self.planner.standby_cell & session.service.stands_by  # what stores drew before says nothing of then
        scale[: self.structure.n_cell] *= session.cell_weight * ~stands
        scale[self.structure.n_cell :] *= (1.0, -1.0) if session.receiving else 0.0  # the homes' load less their PV
        means = np.zeros((len(mask), power.shape[1], SLOT_PER_DAY))
        means[which] = power.astype(np.float64) @ scale
        ends = np.zeros((len(mask), power.shape[1]), dtype=bool)
        ends[which] = weekend
        return means, ends

    # -- calls of a step ------------------------------------------------------------------------------------------

    def settling(self, active: Array, t_s: Array) -> list[Call]:
        """Return the calls that settle the samples of the services that have ended.

        Parameters
        ----------
        active : bool (n_world,)
        t_s : float64 (n_world,)
            Seconds of the episode.
        """
        return [call for session in self.sessions for call in session.settling(active, t_s)]

    def booking(self, active: Array, t_s: Array, ends: Array, sender: Array, gate: Array) -> list[Call]:
        """Return the calls that book the fleet's half hour where one ``ends``, and write the statement.

        Parameters
        ----------
        active : bool (n_world,)
        t_s : float64 (n_world,)
            Seconds of the episode.
        ends : bool (n_world,)
        sender, gate
            State and rules of the lanes; see `network.tables`.
        """
        outside = [(s.service.outside_kwh, s.service.outside_yen_kwh) for s in self.sessions]
        booked = self.fleet_ledger.booking(ends, t_s, sender, gate, outside)
        return [*where_due(ends, [*booked, *self._booking_plan(ends, t_s)]), *self.ledger.collecting(active)]

    def _booking_plan(self, ends: Array, t_s: Array) -> list[Call]:
        """Return the call that books what a controller's corrections of the plan cost; none without their head."""
        p, session = self.planner, self.sessions[0]
        terms = session.service.bound_terms()
        if p.correction is None or terms is None:
            return []
        price = terms.energy_yen_kwh * self.scenario.action.plan_price
        own = (p.added_kw, session.leaf_weight, session.service.award_kw, terms.imbalance_yen_kwh, price)
        line = session.service.LINES.number("imbalance")
        return [Call(book_correction, ends, t_s, *own, line, session.service.ledger_yen, by_world=True)]

    def freezing(self, ends: Array, fleet: Fleet, meters: Meters) -> list[Call]:
        """Return the calls that fix plans in the worlds whose block has just ended.

        Parameters
        ----------
        ends : bool (n_world,)
        fleet, meters : Fleet, Meters
            Clock and reports; the aggregator's sums.
        """
        nodes = [call for session in self.sessions for call in session.freezing(ends, fleet.t_s)]
        return where_due(ends, [*self.planner.freezing(ends, fleet, meters), *nodes])


@kernel
def book_correction(  # type: ignore[no-untyped-def]
    w0, w1, ends, t_s, added_kw, leaf_weight, award_kw, imbalance_yen_kwh, price_yen_kwh, line, ledger_yen
):
    """Book the energy that a controller has added to the plan of the half hour that has just ended.

    It is bought at the imbalance price, which pays it back as deviation: the sum is 0. In an award it is bought at no
    less than ``price_yen_kwh``, for it counts as reserve energy that no home gives; what was taken off earns nothing.

    Parameters
    ----------
    ends : bool (n_world,); t_s : float64 (n_world,)
    added_kw : float64 (n_world, n_block, n_leaf); leaf_weight : float64 (n_leaf,)
    award_kw, imbalance_yen_kwh : float64 (n_world, n_block)
    price_yen_kwh : float
    line : int
    ledger_yen : float64 (n_world, n_line)
        Updated.
    """
    for w in range(w0, w1):
        b = int(t_s[w]) // BLOCK_S - 1
        if ends[w] and 0 <= b < added_kw.shape[1]:
            kwh = 0.0
            for j in range(leaf_weight.shape[0]):
                kwh += added_kw[w, b, j] * leaf_weight[j] * (BLOCK_S / HOUR_S)
            price = imbalance_yen_kwh[w, b]
            if award_kw[w, b] > 0.0:
                price, kwh = max(price, price_yen_kwh), max(kwh, 0.0)
            ledger_yen[w, line] -= kwh * price
