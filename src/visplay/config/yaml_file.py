"""Reads YAML as data: of bounded size, depth and number of values, with each key once, and numbers as they look.

YAML 1.1 reads `010` as eight, `1:30` as ninety and `3e-5` as a text. Here the first two are refused, and the third is a
number. Dates are texts. An error names the line and never quotes it, because it may hold a password.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from visplay.errors import ConfigError

MOST_CHARACTERS = 2**20  # of a file; 18,000 questions of a bank have as many
_MOST_VALUES = 50_000  # aliases and merges count as what they stand for
_MOST_LEVELS = 40

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._levels = self._values = 0

    def read(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        _size(node, {}, set())
        return self.construct_document(node)

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._levels += 1
        self._values += 1
        for most, count, what in ((_MOST_LEVELS, self._levels, "levels"), (_MOST_VALUES, self._values, "values")):
            if count > most:
                raise _problem(f"it has more than {most:,} {what}", self.peek_event())
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _problem("a key is there twice", key)
                seen.add((key.tag, key.value))
        return node

    def construct_number(self, node: Any) -> Any:
        text = str(self.construct_scalar(node))
        if ":" in text or (node.tag == _INT and _LEADING_ZERO.fullmatch(text)):
            raise _problem("a number has leading zeros or colons, which mean another number; put texts in quotes", node)
        return self.construct_yaml_int(node) if node.tag == _INT else self.construct_yaml_float(node)


class _Dumper(yaml.SafeDumper):
    """Puts what `_Loader` would read as a number in quotes, and escapes ends of lines that would be read as others."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        ends = not {"\r", "\x85", "\u2028", "\u2029"}.isdisjoint(text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if ends else None)


_Dumper.add_representer(str, _Dumper.represent_text)
_Loader.yaml_implicit_resolvers = {
    first: [each for each in known if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))
    _kind.add_implicit_resolver(_INT, _LEADING_ZERO, list("-+0"))
for _tag in (_INT, _FLOAT):
    _Loader.add_constructor(_tag, _Loader.construct_number)


def read_yaml(text: str, where: str) -> Any:
    """The value of a YAML text.

    Raises:
        ConfigError: in one line that begins with `where`.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"{where} is not valid YAML: it has more than {MOST_CHARACTERS:,} characters")
    try:
        return _Loader(text).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{where} is not valid YAML: {error.problem or error.context}{place}") from None
    # PyYAML raises what it meets: ValueError of a tag that does not fit, KeyError, AttributeError, RecursionError, …
    except Exception as error:
        raise ConfigError(f"{where} is not valid YAML: a value cannot be read ({type(error).__name__})") from None


def read_yaml_file(file: Path) -> Any:
    """The value of a YAML file, which may not name code that this process has not imported.

    Raises:
        ConfigError: the file cannot be read, is not valid YAML, or names a module by `import_path`.
    """
    values = read_yaml(read_text(file), str(file))
    refuse_modules(values, str(file))
    return values


def refuse_modules(values: Any, where: str) -> None:
    """Raise a ConfigError if settings from a file name a module by `import_path` that nothing has imported yet."""
    for module in named_modules(values):
        if module not in sys.modules:
            raise ConfigError(
                f"{where}: import_path names the module '{module[:200]}', and no file of settings imports code; if you "
                f"trust that module, add --import {module[:200]} to the command, or import it first in Python"
            )


def read_text(file: Path, content: str = "") -> str:
    """The text of a regular file of at most 2^20 characters; ConfigError if it is none."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer does not block
        with open(handle, encoding="utf-8") as opened:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError(f"{file} is no regular file")
            text = opened.read(MOST_CHARACTERS + 1)
            if len(text) > MOST_CHARACTERS:
                raise ConfigError(f"{file} has more than {MOST_CHARACTERS:,} characters")
            return text
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"cannot read {file} as UTF-8 text {content}".rstrip()) from None


def dump_yaml(values: Any) -> str:
    """YAML that `read_yaml` reads back to the same values."""
    return str(yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def named_modules(values: Any) -> Iterator[str]:
    """The modules that components of the user's own name by `import_path`, at any depth."""
    if isinstance(values, Mapping):
        if "import_path" in values:
            yield str(values["import_path"]).partition(":")[0]
        values = list(values.values())
    if isinstance(values, list | tuple):  # `!!omap` holds tuples
        for value in values:
            yield from named_modules(value)


def _size(node: Any, sizes: dict[int, int], above: set[int]) -> int:
    """The number of values below a node, with each alias counted as what it stands for."""
    if id(node) in above:
        raise _problem("a value holds itself", node)
    if id(node) not in sizes:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            children = [one for pair in node.value for one in pair]
        sizes[id(node)] = 1 + sum(_size(child, sizes, above | {id(node)}) for child in children)
        if sizes[id(node)] > _MOST_VALUES:
            raise _problem(f"with its aliases it has more than {_MOST_VALUES:,} values", node)
    return sizes[id(node)]


def _problem(text: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=place.start_mark)
