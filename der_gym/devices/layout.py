"""From a class's settings to the vector of constants that its kernels read, each setting at a named place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from der_gym.engine.schema import Table

Entry = Callable[[Any], float | Sequence[float] | NDArray[np.float64]]


class Layout:
    """Where each setting stands in ``cfg``, the float32 vector that a class's kernels read.

    Parameters
    ----------
    config : type of BaseModel
        Its fields stand in order; a tuple takes as many places as its default has entries.
    above : Layout, optional
        What stands before: of the settings that ``config`` inherits. So functions of the base class read ``cfg`` too.
    entries : callable or None
        Field -> what stands in its place instead, from the settings; None leaves a field out. Other names are further
        entries, after the fields.

    Examples
    --------
    >>> class Two(BaseModel):
    ...     share: tuple[float, float] = (0.25, 0.75)
    ...     scale: float = 2.0
    >>> layout = Layout(Two, share=lambda c: c.share[:1])
    >>> layout.table.SHARE, layout.table.SCALE, layout.vector(Two(scale=3.0)).tolist()
    (0, 1, [0.25, 3.0])
    """

    def __init__(self, config: type[BaseModel], above: Layout | None = None, **entries: Entry | None) -> None:
        self.config = config
        inherited = above.config.model_fields if above else {}
        fields = {name: entries.get(name, _field(name)) for name in config.model_fields if name not in inherited}
        own = fields | {name: entry for name, entry in entries.items() if name not in config.model_fields}
        kept = above._entries if above else {}
        self._entries: dict[str, Entry] = kept | {name: entry for name, entry in own.items() if entry is not None}
        plain = config()
        self.sizes: dict[str, int] = {name: len(_numbers(entry(plain))) for name, entry in self._entries.items()}
        names = [f"{name}_{k}" if k else name for name, size in self.sizes.items() for k in range(size)]
        about = f"float32 ({len(names)},): settings of {config.__name__}"
        self.table = Table(
            f"{config.__name__}.cfg", about, "\n".join(f"{name} | - | engine | a setting" for name in names)
        )

    def vector(self, config: Any) -> NDArray[np.float32]:
        """Return the settings as ``cfg``, float32 (N,)."""
        numbers = [number for entry in self._entries.values() for number in _numbers(entry(config))]
        return np.array(numbers, np.float32)

    def place(self, name: str) -> str:
        """Return the expression of an entry in a kernel: a number, or a slice where it has several."""
        at: int = self.table.number(name)
        return f"cfg[{at}]" if self.sizes[name] == 1 else f"cfg[{at} : {at + self.sizes[name]}]"


def _field(name: str) -> Entry:
    return lambda config: getattr(config, name)


def _numbers(value: Any) -> list[float]:
    return [float(v) for v in value] if isinstance(value, (tuple, list, np.ndarray)) else [float(value)]


def cumulative(shares: Sequence[float]) -> list[float]:
    """Return the cumulative shares of all but the last, scaled to 1."""
    return list(np.cumsum(np.asarray(shares) / sum(shares))[:-1])
