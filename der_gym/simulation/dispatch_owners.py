"""Owners who are commanded: their arrays, and their calls at half hours and refreshes; see `devices.owners.opting`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from der_gym.devices import DEVICES
from der_gym.devices.owners import commanded
from der_gym.devices.owners.commanded import HOME, HOME_PARAMS
from der_gym.devices.owners.opting import DispatchConfig, constants
from der_gym.devices.owners.terms import ASKED
from der_gym.engine.program import Call
from der_gym.fleet.structure import Structure
from der_gym.simulation.array_ops import blank, copy_params

Array = np.ndarray


class DispatchOwners:
    """The owners of ``n_all`` shards, one mind for each home.

    Parameters
    ----------
    config : DispatchConfig
    structure : Structure
    opt_out : mapping
        Class -> mean chance that its owners take no commands for three hours.
    n_all : int
        Shards.
    pay : float, optional
        See `constants`.
    asked : float32 (S, n, n_place), optional
        Rows of ASKED that device classes write for owners who are offered pay. Default: an array of its own.

    Attributes
    ----------
    own_asked : bool
        Whether ``asked`` is an array of its own.
    home : float32 (S, HOME.N, n_site)
    back : float32 (S, 1, n_place)
        1 where an owner has taken her car back.
    """

    def __init__(
        self,
        config: DispatchConfig,
        structure: Structure,
        opt_out: Mapping[str, float],
        n_all: int,
        pay: float | None = None,
        asked: Array | None = None,
    ) -> None:
        n_place, n_site = structure.n_place, structure.n_site
        self.structure, self.cfg, self.own_asked = structure, constants(config, pay), asked is None
        self.asked = np.zeros((n_all, len(ASKED), n_place), dtype=np.float32) if asked is None else asked
        self.params = np.zeros((n_all, HOME_PARAMS.N, n_site), dtype=np.float32)
        self.home = np.zeros((n_all, HOME.N, n_site), dtype=np.float32)
        self.back = np.zeros((n_all, 1, n_place), dtype=np.float32)
        places = structure.class_slice
        self._classes = [(np.float32(config.base(float(opt_out[name]))), *places[name]) for name in places]
        self._mobile = np.zeros(n_place, dtype=np.uint8)
        for name, (lo, hi) in places.items():
            self._mobile[lo:hi] = DEVICES[name].traits.mobile

    def arrays(self) -> dict[str, Array]:
        """Return every array that a world's future depends on."""
        own = {"opting.params": self.params, "opting.home": self.home, "opting.back": self.back}
        return own | ({"opting.asked": self.asked} if self.own_asked else {})

    def draw_params(self, due: Array, span: tuple[Any, ...], site_uid: Array) -> list[Call]:
        """Draw the owners of the ``due`` worlds; ``span``: n_shard, due, keys."""
        calls = [Call(commanded.draw_homes, *span, site_uid, self.cfg, self.params)]
        index = self.structure.site_index
        return calls + [Call(commanded.raise_base, *span[:2], index, *each, self.params) for each in self._classes]

    def copy_params_from(self, n_shard: int, due: Array, model: Array) -> Call:
        """Give the ``due`` worlds the owners of their ``model``, int64 (n_world,)."""
        return Call(copy_params, n_shard, due, model, HOME_PARAMS.N, self.params)

    def begin_episode(self, n_shard: int, due: Array) -> list[Call]:
        """Set the state of the ``due`` worlds to 0."""
        parts: Sequence[Array] = (self.home, self.back, *((self.asked,) if self.own_asked else ()))
        return [Call(blank, n_shard, due, each) for each in parts]

    def deciding(self, span: tuple[Any, ...], site_uid: Array, clocks: tuple[Array, Array], fleet: Array) -> Call:
        """Return the call that follows an update of the membership; ``clocks``: abs_s, t_s."""
        own = (self.cfg, self.params, self.asked, self.back, self.home, fleet)
        return Call(commanded.decide_homes, *span, site_uid, self.structure.site_index, *clocks, *own)

    def watching(self, span: tuple[Any, ...], home_uid: Array, abs_s: Array, ctx: Array, fleet: Array) -> Call:
        """Return the call that counts calls and lets owners take back their cars, at a refresh."""
        own = (self.cfg, self._mobile, self.asked, self.back, self.home, fleet)
        return Call(commanded.watch_commands, *span, home_uid, self.structure.site_index, abs_s, ctx, *own)
