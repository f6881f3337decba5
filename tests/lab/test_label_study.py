"""The study of labels: a row a recipe whose counts add up, lines that say them, and wrong input in one line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from scripts.label_study import HEADINGS, LabelRow, label_study, main, study_labels
from visplay.config import ReasonerSettings, check_settings, load_settings
from visplay.errors import ConfigError
from visplay.evaluation.statistics import wilson_interval
from visplay.interfaces.component import components
from visplay.interfaces.engine import Sampling
from visplay.lab.drawings import drawings
from visplay.lab.oracle import truth
from visplay.lab.scene import COLORS, SHAPES
from visplay.lab.truth import Truth, drawn
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Completion, Question, Request

PICTURES, SCENES = drawings("single", 12, 0)
GATES, LABELERS = list(components("gate")), list(components("labeler"))
EVERYTHING = {"type": "band", "low": 0, "high": 1}
PROMPTS = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)


class Oracle:
    """An engine that knows the drawings, but takes the colours of every third for the next in the row."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {
            r.id: tuple(Completion(r.id, i, (1,), (-0.5,), self._say(r), True) for i in range(r.n)) for r in requests
        }

    def _say(self, request: Request) -> str:
        name = request.image.id.partition("~")[0]
        (thing,) = SCENES[name].things
        if request.prompt == "list":
            return f"<facts>{thing.color} {thing.shape}</facts>"
        answer = truth(request.prompt, SCENES[name]) or "unknown"
        if answer in COLORS and name in WRONG:
            answer = COLORS[COLORS.index(answer) - 1]
        return f"\\boxed{{{'red' if request.prompt.startswith('what color') and answer == 'unknown' else answer}}}"


WRONG = {image.id for image in PICTURES[::3]}


def questions() -> list[Question]:
    """Two an image: the colour of its one shape, and of one that is not there."""
    asked = []
    for image in PICTURES:
        (thing,) = SCENES[image.id].things
        absent = SHAPES[SHAPES.index(thing.shape) - 1]
        for shape in (thing.shape, absent):
            asked.append(Question(f"{shape} of {image.id}", image, "open", f"what color is the {shape}?"))
    return asked


def studied(**settings: object) -> list[LabelRow]:
    reasoner = Reasoner(Oracle(), PROMPTS, ReasonerSettings(), 0)
    silver = check_settings({"silver": settings}, "here").silver
    return list(label_study(reasoner, questions(), Truth(drawn(SCENES)), silver))


def test_there_is_a_row_for_each_labeler_and_for_each_gate_alone_without_and_beside() -> None:
    names = [row.recipe for row in studied(gates=["answered", "self_check"])]
    changed = [f"  {'without' if gate in ('answered', 'self_check') else 'and'} {gate}" for gate in GATES]
    assert names == [
        *(f"labeler {name}" for name in LABELERS),
        *(f"gate {gate} alone" for gate in GATES),
        "gates answered, self_check",
        *changed,
        *(f"  with labeler {name}" for name in LABELERS),
    ]


def test_counts_add_up() -> None:
    rows = {row.recipe: row for row in studied(gates=["answered", EVERYTHING])}
    right = len(PICTURES) - len(WRONG)
    everything = (24, 24, right, 12)
    for recipe in ("labeler majority", "gates answered, band", "  without band", "gate band alone"):
        assert counts(rows[recipe]) == everything
    # Lists and claims refute the wrong colours, and the colours of what is not there.
    for recipe in ("labeler facts", "  with labeler facts", "gate self_check alone", "  and self_check"):
        assert counts(rows[recipe]) == (24, right, right, right)
    low, high = wilson_interval(right, right)
    assert f"1.000   [{low:.3f}, {high:.3f}]" in str(rows["  and self_check"])


def test_what_is_left_out_is_left_out_and_what_is_added_is_added() -> None:
    rows = {row.recipe: row for row in studied(gates=["self_check", EVERYTHING])}
    assert counts(rows["  without band"]) == counts(rows["gate self_check alone"])
    assert counts(rows["  without self_check"]) == counts(rows["gate band alone"])
    assert rows["  and needs_image"].kept <= rows["gates self_check, band"].kept


def test_a_component_has_the_settings_of_the_run_or_its_own_defaults() -> None:
    # The oracle is always sure, and the default band keeps nothing of which the votes are sure.
    for gates, kept in ((["answered"], 0), (["answered", EVERYTHING], 24)):
        (row,) = (row for row in studied(gates=gates) if row.recipe == "gate band alone")
        assert row.kept == kept


def counts(row: LabelRow) -> tuple[int, int, int, int]:
    return row.asked, row.kept, row.true, row.answerable


def test_every_row_is_a_line_under_the_headings() -> None:
    rows = [LabelRow("labeler majority", 20, 10, 5, 8), LabelRow("gate band alone", 20, 0, 0, 0)]
    head, full, empty = HEADINGS, *map(str, rows)
    assert head.split() == ["recipe", "true", "95", "%", "answerable", "kept", "of", "asked"]
    assert full.split() == ["labeler", "majority", "0.500", "[0.237,", "0.763]", "0.800", "10", "of", "20"]
    assert empty.split() == ["gate", "band", "alone", "-", "-", "-", "0", "of", "20"]
    assert len({line.index(" of ") for line in (head, full, empty)}) == 1


def test_the_lab_studies_its_own_questions() -> None:
    settings = load_settings("facts", ["silver.votes=2", "silver.labeler.lists=1"], {"images": "lab/single"})
    rows = list(study_labels("lab", 3, settings))
    assert len(rows) == 2 * len(LABELERS) + 2 * len(GATES) + 1
    (asked,) = {row.asked for row in rows}
    assert 0 < asked <= 3 * settings.silver.questions_per_image
    assert all(0 <= row.true <= row.answerable <= row.kept <= asked for row in rows)
    assert any(row.kept for row in rows)


def test_images_of_unknown_truth_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^the true answers for 'photos' are not known; use [^\n]*$"):
        study_labels("lab", 3, load_settings("facts", [], {"images": "photos"}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "photos"], "the true answers for 'photos' are not known"),
        (["--images", "lab/cubist"], "cubist"),
        (["--set", "silver.labeler=oracle"], "silver.labeler"),
        (["--set", "silver.fact_lists=2"], "silver.fact_lists is now silver.labeler: {type: facts, lists: N}"),
        (["--count", "0"], "--count"),
        (["--count", "-1"], "--count"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
