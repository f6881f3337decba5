"""Synthesis and its file: the gates, distinct questions, votes that stay with their question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from visplay.config import QuestionerSettings, ReasonerSettings, SilverSettings, check_settings
from visplay.interfaces.engine import Sampling
from visplay.labeling.files import (
    LONGEST,
    ROOM,
    SHORTEST,
    join_silver,
    read_silver,
    shortened,
    synthesis_rows,
    write_record,
    write_silver,
)
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.band import Band
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.synthesis import Synthesis, synthesize
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.runs.parquet import read_table
from visplay.types import Completion, ImageRef, Request, StepId

PROMPTS = Prompts(questioner="ask", reasoner="{question}", learned=True)
PICTURES = tuple(ImageRef(f"p{n}", b"") for n in range(600))


class Script:
    """An engine whose texts follow from the request alone."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        number = int(request.image.id.removeprefix("p").partition("~")[0])
        if request.prompt == "ask":
            wording = "same?" if number % 3 == 0 else f"which {index}?"
            text = "rubbish" if number % 5 == 4 else f"<type>open</type><question>{wording}</question>"
        elif index < number % 9:
            text = f"\\boxed{{answer {request.image.id} {request.prompt}}}"
        else:
            text = "no box"
        return Completion(request.id, index, (1, 2), (-0.25, -0.25 * index), text, True)


def made(images: Sequence[ImageRef], settings: SilverSettings, answers: Script | None = None) -> Synthesis:
    """A silver set by the settings' own labeler and gates; `answers` replaces the Reasoner's script."""
    questioner = Questioner(Script(), PROMPTS, QuestionerSettings(), 0)
    reasoner = Reasoner(answers or Script(), PROMPTS, ReasonerSettings(), 0)
    asked, votes = settings.questions_per_image, settings.votes
    return synthesize(questioner, settings.labeler, settings.gates, reasoner, images, asked, votes, "1/silver")


EVERYTHING = (Band(low=0, high=1),)


def test_what_is_kept_is_valid_distinct_and_inside_the_band() -> None:
    settings = SilverSettings(questions_per_image=2, votes=8, gates=(Band(low=0.25, high=0.75),))
    synthesis = made(PICTURES, settings)
    assert synthesis.asked == 1200
    assert synthesis.valid == sum(2 for n in range(600) if n % 5 != 4)
    assert len(synthesis.candidates) == sum(1 if n % 3 == 0 else 2 for n in range(600) if n % 5 != 4)
    kept = {int(item.question.image.id[1:]) for item in synthesis.items}
    assert kept == {n for n in range(600) if n % 5 != 4 and 2 <= n % 9 <= 6}


def test_votes_are_spread_over_augmentations(tmp_path: Path) -> None:
    labeler = Majority(augmentations=("plain", "darker", "smaller"))
    settings = SilverSettings(labeler=labeler, votes=8, gates=EVERYTHING)
    synthesis = made(PICTURES[:10], settings)
    for candidate in synthesis.candidates:
        assert [vote.index for vote in candidate.votes] == list(range(8))
        augmentations = [vote.augmentation for vote in candidate.votes]
        assert augmentations == ["plain"] * 3 + ["darker"] * 3 + ["smaller"] * 2
    write_silver(tmp_path / "silver.parquet", synthesis.items, 1)
    again = read_silver(tmp_path / "silver.parquet", {p.id: p for p in PICTURES})
    assert again == synthesis.items
    assert {item.question.image.id for item in again} <= {p.id for p in PICTURES}, "learning uses the image itself"


def test_refusals_can_be_left_out() -> None:
    class Shy(Script):
        def _complete(self, request: Request, index: int) -> Completion:
            completion = super()._complete(request, index)
            shy = request.prompt != "ask" and int(request.image.id[1:]) % 2 == 0
            return replace(completion, text="\\boxed{unknown}") if shy else completion

    kept = made(PICTURES[:60], SilverSettings(gates=EVERYTHING), Shy())
    left_out = made(PICTURES[:60], SilverSettings(gates=(Answered(), *EVERYTHING)), Shy())
    assert {item.answer == "unknown" for item in kept.items} == {True, False}
    assert left_out.items == tuple(item for item in kept.items if item.answer != "unknown")
    assert left_out.statistics()["refused"] == sum(item.answer == "unknown" for item in kept.items) > 0


def test_what_was_dropped_is_named_with_its_gate() -> None:
    settings = check_settings({"silver": {"gates": ["answered", "needs_image", "band"]}}, "here").silver
    synthesis = made(PICTURES[:60], settings)
    answered = {c.question.id for c in synthesis.candidates if c.result.answer is not None}
    kept = {item.question.id for item in synthesis.items}
    # The script's answers name the image, so every question needs its image.
    assert {gate for gate, _ in synthesis.dropped.values()} == {"band"}
    assert kept and kept | synthesis.dropped.keys() == answered and not kept & synthesis.dropped.keys()
    assert synthesis.statistics()["dropped"] == {"band": len(synthesis.dropped)}


def test_all_that_was_asked_is_recorded_with_why_it_was_not_kept() -> None:
    synthesis = made(PICTURES[:60], SilverSettings(questions_per_image=3, gates=(Band(low=0.25, high=0.75),)))
    rows = list(synthesis_rows(synthesis))
    asked = {f"1/silver/{image.id}#{index}" for image in PICTURES[:60] for index in range(3)}
    assert len(rows) == synthesis.asked == len(asked) and {row["id"] for row in rows} == asked
    by_gate = {gate: [row for row in rows if row["gate"] == gate] for gate in (None, "invalid", "repeated", "band")}
    assert len(by_gate[None]) == len(synthesis.items) and all(row["kept"] for row in by_gate[None])
    assert len(by_gate["invalid"]) == synthesis.asked - synthesis.valid > 0
    assert {(row["question"], row["type"], row["reason"]) for row in by_gate["invalid"]} == {
        ("rubbish", None, "not in the agreed form")
    }
    assert len(by_gate["repeated"]) == synthesis.valid - len(synthesis.candidates) > 0
    assert {(row["question"], row["reason"]) for row in by_gate["repeated"]} == {
        ("same?", "the same question about the image came before")
    }
    assert by_gate["band"] and all(row["reason"] and not row["kept"] for row in rows if row["gate"])
    there = {image.id for image in PICTURES[:7]}
    assert {entry.request.image.id for entry in synthesis.about(there).left_out} <= there


@pytest.mark.parametrize("outputs", [3, 60_000])
def test_a_record_is_bounded_on_the_disk(tmp_path: Path, outputs: int) -> None:
    """Questions and answers stay whole; of long outputs beginning and end are kept, as many as there is room for."""
    long, question = "It is " + "so " * 3000 + "red.", "what " * 300 + "is it?"
    row = {"id": "a", "image": "p", "type": "open", "question": question, "reasoning": [long] * outputs}
    bad = {"id": "b", "image": "p", "question": long, "gate": "invalid", "evidence": [long], "reasoning": ["short"]}
    write_record(tmp_path, StepId(1, "silver", 0), [row, bad])
    told, invalid = read_table(tmp_path / "asked" / "1-silver-0.parquet").to_pylist()
    most = LONGEST if outputs == 3 else ROOM // outputs
    assert told["question"] == question and SHORTEST < most <= LONGEST
    for text in (*told["reasoning"][:3], invalid["question"], *invalid["evidence"]):
        assert 0.9 * most < len(text) < most + 40
        assert text.startswith("It is so") and text.endswith("so red.") and " characters …]" in text
    assert invalid["reasoning"] == ["short"] and shortened("x" * LONGEST, LONGEST) == "x" * LONGEST


def test_fewer_votes_than_augmentations_use_the_first_ones() -> None:
    settings = SilverSettings(labeler=Majority(augmentations=("darker", "plain")), votes=1, gates=EVERYTHING)
    synthesis = made(PICTURES[:10], settings)
    assert {vote.augmentation for candidate in synthesis.candidates for vote in candidate.votes} == {"darker"}


def test_votes_stay_with_their_question() -> None:
    synthesis = made(PICTURES, SilverSettings())
    for item in synthesis.items:
        assert item.answer == f"answer {item.question.image.id} {item.question.text}"
        assert {vote.question_id for vote in item.votes} == {item.question.id}
        boxed = sum(vote.answer is not None for vote in item.votes)
        assert item.confidence == pytest.approx(boxed / 8)


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    items = made(PICTURES, SilverSettings()).items
    write_silver(tmp_path / "a.parquet", items, 1)
    write_silver(tmp_path / "b.parquet", (), 2)
    images = {image.id: image for image in PICTURES}
    assert read_silver(tmp_path / "a.parquet", images) == items
    join_silver([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "silver.parquet")
    assert read_silver(tmp_path / "silver.parquet", images) == items


def test_votes_come_back_with_the_log_probability_of_their_words(tmp_path: Path) -> None:
    items = made(PICTURES[:10], SilverSettings(votes=3, gates=EVERYTHING)).items
    write_silver(tmp_path / "a.parquet", items, 1)
    for item in read_silver(tmp_path / "a.parquet", {image.id: image for image in PICTURES}):
        assert [vote.logprob for vote in item.votes] == [-0.125, -0.25, -0.375]


def test_statistics_without_a_single_valid_question() -> None:
    statistics = made(PICTURES[4:5], SilverSettings()).statistics()
    assert statistics["candidates"] == statistics["kept"] == 0 and statistics["mean_confidence"] is None
