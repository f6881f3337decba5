"""Each file of examples/ does what its docstring says, started in the folder that holds examples/."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

import visplay
from visplay.types import Candidate, Completion, ImageRef, Question, VoteResult

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
SHORT = (
    *("iterations=1", "questioner.steps=1", "questioner.images_per_step=2", "reasoner.steps=1", "silver.votes=3"),
    *("acceptance.images=0", "evaluation.suites=[]"),
)


def python(*arguments: str) -> str:
    """What Python prints with these arguments, started where a user starts it."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def evolve(out: Path, *changes: str, flags: tuple[str, ...] = ()) -> Path:
    changed = [part for change in (*SHORT, *changes) for part in ("--set", change)]
    python("-m", "visplay", "evolve", "--out", str(out), *flags, *changed)
    return out


def example(name: str, patch: pytest.MonkeyPatch) -> ModuleType:
    patch.syspath_prepend(str(ROOT))
    return importlib.import_module(f"examples.{name}")


def test_the_python_api_runs_and_prints_what_it_found(tmp_path: Path) -> None:
    printed = python("examples/python_api.py", str(tmp_path / "run"))
    for said in ("questions were learned from", "mean reward of the Questioner by step: [", "accuracy on lab/color: "):
        assert said in printed


def test_the_gate_rejects_long_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--preset", "examples/custom_gate.yaml", "--import", "examples.custom_gate")
    run = evolve(tmp_path / "run", "silver.images=24", flags=flags)
    (file,) = (run / "asked").glob("*-silver-*.parquet")
    kept = [row["answer"] for row in pq.read_table(file).to_pylist() if row["kept"]]
    assert kept and all(len(answer.split()) <= 2 for answer in kept)

    gate = example("custom_gate", monkeypatch).ShortAnswer(words=2)
    answers = {"short": "red", "at the limit": "dark red", "long": "a dark red", "none": None}
    asked = [(Question(id_, ImageRef("i", b""), "open", "What is it?"), answer) for id_, answer in answers.items()]
    candidates = [Candidate(question, (), VoteResult(question.id, answer, 1, 8, 0)) for question, answer in asked]
    assert gate.reject(candidates, voter=None) == {"long": "the answer has 3 words"}


def test_the_images_are_the_frames_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), "white") for _ in range(6)]
    for place, frame in enumerate(frames):
        ImageDraw.Draw(frame).ellipse((8 * place, 20, 8 * place + 20, 40), fill="red")
    frames[0].save(tmp_path / "walk.gif", save_all=True, append_images=frames[1:])
    images = f"images={{type: custom, import_path: 'examples.custom_images:Frames', file: '{tmp_path / 'walk.gif'}'}}"
    run = evolve(tmp_path / "run", images, "silver.images=6")
    (file,) = (run / "asked").glob("*-questioner-*.parquet")
    assert {row["image"] for row in pq.read_table(file).to_pylist()} <= {f"frame-{place:04}" for place in range(6)}


def test_the_reward_adds_a_bonus_for_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    bonus = example("custom_reward", monkeypatch).CountingBonus(bonus=0.2)
    settings = visplay.load_settings("default", values={"questioner": {"reward": bonus}})
    plain = visplay.load_settings("default", values={"questioner": {"reward": "paper"}}).questioner.reward

    def earned(reward: visplay.QuestionerReward, text: str, penalty: float = 0, rejected: bool = False) -> float:
        question = Question("q", ImageRef("i", b""), "numerical", text)
        completion = Completion("r", 0, (1,), (0.0,), text, True)
        vote = VoteResult("q", "2", 0.75, 8, 0)
        return reward.reward(visplay.QuestionOutcome("k", completion, question, vote, rejected, penalty))

    kept = settings.questioner.reward
    assert kept == bonus
    for penalty in (0, 0.1):
        assert earned(kept, "What color is it?", penalty) == pytest.approx(earned(plain, "What color is it?", penalty))
        more = earned(kept, "How many are red?", penalty) - earned(plain, "How many are red?", penalty)
        assert more == pytest.approx(0.2)
    assert earned(kept, "How many are red?", rejected=True) == 0
