"""`visplay components`: what settings can name, and the settings of each component."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from visplay.cli.common import Commands
from visplay.interfaces.component import BUILT_IN, Component, components


def add(commands: Commands) -> None:
    """The flags of the command."""
    command = commands.add_parser("components", help="the gates, labelers, rewards, … that settings can name")
    command.add_argument("seam", nargs="?", choices=list(BUILT_IN), metavar="KIND", help=", ".join(BUILT_IN))
    command.set_defaults(run_command=_components)


def _components(options: argparse.Namespace) -> int:
    for seam in [options.seam] if options.seam else BUILT_IN:
        print(seam)
        for line in component_lines(seam):
            print(f"  {line}")
    return 0


def component_lines(seam: str) -> Iterator[str]:
    """One line per component of a seam with its summary, and one line per setting of it."""
    for name, component in components(seam).items():
        yield f"{name}: {component.summary()}"
        yield from (f"    {line}" for line in _setting_lines(component))


def _setting_lines(component: type[Component]) -> Iterator[str]:
    for name, field in component.model_fields.items():
        default = "required" if field.is_required() else f"default {_shown(field.default)}"
        yield f"{name} ({default}): {field.description or ''}"


def _shown(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else "null" if value is None else str(value)
