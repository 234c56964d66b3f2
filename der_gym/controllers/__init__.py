"""Layer 3: controllers that see what an aggregator sees. One file and one registry line each."""

from __future__ import annotations

from der_gym.controllers.base import CONTROLLERS, Controller, PublicInfo, public_info
from der_gym.controllers.closed_loop import ClosedLoop
from der_gym.controllers.idle import Idle
from der_gym.controllers.merit_order import MeritOrder
from der_gym.controllers.offer_rules import FlatOffer, NeedsOffer, PeakOffer, ThresholdLearner
from der_gym.controllers.offers_and_commands import OffersAndCommands
from der_gym.controllers.open_loop import OpenLoop
from der_gym.controllers.per_service import bound
from der_gym.controllers.random_actions import Random
from der_gym.controllers.store import load_settings, make

_OFFERS = (FlatOffer, PeakOffer, NeedsOffer, ThresholdLearner, OffersAndCommands)
for _rule in (Idle, Random, OpenLoop, ClosedLoop, MeritOrder, *_OFFERS):
    CONTROLLERS.register(_rule.name, _rule)

__all__ = ["CONTROLLERS", "Controller", "PublicInfo", "bound", "load_settings", "make", "public_info"]
