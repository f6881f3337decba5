"""The commands of the program, and the one line that it prints for an error that the user can fix."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from visplay import __version__
from visplay.cli import ask, compare, components, doctor, evaluate, evolve, export, lab, plan, report, watch
from visplay.cli.interrupts import received
from visplay.errors import ConfigError, VisplayError, did_you_mean, reason, visible, without_secrets
from visplay.interfaces.component import import_named

# Each module has the functions `add_flags` and `run`; `run` returns the exit status.
COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "evolve": (evolve, "run the self-play loop"),
    "eval": (evaluate, "score a model or a run's Reasoner on labelled questions"),
    "compare": (compare, "runs, models and reports side by side, paired where items coincide"),
    "ask": (ask, "the Questioner's questions about images, with the Reasoner's votes"),
    "watch": (watch, "a run as a page in the browser, while it goes or after"),
    "report": (report, "the same page as one file to mail, and results.md beside it"),
    "export": (export, "a role of a finished run as a model that transformers and vLLM load"),
    "plan": (plan, "the memory, tokens and time that a run needs"),
    "components": (components, "the gates, labelers, rewards, … that settings can name"),
    "doctor": (doctor, "what this machine has, what is missing, and what installs it"),
    "lab": (lab, "the embedded world"),
}
# Libraries read these when they are imported, so they are silent without being imported here.
_QUIET = {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


class _Parser(argparse.ArgumentParser):
    """A parser whose messages name what a misspelt word may mean, and cannot steer the terminal with what was typed."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            meant = did_you_mean(str(value), known)
            raise argparse.ArgumentError(action, f"no '{value}'{meant}; choose from {', '.join(known)}")


def run_command(arguments: Sequence[str]) -> int:
    """Run a command line; returns the exit status as `main` describes it. KeyboardInterrupt is the caller's."""
    if any("\0" in argument for argument in arguments):
        print("visplay: an argument holds a NUL character, which no path has; leave it out", file=sys.stderr)
        return 2
    options = _parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # An error line begins with the name of the process. Process 0 has the same name as a run of one process.
    rank, size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    name = "visplay" if rank == "0" or size == "1" else f"visplay (process {int(rank) + 1} of {size})"
    try:
        if size != "1" and options.command is not evolve:
            raise ConfigError(
                "only `visplay evolve` shares its work among processes; start this command without torchrun"
            )
        for module in getattr(options, "imports", ()):
            import_named(module)
        status = int(options.command.run(options))
        if sys.stdout is not None:
            sys.stdout.flush()  # the output may be on a full disk
        return status
    except BrokenPipeError:
        _drop_output()  # the reader of the output has gone, as with `| head`
        return 1
    except (OSError, VisplayError) as error:
        if received() is not None:
            raise
        _drop_output()
        print(f"{name}: {visible(without_secrets(_told(error)))}", file=sys.stderr)
        return 2


def _drop_output() -> None:
    """Give up what cannot be written: Python would report it again when it flushes at its exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: OSError | VisplayError) -> str:
    if isinstance(error, VisplayError):
        return str(error)
    # A full disk, a missing right, …: nothing that visplay could have done otherwise.
    file = f"{error.filename}: " if error.filename else ""
    return f"{file}{reason(error)}; mend that, then repeat the command"


def _parser() -> _Parser:
    parser = _Parser(prog="visplay", description="A VLM that improves itself from unlabeled images.")
    parser.add_argument("--version", action="version", version=f"visplay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        command.set_defaults(command=module)
        module.add_flags(command)
    return parser
