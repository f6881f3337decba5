"""The program `visplay`: its commands, and the one line it prints for an error that the user can fix."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence

from visplay import __version__
from visplay.cli import ask, compare, components, doctor, evaluate, evolve, export, lab, plan, watch
from visplay.errors import ConfigError, VisplayError

# Libraries read these when they are imported, so they are silent without being imported here.
_QUIET = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run a command.

    Returns:
        The exit status: 0; 1 when a run of a matrix failed; 2 when the input was wrong; 130 when interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        _check_processes(options.run_command)
        return int(options.run_command(options))
    except KeyboardInterrupt:
        if _name() == "visplay":
            print("visplay: interrupted; `visplay evolve --resume --out DIR` goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of the output has gone, as with `| head`. Python would report it again when it flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except VisplayError as error:
        print(f"{_name()}: {error}", file=sys.stderr)
        return 2


def _name() -> str:
    """The name that errors begin with; of several processes, the first is the one the user started."""
    rank, size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    return "visplay" if rank == "0" or size == "1" else f"visplay (process {int(rank) + 1} of {size})"


def _check_processes(command: Callable[[argparse.Namespace], int]) -> None:
    """Refuse several processes of a command that would do the same thing in each."""
    if command is not evolve.run and os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError("only `visplay evolve` shares its work among processes; start this command without torchrun")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visplay", description="A VLM that improves itself from unlabeled images.")
    parser.add_argument("--version", action="version", version=f"visplay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (evolve, evaluate, compare, ask, watch, export, plan, components, doctor, lab):
        command.add(commands)
    return parser
