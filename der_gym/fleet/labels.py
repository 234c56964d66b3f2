"""Text columns of up to ten million rows, kept small: distinct texts once, a number per row; and addresses of ids."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_gym.core.errors import InputError

Ints = NDArray[Any]
Where = Callable[[int], str]
_CHUNK = 65_536
LISTED = 10  # rows that an error lists
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


def row_words(row: int) -> str:
    """Return how an error names a row that came from no file."""
    return f"row {row}"


@dataclass(frozen=True)
class Labels:
    """One text column.

    Attributes
    ----------
    names : bytes (k,)
        Distinct texts, each of which occurs, UTF-8; bytes take a quarter of the room of numpy's text.
    codes : unsigned int (n,)
        Each row's place in ``names``.
    """

    names: NDArray[np.bytes_]  # (k,)
    codes: Ints  # (n,)

    def __len__(self) -> int:
        return len(self.codes)

    def text(self, row: int) -> str:
        """Return the text of one row."""
        return bytes(self.names[self.codes[row]]).decode()

    def texts(self) -> NDArray[np.str_]:
        """Return all rows as numpy text (n,), made on demand."""
        return np.array(self.list_names(), dtype=np.str_)[self.codes]

    def list_names(self) -> list[str]:
        """Return the distinct texts, in the order of ``names``."""
        return [bytes(name).decode() for name in self.names]

    def codes_of(self, texts: Iterable[str]) -> Ints:
        """Return the numbers of those ``texts`` that occur."""
        return np.flatnonzero(np.isin(self.names, utf8(texts)))

    def take(self, rows: Ints) -> Labels:
        """Return the Labels of some rows, without the texts that no longer occur; the order of the texts stays."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        return Labels(self.names[used], codes.astype(np.min_scalar_type(max(len(used) - 1, 0))))

    def first_row(self, code: int) -> int:
        """Return the first row that holds a number."""
        return int(np.argmax(self.codes == code))


class Coder(dict[str, int]):
    """Numbers texts as they come: ``coder[text]`` is its place, a new text gets the next one."""

    def __missing__(self, text: str) -> int:
        self[text] = place = len(self)
        return place

    def codes(self, texts: Sequence[str]) -> Ints:
        """Return the numbers (n,) of ``texts``."""
        return np.fromiter(map(self.__getitem__, texts), dtype=np.uint32, count=len(texts))


def utf8(texts: Iterable[str]) -> NDArray[np.bytes_]:
    """Return texts as a UTF-8 array; a trailing NUL would be lost, so none is allowed."""
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=np.bytes_) if encoded else np.empty(0, "S1")


def labels(names: Iterable[str], codes: Ints) -> Labels:
    """Return Labels with the codes in the smallest unsigned type that holds them.

    Parameters
    ----------
    names : iterable of str
    codes : int64 (n,)
        Number of the name of each row.
    """
    array = utf8(names)
    return Labels(array, codes.astype(np.min_scalar_type(max(len(array) - 1, 0)), copy=False))


def label_texts(texts: Sequence[str]) -> Labels:
    """Return the Labels of a list of texts."""
    coder = Coder()
    codes = coder.codes(texts)
    return labels(coder, codes)


def constant(text: str, n: int) -> Labels:
    """Return a column of ``n`` equal texts; it takes no room."""
    return Labels(utf8([text]), np.broadcast_to(np.uint8(0), n))


def addresses(names: NDArray[np.bytes_], what: str = "id", where: Where = row_words) -> NDArray[np.uint32]:
    """Return a 32-bit address for each name: its CRC-32, unless another name has that one.

    An address depends on the name alone, never on rows, trees, shards or classes. Of names with one CRC-32 the first
    in byte order keeps it; the others take the CRC-32 of the name followed by 0x01, 0x02, ... until one is free. Among
    n names n^2 / 2^33 pairs meet (116 of a million): so many may move when names are added.

    Parameters
    ----------
    names : bytes (n,)
        UTF-8, distinct.
    what : str
        The column, for the error.
    where : callable
        Words for a row, for the error.

    Raises
    ------
    InputError
        Where a name occurs twice; both places are named.
    """
    crc = np.empty(len(names), np.uint32)
    for start in range(0, len(names), _CHUNK):
        part = names[start : start + _CHUNK].tolist()
        crc[start : start + len(part)] = np.fromiter(map(zlib.crc32, part), np.uint32, len(part))
    taken: set[int] | None = None
    twice: list[tuple[int, int]] = []
    for first, row in _meeting(names, crc):
        if names[first] == names[row]:
            twice.append((row, first))
            continue
        taken = taken or set(crc.tolist())
        crc[row] = _free(bytes(names[row]), taken)
    if twice:
        raise _standing_twice(sorted(twice), names, what, where)
    return crc


def _standing_twice(twice: list[tuple[int, int]], names: NDArray[np.bytes_], what: str, where: Where) -> InputError:
    """Return the error for names that stand twice, as (row, row before), with the first ten of them."""
    row, first = twice[0]
    more = ", ".join(f"{where(row)} {bytes(names[row]).decode()!r}" for row, _ in twice[:LISTED])
    end = f"; {len(twice):,} such rows: {more}{', ...' if len(twice) > LISTED else ''}" if len(twice) > 1 else ""
    return InputError(
        f"{where(row)}, column {what}: {bytes(names[row]).decode()!r} stands in {where(first)} already{end}"
    )


def _meeting(names: NDArray[np.bytes_], crc: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Yield (row before it, row that must move) for rows with one CRC-32, in order of CRC-32, name, row."""
    order = np.argsort(crc, kind="stable")
    same = crc[order[1:]] == crc[order[:-1]]
    member = np.zeros(len(crc), bool)
    member[order[1:][same]] = True
    member[order[:-1][same]] = True
    rows = sorted(np.flatnonzero(member).tolist(), key=lambda row: (int(crc[row]), bytes(names[row]), row))
    keep = [int(crc[row]) for row in rows]
    for k in range(1, len(rows)):
        if keep[k] == keep[k - 1]:
            yield rows[k - 1], rows[k]


def _free(name: bytes, taken: set[int]) -> int:
    """Return the first free address for ``name`` and take it."""
    for suffix in range(1, 1 << 16):
        address = zlib.crc32(name + suffix.to_bytes(2, "little").rstrip(b"\0"))
        if address not in taken:
            taken.add(address)
            return address
    raise AssertionError("65,536 addresses in a row are taken")


def mix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 well-mixed bits (n,) for each number: the finaliser of SplitMix64 [1]_; it maps 0 to 0.

    References
    ----------
    .. [1] Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
       doi:10.1145/2660193.2660195; constants of the authors' splitmix64.c.
    """
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)
