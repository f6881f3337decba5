"""The program `visplay`: its commands, and the one line it prints for an error that the user can fix."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from visplay import __version__
from visplay.cli import ask, compare, components, doctor, evaluate, evolve, export, lab, plan, report, watch
from visplay.distributed.children import end_with_parent
from visplay.distributed.loopback import RENDEZVOUS
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run a command.

    Returns:
        The exit status: 0; 1 when a run of a matrix failed; 2 when the input was wrong; 130 when interrupted.
    """
    end_with_parent()
    arguments = sys.argv[1:] if arguments is None else arguments
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
        return int(options.command.run(options))
    except KeyboardInterrupt:
        if name == "visplay" and RENDEZVOUS not in os.environ:  # otherwise the launcher says it
            print("visplay: interrupted; `visplay evolve --resume --out DIR` goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone, as with `| head`. Python would report it again when it flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a missing right, …: nothing that visplay could have done otherwise
        what = f"{error.filename}: {reason(error)}" if error.filename else reason(error)
        print(f"{name}: {visible(without_secrets(what))}; mend that, then repeat the command", file=sys.stderr)
        return 2
    except VisplayError as error:
        print(f"{name}: {visible(without_secrets(str(error)))}", file=sys.stderr)
        return 2


class _Parser(argparse.ArgumentParser):
    """Says which command or choice a misspelt one may mean."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            meant = did_you_mean(str(value), known)
            raise argparse.ArgumentError(action, f"no '{visible(str(value))}'{meant}; choose from {', '.join(known)}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="visplay", description="A VLM that improves itself from unlabeled images.")
    parser.add_argument("--version", action="version", version=f"visplay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        command.set_defaults(command=module)
        module.add_flags(command)
    return parser
