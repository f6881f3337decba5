"""The program `visplay`: its verbs, and what it says when something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging import ERROR, getLogger

from visplay import __version__
from visplay.cli import ask, compare, doctor, evaluate, evolve, export, lab, plan, watch


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run a verb.

    Returns:
        0, 1 when a run of a matrix failed, or 2 when the input was wrong; interrupted runs return 130.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments, argparse.Namespace(arguments=arguments))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        _quiet()
        _check_processes(options.verb)
        return int(options.verb(options))
    except KeyboardInterrupt:
        if _name() == "visplay":
            print("visplay: interrupted; `visplay evolve --resume --out DIR` goes on", file=sys.stderr)
        return 130
    except ValueError as error:
        if not _is_the_users(error):
            raise
        print(f"{_name()}: {error}", file=sys.stderr)
        return 2


def _name() -> str:
    """Who speaks: of several processes the first is the one that a user started."""
    rank, size = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    return "visplay" if rank == "0" or size == "1" else f"visplay (process {int(rank) + 1} of {size})"


def _check_processes(verb: Callable[[argparse.Namespace], int]) -> None:
    """Refuse several processes of a verb that would do the same thing in each."""
    if verb is evolve.run or os.environ.get("WORLD_SIZE", "1") == "1":
        return
    from visplay.errors import ConfigError

    raise ConfigError("only `visplay evolve` shares its work among processes; start this verb without torchrun")


def _quiet() -> None:
    """Let libraries speak of errors only: what is worth telling, the program tells itself."""
    getLogger("bitsandbytes").setLevel(ERROR)
    with suppress(ImportError):  # what is missing, `doctor` must live to tell
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()


def _is_the_users(error: ValueError) -> bool:
    """Whether the user can mend it; any other error is ours and shows its traceback."""
    from visplay.errors import (
        ConfigError,
        DistributedError,
        EngineError,
        EvaluationError,
        ImageError,
        ModelError,
        RunError,
        TrainingError,
    )

    kinds = (
        ConfigError,
        EngineError,
        EvaluationError,
        ImageError,
        ModelError,
        DistributedError,
        RunError,
        TrainingError,
    )
    return isinstance(error, kinds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="visplay", description="A VLM that improves itself from unlabeled images.")
    parser.add_argument("--version", action="version", version=f"visplay {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb in (evolve, evaluate, compare, ask, watch, export, plan, doctor, lab):
        verb.add(verbs)
    return parser
