"""The registry of action heads; see `der_gym.core.heads`."""

from der_gym.core.heads import HEADS, Head

__all__ = ["HEADS", "Head"]
