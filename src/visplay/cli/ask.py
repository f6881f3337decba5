"""`visplay ask`: what both roles do with single images."""

from __future__ import annotations

import argparse
import sys

from visplay.cli.common import Commands, add_engine, add_preset, add_set


def add(commands: Commands) -> None:
    """Add the command and its flags."""
    ask = commands.add_parser("ask", help="the Questioner's questions about images, with the Reasoner's votes")
    ask.add_argument("model", metavar="MODEL_OR_RUN", help="a run directory, 'lab', a model folder, or a hub id")
    ask.add_argument("images", nargs="+", metavar="IMAGE")
    asking = ask.add_mutually_exclusive_group()
    asking.add_argument(
        "--questions", type=int, metavar="N", help="questions about each image; default: as the settings say"
    )
    asking.add_argument("--question", metavar="TEXT", help="ask the Reasoner this question, without the Questioner")
    ask.add_argument("--votes", type=int, metavar="M", help="votes on each question; default: as the settings say")
    add_preset(ask, None, "for a model: ")
    add_set(ask)
    add_engine(ask)
    ask.add_argument("--seed", type=int, help="random seed; default: as the settings say")
    ask.set_defaults(run_command=_ask)


def _ask(options: argparse.Namespace) -> int:
    from visplay.data.sources.folder import read_files
    from visplay.tools.ask import ask, asking_settings, reply_lines, visible

    counts = {"silver.questions_per_image": options.questions, "silver.votes": options.votes}
    given = [f"{key}={count}" for key, count in counts.items() if count is not None]
    given += [f"engine={options.engine}"] if options.engine else []
    settings = asking_settings(options.model, options.preset, [*options.set, *given], options.seed)
    images, skipped = read_files(options.images)
    for one in skipped:
        print(f"visplay: cannot read {visible(one.path)}: {one.reason}", file=sys.stderr)
    if not images:
        return 2
    for line in reply_lines(ask(options.model, images, settings, options.question), settings):
        print(line)
    return 0
