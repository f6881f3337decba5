"""Scores a model or a run's Reasoner on labelled suites: measures, compares with a base, asks a judge."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visplay.config import Settings
from visplay.errors import ConfigError, EvaluationError
from visplay.evaluation.baselines import Baselines
from visplay.evaluation.judge.judged import judge_results, judged_summary
from visplay.evaluation.judge.prompt import PROMPT_VERSION
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.results import Measurement
from visplay.evaluation.runner import measure
from visplay.evaluation.summary import macro_summary, suites_summary
from visplay.generation.factory import check_engines, inference_engine
from visplay.interfaces.suite import SuiteSource
from visplay.roles.open import check_openable, open_roles, own_settings
from visplay.types import AnswersAre, Suite

if TYPE_CHECKING:
    from visplay.evaluation.judge.client import Judge


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's answers to suites, and those of its base where it has one."""

    suites: tuple[Suite, ...]
    model: Measurement
    base: Measurement | None

    def metrics(self) -> dict[str, Any]:
        """The figures of a report, as docs/evaluation.md describes them."""
        asked = self.base, [self.model]
        return {"suites": suites_summary(*asked), "macro": macro_summary(*asked)}

    def judged(self, judge: Judge) -> dict[str, Any]:
        """A judge's figures of the greedy answers, for a report; JudgeError if the judge cannot be asked."""
        after = judge_results(judge, self.suites, self.model.greedy)
        before = judge_results(judge, self.suites, self.base.greedy) if self.base else None
        images = {item.id: item.image.id for suite in self.suites for item in suite.items}
        return {"model": judge.model, "prompt": PROMPT_VERSION, "suites": judged_summary(after, images, before)}


def score_reasoner(
    name: str,
    suites: Sequence[Suite],
    settings: Settings,
    *,
    k: int = 0,
    no_image: bool = False,
    sampled: bool = True,
    baselines: Baselines | None = None,
) -> Measurement:
    """Measure a run's Reasoner or any model on suites, as a run does: see `measure` and `own_settings`.

    Raises:
        RunError, ModelError, ConfigError, EngineError: it cannot be opened or run; see `check_scorable`.
    """
    policies, prompts = open_roles(name, ("reasoner",), settings)
    with inference_engine(policies["reasoner"], settings) as speaker:
        max_tokens = settings.reasoner.sampling.max_tokens
        return measure(
            speaker, suites, prompts.answer, max_tokens, sampled, k=k, no_image=no_image, baselines=baselines
        )


def evaluate(
    model: str,
    *,
    data: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    answers_are: AnswersAre | None = None,
    suites: Sequence[SuiteSource | str] = (),
    base: str | None = None,
    items: int | None = None,
    k: int = 0,
    no_image: bool = False,
    sealed: bool = False,
    baselines: bool = False,
    seed: int = 0,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    trust_remote_code: bool = False,
) -> Scores:
    """The answers of a model, or of a run's Reasoner, to labelled questions; `Scores.metrics()` has the figures.

    Args:
        model: a run directory, "lab", a model folder or a hub id.
        base: the same; with a base, figures are paired item by item.
        data: a labelled file; or name `suites`, such as "easy_vqa" or "lab/single".
        columns: names of the file's columns by what they hold, such as {"question": "prompt"}.
        answers_are: what an answer beside options is: "index" (from 0), "number" (from 1), "letter" or "text".
        items: the most items per suite.
        k: also sample k answers per item, for pass@k and the majority.
        no_image: also ask every question with a blank image.
        sealed: ask the sealed half of the suites, for a final report and never for a choice; a file has none.
        baselines: also measure what the base reaches by votes, without training; with a base only.
        seed: of generated items and of sampled answers.
        preset: settings for a model; a run has its own.
        overrides: changes of single settings, `key=value`.
        trust_remote_code: run code that comes with a model.
    Raises:
        EvaluationError: the items cannot be read, or there are none; or baselines without a base.
        RunError, ModelError, ConfigError, EngineError: a model cannot be opened or run.
    """
    if baselines and base is None:
        raise EvaluationError("baselines are votes of a base; name the base")
    settings = {
        name: own_settings(name, preset, overrides, {"seed": seed}, trust_remote_code=trust_remote_code)
        for name in (model, base)
        if name
    }
    if data is None and (columns or answers_are):
        raise EvaluationError("columns and answers_are are those of a labelled file; name it as data")
    file = {"type": "file", "path": data, "columns": dict(columns or {}), "answers_are": answers_are}
    sources: Sequence[SuiteSource | str | Mapping[str, Any]] = suites if data is None else [file]
    opened = open_suites(sources, seed, items, sealed=sealed)
    if not opened:
        raise EvaluationError("nothing to answer; name a labelled file as data, or suites such as easy_vqa")
    for name, chosen in settings.items():
        check_scorable(name, chosen)
    votes = Baselines.of(settings[model]) if baselines else None
    found = {
        name: score_reasoner(name, opened, chosen, k=k, no_image=no_image, baselines=votes if name == base else None)
        for name, chosen in settings.items()
    }
    return Scores(opened, found[model], found[base] if base else None)


def check_scorable(name: str, settings: Settings) -> None:
    """Refuse what cannot be scored, before anything is loaded or asked, as `check_openable` and `check_engines` do."""
    check_engines(settings)
    check_openable(name, settings.trust_remote_code)


def check_place(out: Path) -> None:
    """Make the folder of a report; ConfigError if the report cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot make its folder ({error.strerror})") from None
    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        raise ConfigError(f"--out {out} is a folder, or cannot be written to; name a file")
