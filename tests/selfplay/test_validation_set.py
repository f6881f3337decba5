"""Labelled items as a gate: who unlearns them is taken back, and the best that was accepted is handed over."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.selfplay.test_rollback import pinned, same, weights
from visplay.cli.main import main
from visplay.config import AcceptanceSettings, ReasonerSettings, Settings, load_settings
from visplay.data.sources.folder import folder as folder_of
from visplay.errors import EvaluationError
from visplay.evaluation.open_suites import open_suites
from visplay.evaluation.summary import selected_iteration
from visplay.interfaces.engine import Sampling
from visplay.interfaces.image_source import Catalogue
from visplay.lab.drawings import drawings
from visplay.lab.suites.tasks import lab_suites
from visplay.models.names import model_name
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.runs import RunDirectory
from visplay.selfplay.acceptance import Acceptance, ValidationSet, read_validation_set, without_validation_images
from visplay.selfplay.context import RunInputs
from visplay.selfplay.run import open_inputs, run_evolution
from visplay.tools.export import export
from visplay.types import Completion, ImageList, ImageRef, Item, Request, Suite

SPOILT = [
    "iterations=3",
    "questioner.steps=0",
    "silver.images=8",
    "silver.votes=4",
    "silver.gates=[answered]",
    "reasoner.reward=random",
    "reasoner.steps=3",
    "reasoner.questions_per_step=4",
    "reasoner.group_size=4",
    "rl.learning_rate=1e-2",
    "evaluation.before=false",
    "acceptance.patience=1",
    "checkpoint_every=9",
]


def write(path: Path, items: Sequence[Item]) -> Path:
    """A labelled file of the user's: JSON Lines with the images in it."""
    rows = [
        {
            "id": str(number),
            "image": base64.b64encode(Path(p).read_bytes() if isinstance(p := item.image.data, Path) else p).decode(),
            "question": item.question,
            "answer": item.answer,
        }
        for number, item in enumerate(items)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@cache
def labelled() -> tuple[Item, ...]:
    """24 questions about coloured shapes, of which the base gets most right."""
    (suite,) = lab_suites(5, 24, ["single"], ["pastel"])
    return suite.items


def settings(anchor: Path, *changes: str) -> Settings:
    return load_settings(
        "paper-lab", [*SPOILT, f"acceptance.validation_set={anchor}", *changes], {"images": "lab/single"}
    )


def evolved(run: Path, chosen: Settings) -> Path:
    """A run on few drawings that is begun, or goes on."""
    assert chosen.acceptance.validation_set
    inputs = RunInputs(drawings("single", 40, 0)[0], (), None, read_validation_set(chosen.acceptance.validation_set))
    exists = (run / "config.yaml").exists()
    with RunDirectory.open(run) if exists else RunDirectory.create(run, chosen) as directory:
        run_evolution(directory, inputs, Console(quiet=True))
    return run


def lines(run: Path, phase: str = "") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in found if phase in ("", line["phase"])]


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("anchor") / "mine.jsonl", labelled())


@pytest.fixture(scope="module")
def spoilt(anchor: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evolved(tmp_path_factory.mktemp("spoilt") / "run", settings(anchor))


def test_a_planted_regression_is_taken_back_by_labels_alone(spoilt: Path) -> None:
    before, found = lines(spoilt, "accept")
    assert before["validation_accuracy"] > 0.5 and before["frozen_questions"] == 0, "no images were held out"
    assert found["accepted"] is False and found["against"] == found["selected_iteration"] == 0
    assert (
        found["validation_ci95"][1] < -0.02 and found["validation_p_mcnemar"] < 0.05 and found["validation_items"] == 24
    )
    assert found["validation_accuracy"] == pytest.approx(before["validation_accuracy"] + found["validation_change"])
    assert not any(key.startswith(("kept", "agreement", "asking")) for key in found)
    assert max(line["iteration"] for line in lines(spoilt)) == 1, "one rejection ends this run"
    base = weights(Path(model_name("lab")))
    assert same(weights(spoilt / "reasoner"), base) and same(weights(spoilt / "questioner"), base)
    summary = json.loads((spoilt / "summary.json").read_text())
    (verdict,) = summary["acceptance"]
    assert {
        "validation_change",
        "validation_ci95",
        "validation_p_mcnemar",
        "validation_items",
        "validation_accuracy",
    } < verdict.keys()
    assert selected_iteration(summary) == 0


def test_columns_and_answers_of_a_validation_set_are_settings(tmp_path: Path, anchor: Path) -> None:
    row = json.loads(anchor.read_text().splitlines()[0])
    row = {"image": row["image"], "ask": "which?", "choices": ["red", "blue"], "gold": 1}
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(row))
    columns = "acceptance.columns={question: ask, answer: gold}"
    chosen = settings(file, columns, "acceptance.answers_are=index", "evaluation.suites=[]")
    found = open_inputs(chosen, Catalogue("few", drawings("single", 5, 0)[0])).validation_set
    assert found and found.items[0].right_choices == (1,)
    with pytest.raises(EvaluationError, match="answer 1 beside choices is ambiguous"):
        read_validation_set(file, chosen.acceptance.columns)
    suite = {"type": "file", "path": str(file), "columns": chosen.acceptance.columns, "answers_are": "number"}
    [opened] = open_suites([suite], 0)
    assert opened.items[0].right_choices == (0,)


def test_an_interrupted_run_goes_on_to_the_same_verdict(
    spoilt: Path, anchor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, save = tmp_path / "run", RunDirectory.save_state
    for moment in ((0, "accept"), (1, "accept")):

        def stopped(self: RunDirectory, state: dict[str, Any], moment: tuple[int, str] = moment) -> None:
            if (state["iteration"], state["phase"]) == moment:
                raise KeyboardInterrupt  # all is done and written but that it is done
            save(self, state)

        monkeypatch.setattr(RunDirectory, "save_state", stopped)
        with pytest.raises(KeyboardInterrupt):
            evolved(run, settings(anchor))
        monkeypatch.undo()
        assert not (run / "summary.json").exists()
    evolved(run, settings(anchor))
    assert lines(run) == lines(spoilt) and same(weights(run / "reasoner"), weights(spoilt / "reasoner"))

    other = write(tmp_path / "other.jsonl", labelled()[:20])
    with pytest.raises(EvaluationError, match="validation set is not what the run began with"):
        evolved(run, settings(other))
    assert lines(run) == lines(spoilt)


def test_the_best_accepted_iteration_is_handed_over_and_not_the_last(anchor: Path, tmp_path: Path) -> None:
    run = evolved(tmp_path / "run", settings(anchor, "acceptance.tolerance=0.99", "iterations=1"))
    _, found = lines(run, "accept")
    assert found["accepted"] is True and found["validation_change"] < 0 and found["selected_iteration"] == 0
    base = weights(Path(model_name("lab")))
    assert not same(weights(pinned(run, "accepted") / "reasoner"), base), "it was accepted"
    assert same(weights(run / "reasoner"), base) and same(weights(pinned(run, "best") / "reasoner"), base)
    evolved(run, settings(anchor))  # nothing is left to do, and the same is handed over
    assert same(weights(run / "reasoner"), base)
    export(run, "reasoner", tmp_path / "given")
    assert same(weights(tmp_path / "given"), base)
    card = (tmp_path / "given" / "README.md").read_text()
    assert "none of 1; later ones were accepted, but answered fewer" in card and "* Labelled items: 24" in card


class Knower:
    """An engine that knows so many of the items, in their order."""

    def __init__(self) -> None:
        self.known = 0
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        assert all(request.greedy for request in requests)
        self.asked += requests
        return {
            request.id: (Completion(request.id, 0, (), (), f"\\boxed{{{'yes' if n < self.known else 'no'}}}", True),)
            for n, request in enumerate(requests)
        }

    def metrics(self) -> dict[str, float]:
        return {}


ITEMS = Suite("mine", tuple(Item(f"mine/{n}", ImageRef(f"p{n}", b"%d" % n), "Is it?", "yes") for n in range(30)))


def gate(folder: Path, engine: Knower, **values: Any) -> Acceptance:
    reasoner = Reasoner(engine, Prompts(), ReasonerSettings(), 0)
    return Acceptance(folder, (), AcceptanceSettings(**values), ValidationSet(folder, ITEMS, reasoner))


def test_each_iteration_is_held_against_the_last_accepted_one_and_the_best_is_remembered(tmp_path: Path) -> None:
    engine = Knower()
    acceptance = gate(tmp_path / "a", engine, tolerance=0.05)
    steps = [
        # right answers, accepted, against, handed over
        (20, None, 0, 0),
        (22, True, 0, 1),
        (21, True, 1, 1),
        (12, False, 2, 1),
        (22, True, 2, 4),
        (30, True, 4, 5),
        (29, True, 5, 5),
    ]
    nobody: Any = None  # without held-out images no role is asked anything else
    for t, (known, accepted, against, best) in enumerate(steps):
        engine.known = known
        if accepted is None:
            assert acceptance.freeze(nobody, nobody, nobody) == ()
            continue
        state = acceptance.state()
        found = acceptance.judge(nobody, nobody, nobody, t)
        assert (found.accepted, found.against, acceptance.best) == (accepted, against, best), t
        assert found.validation is not None and found.validation_items == 30
        again = gate(tmp_path / "a", engine, tolerance=0.05)
        again.restore(state)
        assert again.judge(nobody, nobody, nobody, t) == found and again.state() == acceptance.state()
    assert acceptance.last_accepted == 6 and {request.prompt for request in engine.asked} == {
        Prompts().answer("Is it?")
    }
    other = Acceptance(tmp_path / "a", (), AcceptanceSettings())
    with pytest.raises(EvaluationError, match="validation set is not what"):
        other.restore(acceptance.state())


def test_images_of_the_anchor_never_train(tmp_path: Path) -> None:
    images = drawings("single", 6, 0)[0]
    for number, image in enumerate(images):
        assert isinstance(image.data, bytes)
        (tmp_path / f"{number}.png").write_bytes(image.data)
    found = folder_of(tmp_path).images
    assert without_validation_images(found, None) == found
    one = Item("a", ImageRef("elsewhere", tmp_path / "2.png"), "?", "red")
    # A copy of a file, and one of several images of an item.
    two = Item("b", ImageList.of([ImageRef("x", b"none of them"), ImageRef("y", found[4].data)]), "?", "red")
    assert [p.id for p in without_validation_images(found, Suite("mine", (one, two)))] == [
        "0.png",
        "1.png",
        "3.png",
        "5.png",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "no usable row"),
        ('{"image": "gone.png", "question": "?", "answer": "red"}', "no usable row"),
        ("GOOD\nnonsense\n{}", "line 2: Invalid JSON"),
    ],
)
def test_an_anchor_that_cannot_be_used_is_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "mine.jsonl"
    if text is not None:
        good = write(tmp_path / "good.jsonl", labelled()[:1]).read_text()
        path.write_text(text.replace("GOOD", good))
    arguments = ["evolve", "--images", "lab/single", "--validation-set", str(path), "--out", str(tmp_path / "run")]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("visplay: ") and error.count("\n") == 1 and said in error.lower() + error
    assert not (tmp_path / "run").exists()


def test_images_that_are_all_in_the_anchor_are_refused_before_anything_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = labelled()[:3]
    (tmp_path / "photos").mkdir()
    for number, item in enumerate(items):
        assert isinstance(item.image.data, bytes)
        (tmp_path / "photos" / f"{number}.png").write_bytes(item.image.data)
    path, out = write(tmp_path / "mine.jsonl", items), tmp_path / "run"
    assert main(["evolve", "--images", str(tmp_path / "photos"), "--validation-set", str(path), "--out", str(out)]) == 2
    assert "none is left to train on" in capsys.readouterr().err
    assert not out.exists()
