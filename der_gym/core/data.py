"""Configs are data: YAML read by a safe loader, without YAML's surprises, of a size that a person would write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from der_gym.core.errors import InputError
from der_gym.core.text import hidden, shown

LARGEST_BYTES = 4_000_000  # of a file of settings
MOST_VALUES = 200_000  # once every alias is written out
DEEPEST = 40
LONGEST_TEXT = 10_000  # of a text within settings


class _Loader(yaml.SafeLoader):
    """YAML's data without its surprises: ``off`` and ``2026-08-03`` stay text; no key stands twice in a mapping.

    Aliases count as often as they stand, so that a short text does not become a huge value.
    """

    def compose_document(self) -> yaml.Node | None:
        node = super().compose_document()
        if node is not None:
            self._count(node, {})
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > DEEPEST:
            raise yaml.YAMLError(f"nested more than {DEEPEST} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _count(self, node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Return how many values a node holds with its aliases written out, and how deep they are."""
        if id(node) not in known:
            known[id(node)] = MOST_VALUES + 1, 0  # while it is open: a node within itself is endless
            parts = [self._count(part, known) for part in _parts(node)]
            known[id(node)] = 1 + sum(n for n, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        count, depth = known[id(node)]
        if count > MOST_VALUES or depth > DEEPEST:
            most = f"more than {MOST_VALUES:,} values" if count > MOST_VALUES else f"nested more than {DEEPEST} deep"
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {most}")
        return count, depth

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # of a tag that its text does not fit
            what = shown(node.value) if isinstance(node.value, str) else "a list or a mapping"
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {what} is no {node.tag.split(':')[-1]}") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: key {key.value!r} stands twice in one mapping")
            seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """Return the keys and values, or the entries, of a node."""
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


_Loader.yaml_constructors = {
    tag: each
    for tag, each in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.split(":")[-1] in ("null", "bool", "int", "float", "str", "seq", "map")
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in each if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def read_value(text: str) -> Any:
    """Return the value of a YAML text: numbers, lists, mappings, true, false, null, text.

    Raises
    ------
    yaml.YAMLError
        For what is no YAML, a key twice in one mapping, tags of code, and a text too long, too deep or of too many
        values.
    """
    if len(text) > LARGEST_BYTES:
        raise yaml.YAMLError(f"{len(text):,} characters; allowed: {LARGEST_BYTES:,}")
    try:
        return yaml.load(text, _Loader)  # derived from the safe loader: data only
    except yaml.YAMLError as error:
        raise yaml.YAMLError(" ".join(str(error).split())) from None


def check_plain(where: str, value: Any, deep: int = 0) -> None:
    """Refuse settings that hold what no person writes.

    Parameters
    ----------
    where : str
        Name of the value, for the error: a file, or a dotted key.
    value : Any
        Numbers, texts, lists and mappings; anything else is left to the settings' models.

    Raises
    ------
    InputError
        For control characters or halves of characters in a text or a key, texts of more than 10,000 characters, and
        values within one another more than 40 deep.
    """
    if isinstance(value, str):
        _check_text(where, value)
    elif deep > DEEPEST:
        raise InputError(f"{where}: values more than {DEEPEST} deep within one another; allowed: fewer")
    elif isinstance(value, Mapping):
        for key, each in value.items():
            check_plain(f"{where}: key", key, deep + 1)
            check_plain(f"{where}.{key}" if deep else f"{where}: {key}", each, deep + 1)
    elif isinstance(value, list | tuple):
        for k, each in enumerate(value):
            check_plain(f"{where}.{k}", each, deep + 1)


def _check_text(where: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{where}: {len(text):,} characters; allowed: {LONGEST_TEXT:,}")
    if (found := hidden(text.rstrip("\n"))) is not None:  # YAML's folded texts end with a line break
        hint = " (a file's name that is no UTF-8: rename it)" if "\ud800" <= found <= "\udfff" else ""
        raise InputError(f"{where}: {shown(text)} holds {shown(found)}; allowed: text without control characters{hint}")
