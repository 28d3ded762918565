"""YAML as JSON: what JSON would not take for a literal or a number stays the text that it is written as."""

import re
from typing import Any, ClassVar

import yaml


class InvalidYAML(ValueError):
    """A text that is not YAML, with where and why."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return a mapping; raise ComposerError where it has a key twice, as YAML forbids."""
        node = super().compose_mapping_node(anchor)
        names = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    raise yaml.composer.ComposerError(None, None, f"{key.value} is there twice", key.start_mark)
                names.add(key.value)
        return node


# YAML 1.1 takes 12:30 for 750, 010 for 8 and yes for true. A merge key is YAML's own.
for tag, expression, first in (
    ("null", "null|~|", ["n", "~", ""]),
    ("bool", "true|false", ["t", "f"]),
    ("int", "-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{expression})\\Z"), first)


def load(text: bytes) -> Any:
    """Return the value of a YAML text; raise InvalidYAML."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506, a SafeLoader
    except yaml.YAMLError as error:
        raise InvalidYAML(" ".join(str(error).split())) from None
