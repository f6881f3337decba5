"""`visplay export`: a role of a finished run to give away."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from visplay.cli.common import IMPORT, TRUST
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import say
from visplay.roles.open import Role


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN")
    command.add_argument("--role", required=True, choices=get_args(Role))
    command.add_argument("--to", required=True, type=Path, metavar="DIR")
    command.add_argument("--import", **IMPORT)
    command.add_argument("--trust-remote-code", **TRUST)
    command.add_argument("--adapter", action="store_true", help="only the LoRA adapter, in PEFT format")


def run(options: argparse.Namespace) -> int:
    from visplay.tools.export import export

    unwind_from_here()
    export(options.run, options.role, options.to, options.adapter, options.trust_remote_code)
    say(f"the {options.role} is in {options.to}; its README.md says how to load it")
    return 0
