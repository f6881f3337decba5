"""`visplay export`: a role of a finished run to give away."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from visplay.cli.common import Commands
from visplay.roles.open import Role


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    export = commands.add_parser("export", help="a role of a finished run as a model that transformers and vLLM load")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("--role", required=True, choices=get_args(Role))
    export.add_argument("--to", required=True, type=Path, metavar="DIR")
    export.add_argument("--adapter", action="store_true", help="only the LoRA adapter, in PEFT format")
    export.set_defaults(run_command=_export)


def _export(options: argparse.Namespace) -> int:
    from visplay.tools.export import export

    export(options.run, options.role, options.to, options.adapter)
    print(f"the {options.role} is in {options.to}; its README.md says how to load it")
    return 0
