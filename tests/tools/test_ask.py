"""What `visplay ask` shows is what a run does, with its own roles, labeler and gates; and text stays text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from tests.tiny_runs import tiny_run
from visplay.cli.main import main
from visplay.config import load_settings
from visplay.data.sources.folder import read_files
from visplay.errors import ConfigError
from visplay.lab.drawings import drawings
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.synthesis import Synthesis, synthesize
from visplay.roles.open import own_settings
from visplay.selfplay.state import SelfPlayState
from visplay.tools.ask import Reply, ask, reply_lines, visible
from visplay.types import Candidate, ImageRef, Question, Vote, VoteResult


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Drawings as files."""
    folder = tmp_path_factory.mktemp("photos")
    for number, image in enumerate(drawings("clean", 3, 0)[0]):
        image.load().save(folder / f"{number}.png")
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lora = [
        "tune=lora",
        "lora.rank=4",
        "questioner.reward=random",
        "questioner.learning_rate=2e-3",
        "silver.gates=[answered, {type: band, high: 1.0}]",
    ]
    return tiny_run(tmp_path_factory.mktemp("ask") / "run", *lora, "evaluation.suites=[]")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["ask", *arguments]) == 0
    return capsys.readouterr().out


def images_of(paths: Sequence[str]) -> tuple[ImageRef, ...]:
    images, skipped = read_files(paths)
    assert not skipped
    return images


def test_a_model_asks_and_answers_itself(photos: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "lab", *photos[:2], "--questions", "3", "--votes", "5", "--preset", "votes", "--seed", "1")
    assert shown == told(capsys, "lab", *photos[:2], "--questions=3", "--votes=5", "--preset=votes", "--seed=1")
    first, *parts = re.split(r"\n\n(?=/)", shown)
    assert first == "labeler majority, 5 votes, gates boxed, answered, band, seed 1"
    assert [part.splitlines()[0] for part in parts] == photos[:2]
    for part in parts:
        assert re.findall(r"^  (\d)\. ", part, flags=re.MULTILINE) == ["1", "2", "3"]
        for votes in re.findall(r"^     votes: (.*)$", part, flags=re.MULTILINE):
            assert sum(map(int, re.findall(r"× (\d+)", votes))) == 5
        assert part.count("reasoning: <think>") == part.count("silver answer: ") == part.count("votes: ")
        assert len(re.findall(r"^     (?:kept|dropped.*|the same question again)$", part, flags=re.MULTILINE)) == 3
    alone = told(capsys, "lab", photos[1], "--questions=3", "--votes=5", "--preset=votes", "--seed=1")
    assert parts[1].strip() in alone, "what is said of an image does not depend on the others"


def test_a_run_answers_with_its_own_roles_labeler_and_gates(run: Path, photos: list[str]) -> None:
    """Verdict by verdict what the run's own synthesis keeps."""
    settings = own_settings(str(run), None, ["silver.questions_per_image=4", "silver.votes=4", "seed=3"])
    images = images_of(photos)
    replies = ask(str(run), images, settings)
    expected = _synthesis(run, images, 4, 4)
    assert [_told(r.candidate) for r in replies if r.candidate] == [_told(c) for c in expected.candidates]
    kept = {item.question.id for item in expected.items}
    assert [r.candidate.question.id in kept for r in replies if r.candidate] == [r.kept for r in replies if r.candidate]
    for reply in replies:
        if reply.candidate and reply.candidate.question.id in expected.dropped:
            gate, reason = expected.dropped[reply.candidate.question.id]
            assert reply.verdict == f"dropped by gate '{gate}': {reason}"
    assert any(reply.kept for reply in replies) and not all(reply.kept for reply in replies)
    base = ask(
        "lab", images, load_settings("paper-lab", ["silver.votes=4", "silver.questions_per_image=4"], {"seed": 3})
    )
    assert [r.written for r in base] != [r.written for r in replies], "the Questioner is the run's"


def _synthesis(run: Path, images: Sequence[ImageRef], questions: int, votes: int) -> Synthesis:
    """What the loop itself makes of these images with what the run ended with."""
    settings = load_settings(str(run / "config.yaml"), ["seed=3"])
    state = SelfPlayState(settings)
    state.questioner_policy.load(run / "questioner")
    state.reasoner_policy.load(run / "reasoner")
    gates, reasoner = settings.silver.gates, state.reasoner
    return synthesize(state.questioner, state.labeler, gates, reasoner, images, questions, votes, "ask")


def _told(candidate: Candidate) -> tuple[str, str, list[str], VoteResult]:
    return candidate.question.id, candidate.question.text, [vote.text for vote in candidate.votes], candidate.result


def test_a_question_of_ones_own_needs_no_questioner(
    run: Path, photos: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = told(capsys, str(run), photos[0], "--question", "how many shapes are there?", "--votes", "3")
    assert "  1. how many shapes are there?\n     silver answer: " in shown and "  2. " not in shown
    lone = tmp_path / "run"
    (lone / "reasoner").parent.mkdir()
    (lone / "reasoner").symlink_to(run / "reasoner")
    (lone / "config.yaml").symlink_to(run / "config.yaml")
    assert told(capsys, str(lone), photos[0], "--question", "how many shapes are there?", "--votes", "3") == shown
    assert main(["ask", str(lone), photos[0]]) == 2
    assert "has no Questioner yet" in capsys.readouterr().err


def test_a_broken_or_missing_image_is_named_and_the_others_go_on(
    photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, long = tmp_path / "broken.jpg", tmp_path / "long.png"
    broken.write_bytes(b"\xff\xd8 no image")
    Image.new("RGB", (900, 2)).save(long)
    missing = str(tmp_path / "none.png")
    capsys.readouterr()
    asked = ["--question", "is there a shape?", "--votes", "1"]
    assert main(["ask", "lab", str(broken), photos[0], missing, str(long), str(tmp_path), photos[0], *asked]) == 0
    out, err = capsys.readouterr()
    assert out.count("is there a shape?") == 1 and photos[0] in out
    lines = [line for line in err.splitlines() if line.startswith("visplay: ")]
    expected = (
        (broken, "not an image"),
        (missing, "no such file"),
        (long, "900 x 2"),
        (tmp_path, "not a regular file"),
    )
    assert len(lines) == len(expected)
    assert all(f"{path}: " in line and why in line for line, (path, why) in zip(lines, expected, strict=True))
    assert main(["ask", "lab", str(broken), missing]) == 2
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab", "--votes", "0"], "silver.votes"),
        (["lab", "--questions", "0"], "silver.questions_per_image"),
        (["lab", "--question", " "], "the question is blank"),
        (["lab", "--preset", "best"], "no preset 'best'"),
        (["lab", "--set", "model=./other"], "leave model out of --set"),
        (["./none"], "no model folder './none'"),
        (["RUN", "--preset", "paper-lab"], "leave --preset out"),
        (["RUN", "--set", "tune=full"], "the run's tune;"),
        (["RUN", "--set", "lora.rank=2"], "the run's lora;"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, run: Path, photos: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = arguments
    capsys.readouterr()
    assert main(["ask", str(run) if name == "RUN" else name, photos[0], *more]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error and error.startswith("visplay: ")


def test_what_a_model_wrote_is_text_and_nothing_else() -> None:
    """No markup, no escape sequence, no line that looks like ours."""
    text = "[red]what[/red] is \x1b[31mthat\x07\u202e:smile:?\r"
    assert visible(text) == r"[red]what[/red] is \x1b[31mthat\x07\u202e:smile:?\r"
    image = ImageRef("a\x1b.png", b"")
    question = Question("q", image, "open", text)
    votes = (Vote("q", 0, "a\x1bb", "one\n     kept\x9b"), Vote("q", 1, None, "x" * 5000))
    candidate = Candidate(question, votes, VoteResult("q", "a\x1bb", 0.5, 2, 1))
    replies = [Reply(image, f"open: {text}", candidate, f"dropped by gate 'plain': '{text}' is not plain")]
    replies += [Reply(image, "y" * 5000, None, "dropped: is not in the agreed form")]
    lines = "\n".join(reply_lines(replies, load_settings("paper-lab"))).split("\n")
    assert all(line.isprintable() for line in lines) and max(map(len, lines)) < 2000
    assert r"     silver answer: a\x1bb, confidence 0.50" in lines and r"     votes: a\x1bb × 1; unboxed × 1" in lines
    assert "     kept" not in lines and "(3500 more characters)" in lines[-2]


def test_gates_that_compare_questions_are_named() -> None:
    settings = load_settings("paper-lab", ["silver.gates=[answered, needs_image]"])
    assert list(reply_lines([], settings))[-1].startswith("\nneeds_image: judged among the questions above alone")
    assert len(list(reply_lines([], load_settings("paper-lab")))) == 1


def test_settings_of_a_run_can_be_changed_one_by_one(run: Path) -> None:
    changed = own_settings(
        str(run), None, ["silver.gates=[]", "silver.labeler.augmentations=[plain, darker]", "seed=7"]
    )
    assert (changed.silver.gates, changed.silver.labeler, changed.seed, changed.tune) == (
        (),
        Majority(augmentations=("plain", "darker")),
        7,
        "lora",
    )
    with pytest.raises(ConfigError, match="the run's prompts;"):
        own_settings(str(run), None, ["prompts=mine.yaml"])
