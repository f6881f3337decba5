"""`visplay components`: what settings can name, and the settings of each component."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from visplay.cli.terminal import say
from visplay.interfaces.component import BUILT_IN, components


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("seam", nargs="?", choices=list(BUILT_IN), metavar="KIND", help=", ".join(BUILT_IN))


def run(options: argparse.Namespace) -> int:
    for seam in [options.seam] if options.seam else BUILT_IN:
        say(seam)
        for line in component_lines(seam):
            say(f"  {line}")
    return 0


def component_lines(seam: str) -> Iterator[str]:
    """One line per component of a seam with its summary, and one line per setting of it."""
    for name, component in components(seam).items():
        yield f"{name}: {component.summary()}"
        for setting, field in component.model_fields.items():
            default = "required" if field.is_required() else f"default {_shown(field.default)}"
            yield f"    {setting} ({default}): {field.description or ''}"


def _shown(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else "null" if value is None else str(value)
