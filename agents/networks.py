"""Linear layers as a policy's tensors, and a policy's tensors in a learner's action network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from der_gym.controllers.policy import Policy

Array = np.ndarray


def tensors(layers: Iterable[Any], policy: Policy) -> dict[str, Array]:
    """Return linear layers as a policy's tensors; the policy gives the scale of the inputs."""
    out = {"mean": policy.mean, "gain": policy.gain}
    for k, layer in enumerate(layers):
        out |= {f"weight.{k}": layer.weight.detach().numpy().T.copy(), f"bias.{k}": layer.bias.detach().numpy().copy()}
    return out


def take(model: Any, policy: Policy) -> None:
    """Copy a policy's network into a model's action network."""
    n_in, at = policy.card.n_input, 0
    with torch.no_grad():
        for layer in action_layers(model):
            n_out = len(layer.bias)
            whole = torch.from_numpy(policy.weights[at : at + (n_in + 1) * n_out]).reshape(n_in + 1, n_out)
            layer.weight.copy_(whole[:-1].T)
            layer.bias.copy_(whole[-1])
            n_in, at = n_out, at + (n_in + 1) * n_out


def action_layers(model: Any) -> list[Any]:
    """Return the linear layers of a learner's action network."""
    return [m for m in model.policy.mlp_extractor.policy_net if hasattr(m, "weight")] + [model.policy.action_net]
