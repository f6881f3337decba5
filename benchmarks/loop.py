"""One whole iteration on the lab: Questioner phase, silver set, Reasoner phase; nothing is measured.

Ours: `visplay.selfplay.loop` with its run directory, metrics and a checkpoint a step. Peer: the same loop on
TRL's GRPOTrainer, `benchmarks/trl_loop.py`, which keeps nothing. Both start from the embedded model, look
at the same drawings and have preset `votes`'s settings but for the sizes below; `--set` changes
any of them except the gates of the silver set, which the peer has built in. Opening the model is part
of the time on both sides. Sampling differs, so the numbers of valid questions and of silver items do a
little as well; the output says by how much.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from benchmarks.paired import Result, alternate, fix_threads, parser, report
from benchmarks.trl_loop import TrlLoop
from visplay.config import Settings, load_settings
from visplay.lab.drawings import drawings
from visplay.models.names import model_name
from visplay.roles.prompts import load_prompts
from visplay.runs import RunDirectory, read_metrics
from visplay.selfplay.context import RunInputs
from visplay.selfplay.logger import RunLogger
from visplay.selfplay.loop import self_play
from visplay.selfplay.state import SelfPlayState
from visplay.types import ImageRef

SIZES = (
    "device=cpu",
    "iterations=1",
    "evaluation.before=false",
    "questioner.steps=2",
    "silver.images=96",
    "silver.gates=[answered, {type: band, low: 0.6, high: 1.0}]",
    "reasoner.steps=4",
    "reasoner.questions_per_step=32",
)
DRAWINGS = 256


def main() -> None:
    options = parser(__doc__, repeats=3)
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as `visplay evolve` takes it")
    args = options.parse_args()
    fix_threads(args.threads)
    settings = load_settings("votes", [*SIZES, *args.set])
    images = drawings("single", DRAWINGS, settings.seed)[0]
    ours, peer = OurLoop(settings, images), PeerLoop(settings, images)
    seconds = alternate({"ours": ours.task, "peer": peer.task}, args.repeats)
    result = Result(
        benchmark="loop",
        seconds=seconds,
        sizes=_sizes(settings),
        threads=args.threads,
        floor_seconds=None,
        details={"ours": _mean(ours.found[1:]), "peer": _mean(peer.found[1:]), "floor": "not counted"},
    )
    report(result, args.json)


class OurLoop:
    """visplay's loop; `found` has what each round did."""

    def __init__(self, settings: Settings, images: tuple[ImageRef, ...]) -> None:
        self.settings = settings
        self.inputs = RunInputs(images, (), None)
        self.found: list[dict[str, float]] = []

    def task(self, number: int) -> Callable[[], object]:
        return lambda: self.run(self.settings.model_copy(update={"seed": number}))

    def run(self, settings: Settings) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            RunDirectory.create(Path(folder) / "run", settings) as run,
        ):
            self_play(
                self.inputs,
                SelfPlayState(settings),
                settings,
                RunLogger(run, settings, Console(file=io.StringIO())),
            )
            self.found.append(self.done(read_metrics(run.path / "metrics.jsonl")))

    def done(self, lines: list[dict[str, Any]]) -> dict[str, float]:
        asking = [line for line in lines if line["phase"] == "questioner"]
        answering = [line for line in lines if line["phase"] == "reasoner"]
        (silver,) = (line for line in lines if line["phase"] == "silver")
        settings = self.settings
        asked = settings.questioner.images_per_step * settings.questioner.group_size
        questions = sum(asked * (1 + line["valid"] * settings.questioner.votes) for line in asking)
        synthesis = silver["asked"] + silver["candidates"] * settings.silver.votes
        learned = min(settings.reasoner.questions_per_step, silver["kept"]) * settings.reasoner.group_size
        return {
            "completions": questions + synthesis + learned * len(answering),
            "kept": silver["kept"],
            "questioner_reward": fmean(line["reward"] for line in asking),
            "reasoner_reward": fmean(line["reward"] for line in answering),
        }


class PeerLoop:
    """The loop on TRL; `found` has what each round did."""

    def __init__(self, settings: Settings, images: tuple[ImageRef, ...]) -> None:
        self.settings = settings
        self.images = images
        self.found: list[dict[str, float]] = []

    def task(self, number: int) -> Callable[[], object]:
        return lambda: self.run(self.settings.model_copy(update={"seed": number}))

    def run(self, settings: Settings) -> None:
        prompts = load_prompts(None, Path(model_name(settings.model)))
        done = TrlLoop(settings, prompts).iterate(self.images)
        self.found.append(
            {
                "completions": done.completions,
                "kept": done.kept,
                "questioner_reward": fmean(done.questioner_rewards),
                "reasoner_reward": fmean(done.reasoner_rewards),
            }
        )


def _mean(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: fmean(one[name] for one in rounds) for name in rounds[0]}


def _sizes(settings: Settings) -> dict[str, Any]:
    return {
        "questioner_steps": settings.questioner.steps,
        "images_per_step": settings.questioner.images_per_step,
        "group": settings.questioner.group_size,
        "votes": settings.questioner.votes,
        "silver_images": settings.silver.images,
        "questions_per_image": settings.silver.questions_per_image,
        "silver_votes": settings.silver.votes,
        "labeler": settings.silver.labeler.as_settings(),
        "reasoner_steps": settings.reasoner.steps,
        "questions_per_step": settings.reasoner.questions_per_step,
    }


if __name__ == "__main__":
    main()
