"""A small tanh network in float32 with one fixed order of sums: a row's bits depend on no other row.

h_0 = clip((x - mean) * gain, -LIMIT, LIMIT),   h_k = tanh(h_{k-1} W_k + b_k),   y = h_{n-1} W_n + b_n
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from der_gym.engine.compile import kernel, scalar
from der_gym.numerics.approx import exp

Array = np.ndarray
LIMIT = 5.0  # normalised inputs are held within this
_LIMIT, _ONE, _TWO = np.float32(LIMIT), np.float32(1.0), np.float32(2.0)


@scalar
def tanh(x):  # type: ignore[no-untyped-def]
    """Return the hyperbolic tangent of float32 ``x``; error below 3e-7."""
    return _ONE - _TWO / (exp(_TWO * x) + _ONE)


@kernel
def look(obs, places, base, mean, gain, frames, out):  # type: ignore[no-untyped-def]
    """Write a network's inputs into ``out``, float32 (n, n_frame * n_x), the newest frame first.

    Parameters
    ----------
    obs : float32 (n, size); places : int64 (n_field)
        The entries of an observation that are taken.
    base : float32 (n, n_leaf)
        The rule's action.
    mean, gain : float32 (n_x,)
        ``n_x = n_field + n_leaf``: entries of the observation, then the rule's action.
    frames : float32 (n, (n_frame - 1) * n_x)
        Earlier inputs, the newest first.
    """
    n_field, n_x = places.shape[0], mean.shape[0]
    for r in range(obs.shape[0]):
        row, own, to = obs[r], base[r], out[r]
        for i in range(n_x):
            x = row[places[i]] if i < n_field else own[i - n_field]
            to[i] = min(max((x - mean[i]) * gain[i], -_LIMIT), _LIMIT)
        for i in range(frames.shape[1]):
            to[n_x + i] = frames[r, i]


@kernel
def answer(x, due, sizes, weights, low, high, out):  # type: ignore[no-untyped-def]
    """Write ``clip(y, low, high)`` of the rows that are due into ``out``, float32 (n, n_leaf); others stay.

    Parameters
    ----------
    x : float32 (n, sizes[0]); due : bool (n,)
    sizes : int64 (n_layer + 1,)
        Widths, the input's first, ``n_leaf`` last.
    weights : float32 (n_weight,)
        Per layer the matrix by rows (from, to), then the bias.
    """
    widest = sizes.max()
    here, there = np.empty(widest, np.float32), np.empty(widest, np.float32)
    for r in range(x.shape[0]):
        if not due[r]:
            continue
        here[: sizes[0]] = x[r]
        at = 0
        for k in range(sizes.shape[0] - 1):
            n_in, n_out = sizes[k], sizes[k + 1]
            to, bias = there[:n_out], weights[at + n_in * n_out : at + (n_in + 1) * n_out]
            for j in range(n_out):
                to[j] = bias[j]
            for i in range(n_in):
                h, row = here[i], weights[at + i * n_out : at + (i + 1) * n_out]
                for j in range(n_out):
                    to[j] += h * row[j]
            if k < sizes.shape[0] - 2:
                for j in range(n_out):
                    to[j] = tanh(to[j])
            here, there = there, here
            at += (n_in + 1) * n_out
        answered = out[r]
        for j in range(answered.shape[0]):
            answered[j] = min(max(here[j], low), high)


@kernel
def move(base, held, reach, low, high, out):  # type: ignore[no-untyped-def]
    """Write ``clip(base + reach * held, low, high)`` into ``out``; all float32 (n, n_leaf)."""
    for r in range(out.shape[0]):
        own, by, far, action = base[r], held[r], reach[r], out[r]
        for j in range(action.shape[0]):
            action[j] = min(max(own[j] + far[j] * by[j], low), high)


def flatten(tensors: Mapping[str, Array], n_layer: int) -> tuple[Array, Array]:
    """Return (sizes, weights) for `answer` from ``weight.k`` (from, to) and ``bias.k`` (to,), k from 0.

    Parameters
    ----------
    tensors : mapping of str to array
    n_layer : int
        Layers, >= 1.
    """
    sizes = [tensors["weight.0"].shape[0]] + [tensors[f"bias.{k}"].shape[0] for k in range(n_layer)]
    parts: Sequence[Array] = [tensors[f"{part}.{k}"].ravel() for k in range(n_layer) for part in ("weight", "bias")]
    return np.array(sizes, dtype=np.int64), np.concatenate(parts).astype(np.float32)
