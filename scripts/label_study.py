"""Label accuracy under each labeler and gate, on the same questions: `python scripts/label_study.py`.

The study trains nothing and takes minutes. It shows what a labeler or a gate does to the labels, but not what training
on these labels achieves.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from visplay.config import Settings, SilverSettings, load_settings
from visplay.data.sampler import Sampler
from visplay.errors import ConfigError, VisplayError
from visplay.evaluation.statistics import wilson_interval
from visplay.interfaces.component import Component, components
from visplay.lab.observer import KnownImages, is_true
from visplay.lab.truth import Truth
from visplay.labeling.synthesis import apply_gates, distinct
from visplay.roles.open import open_reasoner, open_roles
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.types import Question

HEADINGS = f"{'recipe':40} {'true':>6} {'95 %':>16} {'answerable':>11} {'kept':>6} of asked"


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Counts of questions under one recipe of labeler and gates.

    Attributes:
        asked: questions that the labeler got.
        kept: questions with a silver answer that passed the gates.
        true: kept questions whose silver answer is the true answer.
        answerable: kept questions that have a true answer.
    """

    recipe: str
    asked: int
    kept: int
    true: int
    answerable: int

    def __str__(self) -> str:
        """A line under `HEADINGS`; the interval is Wilson's."""
        true, interval, answerable = "-", "-", "-"
        if self.kept:
            low, high = wilson_interval(self.true, self.kept)
            interval = f"[{low:.3f}, {high:.3f}]"
            true, answerable = f"{self.true / self.kept:.3f}", f"{self.answerable / self.kept:.3f}"
        return f"{self.recipe:40} {true:>6} {interval:>16} {answerable:>11} {self.kept:>6} of {self.asked}"


def study_labels(model: str, count: int, settings: Settings) -> Iterator[LabelRow]:
    """The label study on `count` images; the lab's model is the Questioner and `model` the Reasoner.

    Args:
        model: a run, "lab", a model folder or a hub id.
    Raises:
        ConfigError: the scenes of the settings' images are not known.
        RunError, ModelError: as `open_roles`.
    """
    source = settings.images
    if not isinstance(source, KnownImages):
        raise ConfigError(f"the true answers for '{source}' are not known; use drawings such as lab/single")
    images = source.open(settings.seed).images
    chosen = Sampler(images, settings.seed).take(min(count, len(images)))
    policy, prompts, _ = open_reasoner(model)
    reasoner = Reasoner(settings.engine.vote_engine(policy, settings), prompts, settings.reasoner, settings.seed)
    policies, prompts = open_roles("lab", ("questioner",), settings)
    engine = settings.engine.vote_engine(policies["questioner"], settings)
    questioner = Questioner(engine, prompts, settings.questioner, settings.seed)
    asked = questioner.ask(chosen, settings.silver.questions_per_image, "labels")
    questions = distinct(entry.question for entry in asked if entry.question)
    return label_study(reasoner, questions, source.truth(settings.seed), settings.silver)


def label_study(
    reasoner: Reasoner, questions: Sequence[Question], truth: Truth, settings: SilverSettings
) -> Iterator[LabelRow]:
    """A row for each recipe.

    First each labeler without gates. Then, with the labeler of the settings: each gate alone; all gates of the
    settings; these without each of them, and with each other gate added. Last each labeler with all gates of the
    settings.
    """
    answers = {question.id: truth.answer(question) for question in questions}
    labelers, gates = _all("labeler", [settings.labeler]), _all("gate", settings.gates)
    labelled = {name: labeler.label(questions, settings.votes, reasoner) for name, labeler in labelers.items()}
    ours, own = settings.labeler.name, [gate.name for gate in settings.gates]
    recipes = [
        *((f"labeler {name}", name, []) for name in labelers),
        *((f"gate {name} alone", ours, [name]) for name in gates),
        ("gates " + ", ".join(own), ours, own),
        *(
            (f"  without {name}", ours, [gate for gate in own if gate != name])
            if name in own
            else (f"  and {name}", ours, [*own, name])
            for name in gates
        ),
        *((f"  with labeler {name}", name, own) for name in labelers),
    ]
    for recipe, labeler, chosen in recipes:
        candidates = labelled[labeler]
        kept, _ = apply_gates([gates[name] for name in chosen], candidates, reasoner)
        true = sum(is_true(each.result.answer, answers[each.question.id]) for each in kept)
        answerable = sum(answers[each.question.id] is not None for each in kept)
        yield LabelRow(recipe, len(candidates), len(kept), true, answerable)


def _all(seam: str, chosen: Sequence[Component]) -> dict[str, Any]:
    """Every component of a seam by name: the chosen ones, and the others with their default settings."""
    defaults = {name: component() for name, component in components(seam).items()}
    return defaults | {component.name: component for component in chosen}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and print the rows; the exit status is 2 where the input is wrong."""
    parser = argparse.ArgumentParser(description="How true silver answers are under each labeler and gate.")
    parser.add_argument("--images", default="lab/single", help="drawings such as lab/single, or easy-vqa to report")
    parser.add_argument("--model", default="lab", metavar="MODEL_OR_RUN", help="the Reasoner; the lab's model asks")
    parser.add_argument("--preset", default="default", help="a preset or a YAML file; default: %(default)s")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="images to ask about; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change any setting")
    options = parser.parse_args(arguments)
    try:
        if options.count < 1:
            raise ConfigError("--count must be at least 1")
        settings = load_settings(options.preset, options.set, {"images": options.images, "seed": options.seed})
        rows = study_labels(options.model, options.count, settings)
    except VisplayError as error:
        print(error, file=sys.stderr)
        return 2
    print(HEADINGS)
    for row in rows:
        print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
