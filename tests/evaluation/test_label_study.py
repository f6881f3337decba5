"""The study of labels: rows that add up, on the real tiny model; one clear line for what cannot be studied."""

from __future__ import annotations

import pytest

from visplay.cli import main
from visplay.config import load_settings
from visplay.evaluation.label_study import GATES, LABELERS, LabelRow, study_lines
from visplay.program import study_labels


@pytest.fixture(scope="module")
def rows() -> list[LabelRow]:
    settings = load_settings("default", ["silver.gates=[answered,band]"], {"images": "lab/single"})
    return list(study_labels("lab", 12, settings))


def test_every_labeler_and_gate_has_its_row(rows: list[LabelRow]) -> None:
    recipes = [row.recipe for row in rows]
    assert recipes[: len(LABELERS)] == [f"labeler {name}" for name in LABELERS]
    assert recipes[len(LABELERS) : len(LABELERS) + len(GATES)] == [f"gate {name} alone" for name in GATES]
    rest = recipes[len(LABELERS) + len(GATES) :]
    assert rest[0] == "gates answered, band"
    assert {"  without answered", "  without band", "  and new", "  with labeler majority"} <= set(rest)


def test_counts_add_up(rows: list[LabelRow]) -> None:
    asked = rows[0].asked
    for row in rows:
        assert row.asked == asked and 0 <= row.true <= row.answerable <= row.kept <= asked
        assert row.ci95 is None or row.ci95.low <= row.true / row.kept <= row.ci95.high
    by_recipe = {row.recipe: row for row in rows}
    both = by_recipe["gates answered, band"]
    assert both.kept <= min(by_recipe[f"  without {gate}"].kept for gate in ("answered", "band"))
    assert both.kept >= max(row.kept for recipe, row in by_recipe.items() if recipe.startswith("  and"))


def test_a_line_a_recipe() -> None:
    lines = list(study_lines(iter([LabelRow("ours", 10, 8, 6, 7), LabelRow("nothing left", 10, 0, 0, 0)])))
    assert lines[0].split() == ["recipe", "true", "95", "%", "answerable", "kept", "of", "asked"]
    assert lines[1].split()[1] == "0.750" and lines[1].endswith("0.875      8 of 10")
    assert lines[2].split() == ["nothing", "left", "-", "-", "-", "0", "of", "10"]


@pytest.mark.parametrize(
    ("images", "said"),
    [("lab/nowhere", "no lab drawings 'nowhere'"), (".", "the truth about '.' is not known")],
)
def test_what_cannot_be_studied_is_one_line(images: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "labels", "--images", images]) == 2
    errors = capsys.readouterr().err
    assert said in errors and errors.count("\n") == 1
