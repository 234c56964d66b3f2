"""Traits and registers are asked for by name; a name that is none gets one line with the nearest."""

from __future__ import annotations

import copy
import pickle

import pytest

from der_gym.core.errors import InputError
from der_gym.devices import DEVICES, with_trait
from der_gym.devices.base import Traits
from der_gym.scenario.load import load
from der_gym.simulation.simulator import Simulator


def test_an_unknown_trait_is_named() -> None:
    with pytest.raises(InputError, match="trait: unknown name 'hst'; did you mean 'host'"):
        Traits(hst=True)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="trait: unknown name 'stor'; did you mean 'store'"):
        with_trait("stor")


def test_traits_are_copied_and_pickled_whole() -> None:
    traits = DEVICES[with_trait("host")[0]].traits
    assert copy.deepcopy(traits) == traits == pickle.loads(pickle.dumps(traits)) != Traits()


def test_an_unknown_register_is_named_and_one_that_no_device_here_has_is_0() -> None:
    sim = Simulator(
        load("tertiary-1-tiny", {"fleet.n_device": 20, "pool.n_fleet": 1, "signals.start": "2026-08-03"}), 1
    )
    with pytest.raises(InputError, match="register: unknown name 'startz'; did you mean 'starts'"):
        sim.fleet.total("startz")
    assert sim.fleet.total("starts").tolist() == [0.0]
