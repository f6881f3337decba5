"""results.md: the figures of a run, and nothing that a model could smuggle in."""

from __future__ import annotations

from tests.report.planted import Written, candidate, silver_set, synthesis
from visplay.report.gallery import Gallery
from visplay.report.health import signs
from visplay.report.results_page import results_markdown
from visplay.report.run_data import RunView


def page_of(written: Written) -> str:
    page = RunView(written.path).read()
    return results_markdown(page, signs(page, Gallery(written.path).texts(1)))


def test_figures_stand_in_tables(written: Written) -> None:
    written.begin()
    written.silver(1, silver_set(), label_accuracy=0.5, answerable=1.0)
    written.measure(1, 8)
    written.line("accept", 1, 0, accepted=False, against=0, kept_change=-0.25, kept_ci95=[-0.5, None])
    labelled = {"validation_change": 0.25, "validation_ci95": [0.125, 0.5], "validation_accuracy": 0.75}
    written.line("accept", 2, 0, accepted=True, against=0, **labelled)
    text = page_of(written)
    assert text.startswith("# lab on lab/single, seed 0\n\nRunning: iteration 2 of 2, acceptance judges")
    assert "| lab/single | 10 | 50.0 [23.7, 76.3] | 80.0 [49.0, 94.3] | +30.0 [" in text
    assert "| lab/single | 10 | 0.0 | 0.0 | 0 | 0 | 3 | 0 | 0 | 0 | +30.0 [" in text
    assert "| 1 | 4 | 4 | 4 | 1 | 0 | 0 | 1 | 2 |" in text and "| 50.0 | 100.0 |" in text
    assert "| 1 | rolled back | base | -25.0 |" in text
    assert "| 2 | accepted | base |  |  |  | +25.0 [+12.5, +50.0] | 75.0 |" in text
    assert "| small set | bad | 2 of 4 questions (50 %) became silver in iteration 1. |" in text


def test_a_run_that_just_began_is_told_too(written: Written) -> None:
    assert page_of(written).startswith("# lab on lab/single, seed 0\n\nRunning: before the first iteration")


def test_what_a_model_wrote_stays_in_its_cell(written: Written) -> None:
    nasty = "<script>x</script> | **a** [b](javascript:c)\nis it?"
    written.begin()
    written.silver(1, synthesis([candidate(f"{n}", nasty, ["red"] * 4) for n in range(3)], {}))
    (row,) = [line for line in page_of(written).splitlines() if line.startswith("| duplicates")]
    assert row.count(" | ") == 2 and "<script>" not in row.replace("\\<", "") and "\\](" in row


def test_the_headline_of_a_finished_run_comes_first(written: Written) -> None:
    told = {
        "verdict": "better",
        "sentences": ["Better: s | t, +1.0 [+0.5, +1.5] points.", "Iteration 2 is handed over."],
    }
    written.run.write_summary({"suites": {}, "seconds": 60.0, "headline": told})
    title, _, first, *_ = page_of(written).strip().split("\n\n")
    assert title.startswith("# lab") and first == (
        "Result: better. Better: s \\| t, +1.0 [+0.5, +1.5] points. Iteration 2 is handed over."
    )


def test_a_models_name_stays_in_the_heading(written: Written) -> None:
    written.begin()
    page = RunView(written.path).read()
    page["status"] |= {"model": "a<b>|*c*\n## [x](javascript:y)", "images": "`p`"}
    title, *_ = results_markdown(page).split("\n")
    assert title == "# a\\<b\\>\\|\\*c\\* ## [x\\](javascript:y) on \\`p\\`, seed 0"
