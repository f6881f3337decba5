"""`visplay export`: a role of a finished run to give away."""

from __future__ import annotations

import argparse
from pathlib import Path

from visplay.cli.common import Verbs


def add(verbs: Verbs) -> None:
    """Its flags."""
    export = verbs.add_parser("export", help="a finished run's role as a model that transformers and vLLM load")
    export.add_argument("run", type=Path, metavar="RUN")
    export.add_argument("--role", required=True, choices=["reasoner", "questioner"])
    export.add_argument("--to", required=True, type=Path, metavar="DIR")
    export.add_argument("--adapter", action="store_true", help="the LoRA adapter alone, in PEFT format")
    export.set_defaults(verb=_export)


def _export(options: argparse.Namespace) -> int:
    from visplay.tools.export import export

    export(options.run, options.role, options.to, options.adapter)
    print(f"the {options.role} is in {options.to}; its README.md says how to load it")
    return 0
