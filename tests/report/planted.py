"""A run directory as a run of ours writes it, without any model: metrics, marks, records, silver sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visplay.evaluation.grading import Mark
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.labeling.files import silver_file, step_rows, synthesis_rows, write_record, write_silver
from visplay.labeling.synthesis import Synthesis
from visplay.roles.questioner import Asked, RewardBreakdown
from visplay.runs import RunDirectory
from visplay.types import Candidate, Completion, ImageRef, Question, Request, SilverItem, StepId, Vote, VoteResult

SETTINGS = (
    *("images=lab/single", "iterations=2", "questioner.steps=2", "reasoner.steps=3", "acceptance.images=2"),
    *(
        "evaluation.suites=[lab/single]",
        "silver.gates=[answered, needs_image, {type: band, low: 0.6, high: 1.0, chance_corrected: true}]",
    ),
)


class Written:
    """An open run and what is written into it, in the order of a run."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.path = run.path

    def line(self, phase: str, iteration: int, step: int, seconds: float = 2.0, **values: Any) -> None:
        """One line of metrics."""
        self.run.metrics.append(phase, iteration, step, values, {"seconds": seconds})

    def measure(self, iteration: int, right: int, of: int = 10) -> None:
        """Marks of one suite, and the line that follows them."""
        (self.path / "measurements").mkdir(exist_ok=True)
        marks = tuple(Mark(f"item-{i}", "red", i < right, True) for i in range(of))
        file = self.path / "measurements" / f"iteration-{iteration}.jsonl"
        Measurement({"greedy": {"lab/single": SuiteResult("lab/single", marks)}}).save(file)
        self.line("measure", iteration, 0, **{"greedy/lab/single": right / of})

    def silver(self, iteration: int, synthesis: Synthesis, recorded: bool = True, **values: Any) -> None:
        """A silver set with its line; `values` replace what it says."""
        write_silver(silver_file(self.path, iteration), synthesis.items, iteration)
        if recorded:
            write_record(self.path, StepId(iteration, "silver", 0), synthesis_rows(synthesis))
        self.line("silver", iteration, 0, **{**synthesis.statistics(), **values})

    def begin(self) -> None:
        """What comes before the first iteration."""
        self.measure(0, 5)
        self.line("accept", 0, 0, anchor=4)


def candidate(name: str, text: str, answers: Sequence[str | None], image: str = "p/1", type: Any = "open") -> Candidate:
    """A question with its votes; the first answer is the majority's."""
    question = Question(name, ImageRef(image, b""), type, text)
    reasons = (f"I see it is {answer}" for answer in answers)
    votes = tuple(Vote(name, i, a, t, "plain", -0.5) for i, (a, t) in enumerate(zip(answers, reasons, strict=True)))
    share = answers.count(answers[0]) / len(answers)
    result = VoteResult(name, answers[0], share if answers[0] else 0.0, len(answers), answers.count(None))
    return Candidate(question, votes, result)


def synthesis(candidates: Sequence[Candidate], dropped: dict[str, tuple[str, str]], asked: int = 0) -> Synthesis:
    """All candidates with an answer that no gate dropped are kept."""
    items = tuple(
        SilverItem(c.question, c.result.answer, c.result.confidence, c.votes)
        for c in candidates
        if c.result.answer is not None and c.question.id not in dropped
    )
    asked = asked or len(candidates)
    return Synthesis(asked, asked, tuple(candidates), items, dropped)


def silver_set(iteration: int = 1) -> Synthesis:
    """Four questions: kept, dropped by the band, without an answer, kept."""
    found = [
        candidate(f"{iteration}/silver/p/1#0", "what color is the circle?", ["red", "red", "blue", "red"]),
        candidate(f"{iteration}/silver/p/1#1", "is it a circle?", ["yes"] * 4, type="multiple choice"),
        candidate(f"{iteration}/silver/p/2#0", "How many circles?", [None, None, "1", None], "p/2", "numerical"),
        candidate(f"{iteration}/silver/p/2#1", "what shape is it?", ["circle", "circle", "cross", None], "p/2"),
    ]
    return synthesis(found, {found[1].question.id: ("band", "1.00 is not within 0.60 to 0.90")})


def asked(run: Path, iteration: int, step: int) -> None:
    """A step of the Questioner: one question, and one text that is none."""
    request = Request(f"{iteration}/questioner/{step}/p/1", ImageRef("p/1", b""), "ask", 2)
    one = candidate(f"{request.id}#0", "what is this?", ["cat", "cat", "dog", None])
    texts = ("<type>open</type><question>what is this?</question>", "rubbish")
    completions = [Completion(request.id, i, (1,), (0.0,), text, True) for i, text in enumerate(texts)]
    members = [Asked(request, completions[0], one.question), Asked(request, completions[1], None)]
    rewards = {
        members[0].key: RewardBreakdown(0.75, 0.25, 0.125, 0.375),
        members[1].key: RewardBreakdown(0.0, 0.25, 0.0, 0.0),
    }
    write_record(run, StepId(iteration, "questioner", step), step_rows(members, [one], {}, rewards))
