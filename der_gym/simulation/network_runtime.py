"""The network: every leaf's messages on their way out and every device's reports on their way back."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np

from der_gym.core.errors import InputError
from der_gym.core.units import DAY_S
from der_gym.engine.program import Call
from der_gym.engine.tables import FLEET
from der_gym.fleet.structure import Structure
from der_gym.network import outages
from der_gym.network import tables as net
from der_gym.network.arrive import post
from der_gym.network.channels import ChannelConfig
from der_gym.network.config import NetworkConfig
from der_gym.network.deliver import deliver, hand_over, retire
from der_gym.network.report import draw_phases, report
from der_gym.network.send import refill, send
from der_gym.network.standby import stand_by
from der_gym.network.streams import DISPATCH, MessageStream
from der_gym.simulation.representative_fleet import units

Array = np.ndarray
LONGEST_RING = 64
DEAD_S = 1500.0  # longest dead time in the ring: the slowest firmware takes 20 min, a median and its spread come on top


def path_row(path: ChannelConfig) -> list[float]:
    """Return a path's constants in the order of ``network.rows``."""
    polls = (*path.poll_s, 0.0, 0.0)[:2]
    share = path.poll_share[0] / sum(path.poll_share) if path.poll_share else 1.0
    second = polls[1] if len(path.poll_s) > 1 else polls[0]
    period_s = max(path.telemetry_s, path.telemetry_delay_s)  # a report waits until the last one has come
    telemetry = (period_s, path.telemetry_delay_s, path.telemetry_loss_share)
    return [path.loss_share, path.missed_poll_share, polls[0], second, share, path.longest_s(), *telemetry, 0.0]


def step_s(longest_s: float) -> float:
    """Return the ring's unit of time where a message may take ``longest_s`` and its device DEAD_S: a power of two."""
    return float(2.0 ** math.ceil(math.log2((longest_s + DEAD_S) / float(net.LAST))))


def gate_rows(
    cell_lane: Array, n_unit: Array, paths: list[ChannelConfig], changes: list[tuple[float, float]], decision_s: float
) -> Array:
    """Return each lane's sending rules, float64 (n_lane, N_GATE): the strictest of its cells' paths.

    Parameters
    ----------
    cell_lane : int64 (n_cell,)
        Lane of each cell: number of its stream times the number of leaves, plus its leaf.
    n_unit : int64 (n_cell,)
        Devices of each cell.
    paths : list
        Of each cell.
    changes : list
        Of each lane: moves of the first and the second value that are not sent.
    decision_s : float
        Time between two decisions, s.
    """
    gate = np.zeros((len(changes), net.GATE.N))
    p95 = {path: path.p95_s() for path in set(paths)}
    for j, (change_a, change_b) in enumerate(changes):
        own = [paths[c] for c in np.flatnonzero(cell_lane == j)]
        interval, hold = max(p.least_interval_s for p in own), min(p.hold_s for p in own)
        way = max(p95[p] for p in own)
        gate[j, net.GATE.INTERVAL_S], gate[j, net.GATE.HOLD_S] = interval, hold
        gate[j, net.GATE.REFRESH_BEFORE_S] = min(0.5 * hold, 2 * interval + way)
        gate[j, net.GATE.QUOTA_PER_DAY] = min(p.quota_per_day for p in own)
        gate[j, net.GATE.N_UNIT] = n_unit[cell_lane == j].sum()
        gate[j, net.GATE.CHANGE], gate[j, net.GATE.CHANGE_B], gate[j, net.GATE.ON_WAY_S] = change_a, change_b, way
        gate[j, net.GATE.DEPTH] = ring_depth(own, decision_s)
    return gate


def ring_depth(paths: list[ChannelConfig], decision_s: float) -> int:
    """Return how many messages of a leaf can be under way at once.

    Parameters
    ----------
    paths : list of ChannelConfig
        Of the cells of a leaf.
    decision_s : float
        Time between two decisions, s.
    """
    depth = max(math.ceil(p.longest_s() / max(p.least_interval_s, decision_s)) + 1 for p in paths)
    if depth > LONGEST_RING:
        raise InputError(
            f"network.paths: {depth} messages of one leaf could be under way at once; allowed: {LONGEST_RING}; "
            "raise least_interval_s or shorten the latency"
        )
    return depth


class NetworkRuntime:
    """Messages and reports of ``n_world`` worlds.

    Parameters
    ----------
    structure : Structure
    config : NetworkConfig
    n_world : int
    decision_s : float
        Time between two decisions, s.
    n_day : int
        Days that an episode can touch: outages are drawn for them at its start.
    streams : sequence of MessageStream
        Kinds of messages, dispatch first. Each has a lane of its own to every leaf: lane ``k n_leaf + j`` is stream
        ``k`` to leaf ``j``, and cell ``k n_cell + c`` below is cell ``c`` of the structure under stream ``k``.

    Attributes
    ----------
    hold : float32 (S, n_row, n_place)
        The message of each stream that devices hold, see HOLD; empty with dispatch alone: then FLEET has it.
    hold_row : tuple of int
        First row of each stream in ``hold``.
    """

    def __init__(
        self,
        structure: Structure,
        config: NetworkConfig,
        n_world: int,
        decision_s: float,
        n_day: int,
        streams: Sequence[MessageStream] = (DISPATCH,),
    ) -> None:
        self.structure, self.n_world, self.n_shard, self.n_day = structure, n_world, structure.n_shard, n_day
        self.streams, self.preloaded = tuple(streams), config.standby == "preloaded"
        n_all, n_lane = n_world * self.n_shard, len(self.streams) * structure.n_leaf
        self._lay_cells(config)
        paths, n_unit = self.paths, np.tile(units(structure), len(self.streams))
        n_cell = len(paths)
        tables = {path: (path_row(path), path.table()) for path in set(paths)}
        self.path = np.array([tables[p][0] for p in paths], dtype=np.float32)
        self.table = np.array([tables[p][1] for p in paths], dtype=np.float32)
        self.service_s = np.array(
            [math.ceil(n / p.batch) / p.request_per_s for n, p in zip(n_unit, paths, strict=True)]
        )
        longest_s = self.path[:, net.CHANNEL.LONGEST_S] + self.service_s
        self.path[:, net.CHANNEL.STEP_S] = [step_s(float(t)) for t in longest_s]
        own = [(config.change_share if s.change_a is None else s.change_a, s.change_b) for s in self.streams]
        changes = [each for each in own for _ in range(structure.n_leaf)]
        self.gate = gate_rows(self.cell_lane, n_unit, paths, changes, decision_s)
        self.link_cfg, self.rates = outages.link_constants(config), outages.cloud_rates(config)
        depth = self.gate[:, net.GATE.DEPTH].astype(np.int64)
        n_slot = int(depth.max())
        room = depth[self.cell_lane] * (self._hi - self._lo)
        self.ring_lo = np.cumsum(room) - room
        self.ring = np.full((n_all, int(room.sum())), net.NEVER, dtype=np.uint16)
        self.since = np.zeros((n_world, n_cell, n_slot))
        self.coming = np.zeros((n_all, n_slot, n_cell), dtype=np.float32)
        self.mail = np.zeros((n_world, n_lane, n_slot, net.MAIL.N))
        self.leaf = np.zeros((n_world, n_lane, net.SENDER.N))
        self.cloud = np.zeros((n_world, len(self.cloud_name), net.CLOUD.N))
        self.cell_t = np.zeros((n_world, n_cell))
        self.cell_slot = np.full((n_world, n_cell), -1, dtype=np.int64)
        self.last = np.zeros((n_all, n_cell))
        self._lay_hold(n_all)
        self.phase = np.zeros(structure.uid.shape, dtype=np.uint8)
        draw_phases(structure.uid, self.phase)
        self._cells = (self._lo, self._hi, self.cell_lane)

    def _lay_cells(self, config: NetworkConfig) -> None:
        """Lay down the cells of every stream: places, lane, path, cloud and salt."""
        st, n = self.structure, len(self.streams)
        self._lo, self._hi = np.tile(st.cell_lo, n), np.tile(st.cell_hi, n)
        lanes = [st.cell_leaf + np.int64(k * st.n_leaf) for k in range(n)]
        self.cell_lane = np.concatenate(lanes).astype(st.cell_leaf.dtype)
        names, clouds = list(st.cloud_names), [st.cell_cloud]
        own = [st.path_names[k] for k in st.cell_path]
        self.paths = [config.path(name) for name in own]
        for stream in self.streams[1:]:
            self.paths += [config.path(stream.channel or name) for name in own]
            cloud = f"channel {stream.channel}"
            if stream.channel is not None and cloud not in names:
                names.append(cloud)
            clouds.append(st.cell_cloud if stream.channel is None else np.full_like(st.cell_cloud, names.index(cloud)))
        self.cell_cloud = np.concatenate(clouds)
        self.cloud_name = np.array([zlib.crc32(name.encode()) for name in names], dtype=np.uint32)
        self.salt = np.repeat(np.array([stream.salt for stream in self.streams], dtype=np.uint32), st.n_cell)

    def _lay_hold(self, n_all: int) -> None:
        """Lay down the rows that devices hold messages in: with dispatch alone those of FLEET."""
        n = len(self.streams)
        self.hold_row = (FLEET.CMD_START,) if n == 1 else (0, *(net.N_HOLD_A + k * net.HOLD.N for k in range(n - 1)))
        rows = 0 if n == 1 else net.N_HOLD_A + (n - 1) * net.HOLD.N
        self.hold = np.zeros((n_all, rows, self.structure.n_place if rows else 0), dtype=np.float32)
        self._row = np.repeat(np.array(self.hold_row, dtype=np.int64), self.structure.n_cell)
        self._later = np.zeros_like(self.coming) if rows else self.coming  # it is not read

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        names = ("ring", "since", "coming", "hold", "mail", "leaf", "cloud", "cell_t")
        return {f"network.{name}": getattr(self, name) for name in names}

    def message_rows(self) -> dict[str, tuple[int, int]]:
        """Return the rows of ``hold`` of each stream's first and second value at the tick's start."""
        names = [stream.kind for stream in self.streams]
        return {name: (row, row + net.HOLD.B_START) for name, row in zip(names, self.hold_row, strict=True)}

    def slot(self, c: int, slot: int) -> Array:
        """Return a slot of cell ``c`` in the ring, uint16 (n_all, devices of the cell): a view."""
        n = int(self._hi[c] - self._lo[c])
        lo = int(self.ring_lo[c]) + slot * n
        return self.ring[:, lo : lo + n]

    def arrivals(self, s: int, c: int, slot: int) -> Array:
        """Return when a message reaches each device of cell ``c`` in shard ``s``, float32 s of the episode."""
        since = np.float32(self.since[s // self.n_shard, c, slot])
        codes = self.slot(c, slot)[s]
        times: Array = np.where(codes == net.NEVER, net.NEVER_S, since + self.path[c, net.CHANNEL.STEP_S] * codes)
        return times.astype(np.float32)

    def begin(self, active: Array, keys: Array, abs_s: Array) -> None:
        """Empty the rings and draw the outages of the clouds for the worlds in ``active``.

        Parameters
        ----------
        active : bool (n_world,)
        keys : uint32 (n_world, 4)
        abs_s : int64 (n_world,)
            Absolute second of the start.
        """
        every = np.repeat(active, self.n_shard)
        self.ring[every] = net.NEVER
        self.coming[every] = 0.0
        self.hold[every] = 0.0
        self.mail[active] = 0.0
        self.mail[active, :, :, net.MAIL.VALID_UNTIL] = -1.0
        self.leaf[active], self.cell_t[active], self.since[active] = 0.0, 0.0, 0.0
        self.leaf[active, :, net.SENDER.SENT_S] = -DAY_S
        self.leaf[active, :, net.SENDER.SENT_UNTIL] = -1.0
        self.leaf[active, :, net.SENDER.EXPIRES_S] = net.NEVER_S
        self.leaf[active, :, net.SENDER.QUOTA] = self.gate[:, net.GATE.QUOTA_PER_DAY]
        day0 = abs_s // DAY_S
        outages.draw_clouds(
            active,
            keys,
            day0,
            (day0 * DAY_S - abs_s).astype(np.float64),
            self.n_day,
            self.cloud_name,
            self.rates,
            self.cloud,
        )

    # -- what a program calls; every one of them is made anew where an array is replaced -------------------------

    def draw_link_outages(self, due: Array, keys: Array, abs_s: Array, t_s: Array, fleet: Array) -> Call:
        """Draw the links' outages of the day that ``due`` worlds are in.

        Parameters
        ----------
        due : bool (n_world,)
        keys : uint32 (n_world, 4)
        abs_s : int64 (n_world,); t_s : float64 (n_world,)
            Absolute seconds; seconds of the episode.
        fleet : float32 (S, FLEET.N, n_place)
            LINK_DOWN_S and LINK_UP_S are written.
        """
        return Call(outages.draw_links, self.n_shard, due, keys, self.structure.uid, abs_s, t_s, self.link_cfg, fleet)

    def stand_by(self, due: Array, keys: Array, abs_s: Array, t_s: Array, standing: Array, fleet: Array) -> Call:
        """Let stores stand by that have heard of it, or no more; ``due`` worlds stand at a half hour.

        Parameters
        ----------
        due : bool (n_world,)
        keys : uint32 (n_world, 4)
        abs_s : int64 (n_world,); t_s : float64 (n_world,)
            Absolute seconds; seconds of the episode.
        standing : bool (n_world, n_block, n_leaf)
            Where leaves stand by for a service.
        fleet : float32 (S, FLEET.N, n_place)
            STANDBY is written.
        """
        st = self.structure
        cells = (st.cell_lo, st.cell_hi, st.cell_leaf, st.cell_cloud)
        who = (self.n_shard, due, keys, st.uid, abs_s, t_s, standing, self.preloaded)
        return Call(stand_by, *who, *cells, self.path[: st.n_cell], self.cloud, fleet)

    def refill_quotas(self, due: Array) -> Call:
        """Give ``due`` worlds, which are at midnight, their daily quota."""
        return Call(refill, due, self.gate, self.leaf, by_world=True)

    def send_messages(self, active: Array, t_s: Array, message: Array) -> Call:
        """Send the messages that are due; ``message`` float32 (n_world, n_lane, 3): number of the stream, a, b.

        Parameters
        ----------
        active : bool (n_world,)
        t_s : float64 (n_world,)
            Seconds of the episode.
        message : float32 (n_world, n_lane, 3)
        """
        places = (self.gate, self.cell_lane, self.cell_cloud, self.service_s, self.cloud)
        books = (self.leaf, self.mail, self.cell_t, self.since, self.cell_slot)
        return Call(send, active, t_s, message, *places, *books, by_world=True)

    def compute_arrivals(self, keys: Array, fleet: Array) -> Call:
        """Work out when the messages just sent reach each device."""
        ways = (self.path, self.salt, self.table, self.cell_t, self.service_s, self.cell_slot)
        out = (self.ring_lo, self.ring, self.coming, self.last)
        return Call(post, self.n_shard, keys, self.structure.uid, *self._cells, *ways, fleet, *out)

    def deliver_messages(self, active: Array, t_s: Array, dt_s: int, fleet: Array) -> list[Call]:
        """Set what each device holds during the tick: the second values of other streams, then all first values."""
        mail = (self.gate, self.path, self.mail, self.leaf, self.ring_lo, self.ring, self.since, self.coming)
        given = (self.n_shard, active, t_s, dt_s, *self._cells, *mail)
        if len(self.streams) == 1:
            return [Call(deliver, *given, self.coming, 0, net.MAIL.A, self._row, fleet)]
        second = (self._later, self.structure.n_cell, net.MAIL.B, self._row + net.N_HOLD_A, self.hold)
        seconds = [Call(deliver, *given, *second)] if any(stream.second for stream in self.streams[1:]) else []
        return [*seconds, Call(deliver, *given, self.coming, 0, net.MAIL.A, self._row, self.hold)]

    def hand_over(self, active: Array, t_s: Array, dt_s: int, fleet: Array) -> Call:
        """Return the call that writes the commands that have changed into ``fleet``, beside other messages."""
        cells = (self.structure.cell_lo, self.structure.cell_hi, self.structure.cell_leaf)
        rows = (self.hold_row[0], self.hold, FLEET.CMD_START, fleet)
        return Call(hand_over, self.n_shard, active, t_s, dt_s, *cells, self.leaf, *rows)

    def report_telemetry(self, active: Array, keys: Array, t_s: Array, dt_s: int, fleet: Array) -> Call:
        """Bring the aggregator's table up to the end of the tick.

        Parameters
        ----------
        active : bool (n_world,)
        keys : uint32 (n_world, 4)
        t_s : float64 (n_world,)
            Seconds of the episode at the tick's start.
        dt_s : int
            Length of the tick, s.
        fleet : float32 (S, FLEET.N, n_place)
        """
        st = self.structure
        cells = (st.cell_lo, st.cell_hi, st.cell_cloud)
        who = (self.n_shard, active, keys, st.uid, self.phase)
        return Call(report, *who, t_s, dt_s, *cells, self.path[: st.n_cell], self.cloud, fleet)

    def free_slots(self, active: Array, t_end: Array) -> Call:
        """Note the last arrivals once every shard is posted, and free the ring slots that are done."""
        books = (self.cell_lane, self.gate, self.cell_slot, self.last, self.leaf, self.mail)
        return Call(retire, self.n_shard, active, t_end, *books, by_world=True)
