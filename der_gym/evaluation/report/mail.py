"""Every message of an episode: when it was sent, when its cloud had it, when it reached each device."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from der_gym.engine.tables import FLEET
from der_gym.fleet.structure import Structure
from der_gym.network import tables as net
from der_gym.simulation.network_runtime import NetworkRuntime

Array = np.ndarray
REACHED = (0.1, 0.5, 0.9)  # shares of a leaf's devices whose times are told


@dataclass
class Message:
    """A command to a leaf; times in seconds of the episode, infinite where they do not come.

    Attributes
    ----------
    leaf : int
    a : float
        Of dispatch the fraction of the leaf's swing that was asked for, -1..1; of other streams their first value.
    sent_s, cloud_s, until_s : float
        Sent; taken up by the (first) cloud; end of its validity.
    reach_s, act_s, lost_s : (n_device,)
        When it reached the device; when the device begins to move; when it was lost, for those that it never reached:
        when the cloud had it (lost, or the link down), when it ended (too late), or when it was given up.
    replaced : bool
        Whether a newer one took its place in the cloud's queue: then it is not counted as sent.
    slot : int
        Its place in the ring.
    """

    leaf: int
    a: float
    sent_s: float
    cloud_s: float
    until_s: float
    reach_s: Array = field(repr=False)
    act_s: Array = field(repr=False)
    lost_s: Array = field(repr=False)
    replaced: bool = False
    slot: int = 0

    @property
    def n(self) -> int:
        """Return the number of devices that it is meant for."""
        return len(self.reach_s)

    def reached_s(self, share: float) -> float:
        """Return when it had reached this share of its devices; infinite where it never does."""
        return first_s(self.reach_s, share)

    def give_up(self, now: float) -> None:
        """Let what is still under way be lost."""
        on_way = np.isfinite(self.act_s) & (self.act_s > now)
        self.reach_s[on_way], self.act_s[on_way], self.lost_s[on_way] = np.inf, np.inf, now


def first_s(times_s: Array, share: float) -> float:
    """Return the first time by which this share of ``times_s`` has passed; infinite where there is none.

    Examples
    --------
    >>> first_s(np.array([3.0, 1.0, np.inf, 2.0]), 0.5)
    2.0
    """
    if not len(times_s):
        return float("inf")
    return float(np.sort(times_s)[max(int(np.ceil(share * len(times_s))) - 1, 0)])


class Messages:
    """Collects the messages of world 0 after each decision.

    Attributes
    ----------
    sent : list of Message
        Those of dispatch.
    others : dict of str to list of Message
        Those of every other stream, by its kind.
    """

    def __init__(self, structure: Structure, network: NetworkRuntime) -> None:
        self.structure, self.network = structure, network
        self.sent: list[Message] = []
        self.others: dict[str, list[Message]] = {stream.kind: [] for stream in network.streams[1:]}
        self._lists = (self.sent, *self.others.values())
        self._n_sent = np.zeros(network.leaf.shape[1])
        self._held: dict[tuple[int, int], Message] = {}  # the message that stands in a lane's slot

    def collect(self, t_s: float, fleet: Array) -> None:
        """Add the messages that went out at ``t_s``; ``fleet`` are the rows of all shards."""
        books = self.network.leaf[0]  # a lane is a stream's way to a leaf
        for j in np.flatnonzero(books[:, net.SENDER.SENT_S] == t_s).tolist():
            slot = int(books[j, net.SENDER.HEAD] - 1) % int(self.network.gate[j, net.GATE.DEPTH])
            self._leave(j, slot, t_s, replaced=books[j, net.SENDER.N_SENT] == self._n_sent[j])
            self._n_sent[j] = books[j, net.SENDER.N_SENT]
            self._held[j, slot] = self._read(j, slot, fleet)
            self._lists[j // self.structure.n_leaf].append(self._held[j, slot])

    def _leave(self, lane: int, slot: int, t_s: float, replaced: bool) -> None:
        old = self._held.get((lane, slot))
        if old is not None:
            old.replaced = replaced
            old.give_up(t_s)

    def _read(self, lane: int, slot: int, fleet: Array) -> Message:
        mail = self.network.mail[0, lane, slot]
        cells = np.flatnonzero(self.network.cell_lane == lane)
        acts, dead, cloud = (np.concatenate(parts) for parts in zip(*self._cells(cells, slot, fleet), strict=True))
        until = float(mail[net.MAIL.VALID_UNTIL])
        never, late = acts >= net.NEVER_S, acts >= until
        return Message(
            leaf=lane % self.structure.n_leaf,
            a=float(mail[net.MAIL.A]),
            sent_s=float(mail[net.MAIL.T_SENT]),
            cloud_s=float(cloud.min()),
            until_s=until,
            reach_s=np.where(late, np.inf, acts - dead),
            act_s=np.where(late, np.inf, acts),
            lost_s=np.where(never, cloud, np.where(late, until, np.inf)),
            slot=slot,
        )

    def _cells(self, cells: Array, slot: int, fleet: Array) -> list[tuple[Array, Array, Array]]:
        """Return arrival at, dead time of and cloud's time for each device, by cell of the network and by shard."""
        st, parts = self.structure, []
        for c in cells.tolist():
            own = c % st.n_cell
            lo, hi = int(st.cell_lo[own]), int(st.cell_hi[own])
            for p in range(st.n_shard):
                here = st.present[p, lo:hi].astype(bool)
                acts = self.network.arrivals(p, c, slot)[here].astype(np.float64)
                dead = fleet[p, FLEET.DEAD_S, lo:hi][here].astype(np.float64)
                parts.append((acts, dead, np.full(len(acts), self.network.cell_t[0, c])))
        return parts


def counts(messages: list[Message], n_minute: int) -> dict[str, Array]:
    """Return messages to devices before the end of each minute: sent = arrived + lost + under way, (n_minute,) each."""
    kept = [m for m in messages if not m.replaced]
    times = {
        "sent": [np.full(m.n, m.sent_s) for m in kept],
        "arrived": [m.reach_s for m in kept],
        "lost": [m.lost_s for m in kept],
    }
    ends = 60.0 * np.arange(1, n_minute + 1)
    out = {name: np.searchsorted(np.sort(np.concatenate([*parts, []])), ends) for name, parts in times.items()}
    return out | {"under_way": out["sent"] - out["arrived"] - out["lost"]}
