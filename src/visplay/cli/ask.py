"""`visplay ask`: what both roles do with single images."""

from __future__ import annotations

import argparse
import sys

from visplay.cli.common import ENGINE, IMPORT, MODEL_PRESET, SET, TRUST
from visplay.cli.interrupts import unwind_from_here
from visplay.cli.terminal import say
from visplay.errors import visible


def add_flags(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", metavar="MODEL_OR_RUN", help="a run directory, 'lab', a model folder, or a hub id")
    add("images", nargs="+", metavar="IMAGE")
    asking = command.add_mutually_exclusive_group()
    asking.add_argument(
        "--questions", type=int, metavar="N", help="questions about each image; default: as the settings say"
    )
    asking.add_argument("--question", metavar="TEXT", help="ask the Reasoner this question, without the Questioner")
    add("--votes", type=int, metavar="M", help="votes on each question; default: as the settings say")
    add("--preset", **MODEL_PRESET)
    add("--set", **SET)
    add("--import", **IMPORT)
    add("--trust-remote-code", **TRUST)
    add("--engine", **ENGINE)
    add("--seed", type=int, help="random seed; default: as the settings say")


def run(options: argparse.Namespace) -> int:
    """Print the questions with their votes; returns 2 if no image can be read."""
    from visplay.data.sources.folder import read_files
    from visplay.roles.open import own_settings
    from visplay.tools.ask import ask, reply_lines

    unwind_from_here()
    given = {
        "silver.questions_per_image": options.questions,
        "silver.votes": options.votes,
        "engine": options.engine,
        "seed": options.seed,
    }
    changes = [*options.set, *(f"{key}={value}" for key, value in given.items() if value is not None)]
    settings = own_settings(options.model, options.preset, changes, trust_remote_code=options.trust_remote_code)
    images, skipped = read_files(options.images)
    for one in skipped:
        say(f"visplay: cannot read {visible(one.path)}: {one.reason}", to=sys.stderr)
    if not images:
        return 2
    say(*reply_lines(ask(options.model, images, settings, options.question), settings))
    return 0
