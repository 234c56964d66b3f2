"""Small policies for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import der_gym
from der_gym.controllers import make, policy_file, public_info
from der_gym.controllers.policy import Policy
from der_gym.controllers.policy_file import PolicyCard, RuleCard, field_cards, head_cards, shapes
from der_gym.env.worlds import Worlds

Array = np.ndarray


def card_for(worlds: Worlds, **changes: Any) -> PolicyCard:
    """Return the card of a policy for ``worlds``."""
    own = {
        "algorithm": "random",
        "env": "DERGroup-v0",
        "der_gym": der_gym.__version__,
        "scenario": worlds.scenario.name,
        "scenario_hash": worlds.scenario.hash(),
        "leaves": worlds.layout.leaf_names,
        "fields": field_cards(worlds.layout),
        "heads": head_cards(worlds.layout),
        "inputs": tuple(worlds.layout.fields),
        "hidden": (8, 8),
        "rule": RuleCard(controller="merit_order", values=make("merit_order").config.model_dump()),
        "scale": (0.4,) * worlds.layout.n_leaf,
    }
    return PolicyCard(**{**own, **changes})


def tensors_for(card: PolicyCard, seed: int = 0) -> dict[str, Array]:
    """Return numbers of a card's shapes."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0.0, 0.4, shape).astype(np.float32) for name, shape in shapes(card).items()}


def saved(folder: Path, worlds: Worlds, **changes: Any) -> Path:
    """Write a policy for ``worlds`` and return its folder."""
    card = card_for(worlds, **changes)
    policy_file.save(folder, card, tensors_for(card))
    return folder


def bound(worlds: Worlds, **changes: Any) -> Policy:
    """Return a policy bound to ``worlds``."""
    card = card_for(worlds, **changes)
    policy = Policy(card, tensors_for(card))
    policy.bind(worlds.layout, public_info(worlds))
    return policy
