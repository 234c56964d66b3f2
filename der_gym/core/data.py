"""Configs are data: YAML read by a safe loader, without YAML's surprises."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """YAML's data without its surprises: ``off`` and ``2026-08-03`` stay text; no key stands twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: key {key.value!r} stands twice in one mapping")
            seen.add((key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in each if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def read_value(text: str) -> Any:
    """Return the value of a YAML text: numbers, lists, mappings, true, false, null, text; or raise yaml.YAMLError."""
    return yaml.load(text, _Loader)  # derived from the safe loader: data only
