"""Task sources in a silver set: shares of the images, gates, records, and what the lab measures of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visplay.config import QuestionerSettings, ReasonerSettings, check_settings
from visplay.errors import ConfigError
from visplay.interfaces.engine import Sampling
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.interfaces.task_source import TaskSource, image_counts
from visplay.lab.observer import LabObserver
from visplay.lab.scene import Scene, Thing
from visplay.lab.truth import Truth, drawn
from visplay.labeling.files import join_silver, read_silver, synthesis_rows, write_record, write_silver
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.band import Band
from visplay.labeling.gates.boxed import Boxed
from visplay.labeling.gates.needs_image import NeedsImage
from visplay.labeling.gates.parsable import Parsable
from visplay.labeling.gates.self_check import SelfCheck
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.synthesis import Synthesis, share_out, synthesize
from visplay.labeling.tasks.paste_and_count import PasteAndCount
from visplay.labeling.tasks.rotation import Rotation
from visplay.report.health import signs
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.runs.parquet import read_table, write_table
from visplay.tools.plan.workload import Assumed, generations
from visplay.types import Augmentation, Candidate, Completion, Group, ImageRef, Question, Request, StepId, VoteResult

PROMPTS = Prompts(questioner="ask", reasoner="{question}", learned=True)


def stored(name: str, seed: int) -> ImageRef:
    patches = np.random.default_rng(seed).integers(0, 256, size=(5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(patches).resize((64, 64), Image.Resampling.NEAREST).save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())


PICTURES = tuple(stored(f"p{n}", n) for n in range(40))


class Script:
    """An engine that asks "which 0?" and so on, and gives four of eight answers; it keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        text = f"<type>open</type><question>which {index}?</question>"
        if request.prompt != "ask":
            text = f"\\boxed{{{request.image.id if index % 2 else 'none'}}}"
        return Completion(request.id, index, (1, 2), (-0.25, -0.25), text, True)


class Computed(TaskSource):
    """As a program does: two questions about each image, answered without votes."""

    def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
        found = []
        for name, image in ((f"{tag}/{image.id}#{n}", image) for image in images for n in range(2)):
            question = Question(name, image, "open", f"computed question {name[-1]} of a program?", skill="counting")
            found.append(Candidate(question, (), VoteResult(name, f"answer {image.id}", 0.9, votes=0, unboxed=0)))
        return found

    def requests(self) -> tuple[ExtraRequests, ...]:
        return (ExtraRequests("lists", 2, 1, 3),)


TASKS = (Rotation(share=0.3), Computed(share=0.2))
SEVERE = (Boxed(), Answered(max_refusals=0.5), Band(low=0.4, high=0.6))


def made(
    tasks: Sequence[TaskSource] = TASKS, gates: Sequence[Gate] = SEVERE, engine: Script | None = None
) -> Synthesis:
    questioner = Questioner(Script(), PROMPTS, QuestionerSettings(), 0)
    reasoner = Reasoner(engine or Script(), PROMPTS, ReasonerSettings(), 0)
    return synthesize(questioner, Majority(), gates, reasoner, PICTURES, 2, 8, "1/silver", tasks)


@given(st.integers(0, 200), st.lists(st.floats(0.01, 1), max_size=5))
def test_shares_are_kept_within_an_image(count: int, shares: list[float]) -> None:
    shares = [share / max(1.0, sum(shares)) for share in shares]
    counts = image_counts(count, [Rotation(share=share) for share in shares])
    assert sum(counts) == count and min(counts) >= 0
    assert all(abs(got - count * share) < 1 + 1e-6 for got, share in zip(counts[1:], shares, strict=True))


def test_each_image_has_one_owner_that_the_seed_and_the_tag_draw() -> None:
    parts = share_out(PICTURES, TASKS, 0, "1/silver")
    assert [len(part) for part in parts] == [20, 12, 8]
    assert sorted(image.id for part in parts for image in part) == sorted(image.id for image in PICTURES)
    assert all(part == sorted(part, key=PICTURES.index) for part in parts)
    assert parts == share_out(PICTURES, TASKS, 0, "1/silver")
    assert parts != share_out(PICTURES, TASKS, 0, "2/silver") and parts != share_out(PICTURES, TASKS, 1, "1/silver")
    assert share_out(PICTURES, (), 0, "1/silver") == [list(PICTURES)]


def test_candidates_of_sources_pass_the_gates_that_judge_by_votes() -> None:
    synthesis = made(gates=(*SEVERE, NeedsImage(), Parsable(), SelfCheck()))
    assert synthesis.sources == ("rotation", "Computed")
    kept = [item.question.source for item in synthesis.items]
    assert kept.count("rotation") == 12 and kept.count("Computed") == 16
    assert kept.count("questioner") == 0, "the gates drop all of its questions"
    assert synthesis.dropped.keys() == {
        c.question.id for c in synthesis.candidates if c.question.source == "questioner"
    }
    assert {item.votes for item in synthesis.items} == {()}


def test_no_gate_asks_about_a_made_image() -> None:
    """The task `paste_and_count` asks in words of the grammar, and other images would give its answers too."""
    engine = Script()
    counts = (PasteAndCount(share=0.5),)
    synthesis = made(counts, (NeedsImage(max_agreement=0), SelfCheck(), Band(low=1, high=1)), engine)
    assert {item.question.source for item in synthesis.items} == {"paste_and_count"} and len(synthesis.items) == 20
    assert not any(request.image.made for request in engine.asked)


def test_without_sources_nothing_changes() -> None:
    assert "tasks" not in made(()).statistics()
    assert made(()) == synthesize(
        Questioner(Script(), PROMPTS, QuestionerSettings(), 0),
        Majority(),
        SEVERE,
        Reasoner(Script(), PROMPTS, ReasonerSettings(), 0),
        PICTURES,
        2,
        8,
        "1/silver",
    )


def test_the_figures_of_the_questioner_stay_its_own() -> None:
    both = made().statistics()
    assert both["tasks"] == {"rotation": {"asked": 12, "kept": 12}, "Computed": {"asked": 16, "kept": 16}}
    assert both["asked"] == both["valid"] == both["candidates"] == 40
    assert both["kept"] == 40 + 12 + 16 and both["types"] == {"open": 40} and both["distinct_texts"] == 2
    assert both["mean_confidence"] == 0.5
    page: dict[str, Any] = {"silver": [{"iteration": 1, **both}], "verdicts": [], "curves": [], "phases": []}
    (small,) = [sign for sign in signs(page) if sign["name"] == "small set"]
    assert small["words"].startswith("68 of 68 ")


def test_made_images_are_written_and_read_back_by_id(tmp_path: Path) -> None:
    synthesis = made()
    write_silver(tmp_path / "silver.parquet", synthesis.items, 1)
    again = read_silver(tmp_path / "silver.parquet", {image.id: image for image in PICTURES})
    assert again == synthesis.items
    turned = [item.question.image for item in again if item.question.source == "rotation"]
    assert all(image.made and image.id.startswith("p") and "~rotation(" in image.id for image in turned)
    before = [item.question.image for item in synthesis.items if item.question.source == "rotation"]
    assert [image.load().tobytes() for image in turned] == [image.load().tobytes() for image in before]
    write_record(tmp_path, StepId(1, "silver", 0), synthesis_rows(synthesis))
    rows = read_table(tmp_path / "asked" / "1-silver-0.parquet").to_pylist()
    assert {row["skill"] for row in rows if row["source"] == "Computed"} == {"counting"}
    sources = [row["source"] for row in rows]
    assert {name: sources.count(name) for name in set(sources)} == {"questioner": 40, "rotation": 12, "Computed": 16}


def test_silver_sets_of_earlier_code_are_read(tmp_path: Path) -> None:
    items = made(()).items
    write_silver(tmp_path / "new.parquet", items, 1)
    old: pa.Table = read_table(tmp_path / "new.parquet").drop_columns(["source", "skill"])
    write_table(tmp_path / "old.parquet", old)
    images = {image.id: image for image in PICTURES}
    assert read_silver(tmp_path / "old.parquet", images) == items
    join_silver([tmp_path / "old.parquet", tmp_path / "new.parquet"], tmp_path / "both.parquet")
    assert read_silver(tmp_path / "both.parquet", images) == items + items


def test_an_image_that_vanished_takes_its_tasks_along() -> None:
    synthesis = made()
    lost = next(item.question.image for item in synthesis.items if item.question.image.made)
    left = synthesis.about({image.id for image in (*PICTURES, *synthesis.images)} - {lost.id})
    assert len(left.items) == len(synthesis.items) - 1
    assert left.statistics()["tasks"] == {"rotation": {"asked": 11, "kept": 11}, "Computed": {"asked": 16, "kept": 16}}


@pytest.mark.parametrize("augmentation", ["mirrored", "darker", "shifted"])
def test_an_exact_task_is_learned_and_voted_on_from_the_plain_image(augmentation: Augmentation) -> None:
    engine = Script()
    reasoner = Reasoner(engine, PROMPTS, ReasonerSettings(augmentations=(augmentation,)), 0)
    items = [item for item in made().items if item.question.image.made]
    reasoner.groups(items, "t")
    reasoner.votes([item.question for item in items], 4, (augmentation,))
    assert {request.image for request in engine.asked} == {item.question.image for item in items}
    assert not any(augmentation in request.id for request in engine.asked)


def test_the_lab_leaves_exact_tasks_out_and_measures_programs() -> None:
    """Planted: the program says "1" of two images, which is true of one; the exact task's answer is no label."""
    one, two = Thing("red", "circle", 0.3, 0.3, 0.2, 0.2), Thing("red", "circle", 0.7, 0.7, 0.2, 0.2)
    truth = Truth(drawn({"p0": Scene((one,)), "p1": Scene((one, two))}))
    questions = [
        Question(n, p, "open", "how many red circles are there?", "programs")
        for n, p in zip("ab", PICTURES[:2], strict=True)
    ]
    candidates = [Candidate(q, (), VoteResult(q.id, "1", 0.9, 0, 0)) for q in questions]
    exact = Rotation().tasks(PICTURES[:2], Reasoner(Script(), PROMPTS, ReasonerSettings(), 0), "t", 0)
    kept = {candidate.question.id for candidate in (*candidates, *exact)}
    observer, voter = LabObserver(truth), Reasoner(Script(), PROMPTS, ReasonerSettings(), 0)
    found = observer.on_silver_set([*candidates, *exact], kept, voter, 4, 9)
    assert found["label_accuracy"] == 0.5 and found["answerable"] == 1.0 and found["paper_asked"] == 2
    assert [part for part in found["label_accuracy_by_confidence"] if part is not None] == [0.5]
    items = made((Rotation(share=1.0),)).items[:1]
    request = Request("r", items[0].question.image, "?", 2)
    group = Group(request, tuple(Completion("r", n, (1,), (0.0,), "x", True) for n in range(2)), (1.0, 0.0))
    unknown = {"reward_accuracy": None, "label_accuracy": None, "learned_label_accuracy": None}
    assert observer.on_reasoner_step(items, [group], [[1.0, -1.0]]) == unknown


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([{"type": "rotation", "share": 0.6}, "jigsaw"], "the shares of the task sources add up to 1.1"),
        ([{"type": "rotation", "share": 0.1}] * 2, "task source 'rotation' is there twice"),
        (["rotations"], "no task source 'rotations' (did you mean 'rotation'?)"),
        ([{"type": "rotation", "share": 0}], "share: Input should be greater than 0"),
    ],
)
def test_wrong_sources_are_refused_in_one_line(tasks: list[Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_settings({"silver": {"tasks": tasks}}, "here")
    assert words in str(error.value) and "\n" not in str(error.value)


def test_the_plan_counts_what_sources_ask_and_what_the_questioner_no_longer_does() -> None:
    def planned(*tasks: Any) -> dict[str, tuple[int, int, int]]:
        settings = check_settings({"silver": {"images": 100, "tasks": list(tasks)}}, "here")
        found = generations(settings, 1000, Assumed())
        return {
            one.name: (one.images, one.prompts, one.answers)
            for one in found
            if "silver" in one.name or one.name[0] == "C"
        }

    before = planned()
    own = {"type": "custom", "import_path": f"{Computed.__module__}:Computed", "share": 0.2}
    after = planned({"type": "rotation", "share": 0.3}, own)
    assert before.keys() < after.keys() and after["Computed lists"] == (2 * 20, 1, 3)
    assert before["silver questions"][0] == 100 and after["silver questions"][0] == 50
    assert after["silver votes"][0] * 2 == before["silver votes"][0]
