"""Text from outside: which encoding a file is in, and how a text is shown on one line of a terminal."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

UTF8, CP932 = "utf-8-sig", "cp932"  # Excel in Japan writes both
LONGEST_LINE, LONGEST_VALUE = 2000, 200
# Unicode's categories of what moves a cursor, ends a line, turns the direction of writing or is half of a character.
_NOT_SHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # within emoji and some scripts' words
_OTHER_WAYS = (  # (what a byte order mark or an escape sequence says, name)
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (b"\x1b$", "ISO-2022-JP (JIS)"),
)
_HALF_KATAKANA = re.compile("[\uff61-\uff9f]")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_HALF = {0xFF01 + k: 0x21 + k for k in range(94)} | {0x2212: "-"}  # full-width forms; the minus of mathematics
_UNASSIGNED = re.compile("[\ufffd\uf8f0-\uf8f3]")  # lost characters; bytes that CP932 leaves out
_SAMPLE = 1 << 16  # bytes that are looked at for text in a wrong encoding


class NoText(ValueError):
    """Bytes that are no text in an encoding that is read; the message says which one they may be in."""


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return a text as one line of at most ``longest`` characters; control characters are written as ``\\x1b``."""
    plain = text[: longest + 1]
    if not plain.isprintable():
        plain = "".join(_escaped(each) if _is_hidden(each) else each for each in plain)
    return plain if len(plain) <= longest else f"{plain[: longest - 40]} ... ({len(text):,} characters)"


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _NOT_SHOWN and character not in _JOINERS


def _escaped(character: str) -> str:
    number = ord(character)
    wide = f"\\u{number:04x}" if number < 65_536 else f"\\U{number:08x}"
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(number, f"\\x{number:02x}" if number < 256 else wide)


def shown(value: Any, longest: int = LONGEST_VALUE) -> str:
    """Return a value's ``repr`` on one line, cut to ``longest`` characters; what has none is named by its type."""
    try:
        return one_line(repr(value[: longest + 1] if isinstance(value, str) else value), longest)
    except Exception:  # another's __repr__, or a number of more digits than Python writes
        return f"a {type(value).__name__}"


def half_width(text: str) -> str:
    """Return a text with its full-width letters, digits and marks in half width, and its other forms joined."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def number_in(text: str) -> float | None:
    """Return the number that a person's or a spreadsheet's cell holds, or None.

    Full-width digits and marks are read (``５．９``), and thousands marks where they stand in threes (``1,234.5``).

    >>> number_in("１，２３４．５")
    1234.5
    """
    plain = text.strip().translate(_HALF)
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return float(plain) if "_" not in plain else None  # Python's own marks are no spreadsheet's
    except ValueError:
        return None


def hidden(text: str) -> str | None:
    """Return the first character of a text that is none to be shown, or None."""
    return None if text.isprintable() else next(filter(_is_hidden, text), None)


def encoding_of(parts: Iterable[bytes]) -> str:
    """Return the encoding of a file's bytes, given in parts: UTF-8 with or without byte order mark, else CP932.

    Raises
    ------
    NoText
        For bytes that are neither, and for text that looks as if it had been read in a wrong encoding before.
    """
    decoders = {name: codecs.getincrementaldecoder(form)() for name, form in ((UTF8, "utf-8"), (CP932, CP932))}
    sample = b""
    for part in parts:
        sample += part[: _SAMPLE - len(sample)]
        decoders = {name: each for name, each in decoders.items() if _takes(each, part)}
        if not decoders or b"\0" in part:
            break
    left = [name for name, each in decoders.items() if _takes(each, b"", final=True)]
    _refuse_others(sample, left)
    return left[0]


def decoded(data: bytes) -> str:
    """Return the text of a whole file; NoText as `encoding_of`."""
    return data.decode(encoding_of([data]))


def _takes(decoder: codecs.IncrementalDecoder, part: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(part, final)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_others(sample: bytes, left: list[str]) -> None:
    for mark, name in _OTHER_WAYS:
        if sample.startswith(mark) or (mark.startswith(b"\x1b") and mark in sample):
            raise NoText(f"is {name} text; allowed: UTF-8 or CP932 (save it as UTF-8)")
    if UTF8 not in left and _is_euc_jp(sample):
        raise NoText("looks like EUC-JP text; allowed: UTF-8 or CP932 (save it as UTF-8)")
    if not left or b"\0" in sample:
        raise NoText("is neither UTF-8 nor CP932 text; save it as UTF-8")
    text = sample.decode(left[0], "ignore")
    if _UNASSIGNED.search(text) or _was_misread(text):
        raise NoText("holds garbled text, read in a wrong encoding before; take the original file, or save it anew")


def _is_euc_jp(sample: bytes) -> bool:
    """Return whether bytes are EUC-JP rather than CP932: they fit, and as CP932 most would be half-width katakana."""
    whole = sample if len(sample) < _SAMPLE else sample[: sample.rfind(b"\n") + 1]
    try:
        text = whole.decode("euc_jp")
    except UnicodeDecodeError:
        return False
    wide = sum(1 for character in text if ord(character) > 127)
    return wide > 0 and len(_HALF_KATAKANA.findall(whole.decode(CP932, "ignore"))) >= wide / 2


def _was_misread(text: str) -> bool:
    """Return whether text is UTF-8 that somebody read as CP932 or as Windows' Western encoding, and saved so."""
    foreign = "".join(line for line in text.splitlines() if not line.isascii())[:4096]
    return bool(foreign) and any(_reads_anew(foreign, wrong) for wrong in (CP932, "cp1252"))


def _reads_anew(text: str, wrong: str) -> bool:
    """Return whether a text's bytes in a wrong encoding are UTF-8, a few lost characters aside."""
    again = b"".join(_in(character, wrong) for character in text).decode("utf-8", "replace")
    wide = [character for character in again if ord(character) > 127]
    return bool(wide) and wide.count("\ufffd") <= len(wide) / 8


def _in(character: str, encoding: str) -> bytes:
    try:
        return character.encode(encoding)
    except UnicodeEncodeError:
        return bytes([ord(character)]) if ord(character) < 256 else b"?"
