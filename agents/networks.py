"""A learner's action network as a policy's tensors, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from der_gym.controllers.policy import Policy

Array = np.ndarray


def tensors(model: Any, policy: Policy) -> dict[str, Array]:
    """Return a model's action network as a policy's tensors."""
    out = {"mean": policy.mean, "gain": policy.gain}
    for k, layer in enumerate(layers(model)):
        out |= {f"weight.{k}": layer.weight.detach().numpy().T.copy(), f"bias.{k}": layer.bias.detach().numpy().copy()}
    return out


def take(model: Any, policy: Policy) -> None:
    """Copy a policy's network into a model's action network."""
    n_in, at = policy.card.n_input, 0
    with torch.no_grad():
        for layer in layers(model):
            n_out = len(layer.bias)
            whole = torch.from_numpy(policy.weights[at : at + (n_in + 1) * n_out]).reshape(n_in + 1, n_out)
            layer.weight.copy_(whole[:-1].T)
            layer.bias.copy_(whole[-1])
            n_in, at = n_out, at + (n_in + 1) * n_out


def layers(model: Any) -> list[Any]:
    return [m for m in model.policy.mlp_extractor.policy_net if hasattr(m, "weight")] + [model.policy.action_net]
