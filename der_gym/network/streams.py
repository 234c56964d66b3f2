"""Message streams: each kind of message has a ring, a gate and a channel of its own at every leaf."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MessageStream:
    """The messages of one kind.

    Attributes
    ----------
    kind : str
        ``"dispatch"``, or the name of the behaviour that answers.
    channel : str, optional
        Channel that carries them to every leaf. Default: each cell's own path and cloud.
    change_a : float, optional
        A first value that moves by no more than this is not sent. Default: the network's ``change_share``.
    change_b : float
        Likewise of the second value, >= 0.
    second : bool
        Whether somebody reads the second value; else devices do not hold it.
    """

    kind: str
    channel: str | None = None
    change_a: float | None = None
    change_b: float = 0.0
    second: bool = True

    @property
    def salt(self) -> np.uint32:
        """Return the number that separates the draws of streams: 0 for dispatch, else the CRC-32 of the kind."""
        return np.uint32(0 if self.kind == "dispatch" else zlib.crc32(self.kind.encode()))


DISPATCH = MessageStream("dispatch")
