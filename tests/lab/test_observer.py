"""How true silver answers and verdicts are, beside the paper's recipe: counted by hand on drawn scenes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.evaluation.truth_table import Said, TruthTable
from visplay.config import ReasonerSettings
from visplay.errors import ImageError
from visplay.interfaces.component import read_component
from visplay.interfaces.engine import Sampling
from visplay.interfaces.image_source import ImageSource
from visplay.interfaces.labeler import Voter
from visplay.interfaces.task_source import TaskSource
from visplay.lab.drawings import drawings
from visplay.lab.labelers.true_answers import TrueAnswers
from visplay.lab.observer import LabObserver, paper_comparison, silver_truth
from visplay.lab.scene import Scene, Thing
from visplay.lab.sources.drawings import LabSource
from visplay.lab.sources.easy_vqa import EasyVQASource
from visplay.lab.tasks.true_answers import TrueTasks
from visplay.lab.truth import Truth, drawn, known_scene, read_flat_scene
from visplay.labeling.labelers.majority import Majority
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, Completion, Group, ImageRef, Question, Request, SilverItem, Vote, VoteResult

LEFT, RIGHT = ImageRef("left", b"1"), ImageRef("right", b"2")
TRUTH = Truth(
    drawn(
        {
            "left": Scene((Thing("red", "circle", 0.5, 0.5, 0.1, 0.1),)),
            "right": Scene((Thing("blue", "cross", 0.2, 0.5, 0.1, 0.1), Thing("red", "cross", 0.8, 0.5, 0.1, 0.1))),
        }
    )
)
COLOR, SHAPE, COUNT = "what color is the circle?", "what is the red shape?", "how many crosses are there?"


def question(name: str, image: ImageRef, text: str) -> Question:
    return Question(name, image, "open", text)


ASKED = [
    question("a", LEFT, COLOR),  # red
    question("b", LEFT, SHAPE),  # circle
    question("c", RIGHT, COUNT),  # 2
    question("d", RIGHT, COLOR),  # there is no circle
    question("e", LEFT, "why?"),  # no question of the lab
]


def count_votes(name: str, answer: str | None, confidence: float) -> VoteResult:
    return VoteResult(name, answer, confidence, 8, 0)


def test_labels_of_kept_questions_are_held_against_the_truth() -> None:
    results = [
        count_votes("a", "Red", 0.75),
        count_votes("b", "square", 1.0),
        count_votes("c", "two", 0.5),
        count_votes("d", "red", 0.75),
        count_votes("e", None, 0.0),
    ]
    candidates = [Candidate(*each) for each in zip(ASKED, [()] * 5, results, strict=True)]
    found = silver_truth(TRUTH, candidates, {"a", "b", "c", "d"})
    assert found["label_accuracy"] == 0.5, "other words are right, an answer to what has none is wrong"
    assert found["answerable"] == 0.75
    bins = found["label_accuracy_by_confidence"]
    assert bins == [0.0, None, None, None, None, 1.0, None, 0.5, None, 0.0]


def test_of_an_empty_silver_set_nothing_is_known() -> None:
    found = silver_truth(TRUTH, [Candidate(ASKED[0], (), count_votes("a", "red", 1.0))], set())
    assert found["label_accuracy"] is None and found["answerable"] is None


def paper(answers: dict[tuple[str, str], Said], votes: int = 4) -> tuple[dict[str, object], TruthTable]:
    """What the paper makes of `ASKED` when its Reasoner answers so, by image and question."""

    def say(request: Request, sampling: Sampling) -> Said:
        return answers[request.image.id, request.prompt]

    engine = TruthTable(say)
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    return paper_comparison(TRUTH, Reasoner(engine, prompts, ReasonerSettings(), 0), ASKED, votes), engine


def test_beside_the_paper_questions_pass_its_majority_and_its_band() -> None:
    found, engine = paper(
        {
            ("left", COLOR): ("red", "Red", "blue", "red"),  # 0.75: kept and true
            ("left", SHAPE): "circle",  # 1: all agree, which the paper does not learn from
            ("right", COUNT): ("2", "two", "3", "4"),  # 0.5: kept and true
            ("right", COLOR): ("blue", None, None, None),  # 0.25: kept, but nothing is true of it
            ("left", "why?"): (None, None, None, None),  # no answer
        }
    )
    assert found == {
        "paper_label_accuracy": pytest.approx(2 / 3),
        "paper_answerable": pytest.approx(2 / 3),
        "paper_kept": 3,
        "paper_asked": 5,
    }
    [(requests, _)] = engine.calls
    assert [(r.image, r.n) for r in requests] == [(q.image, 4) for q in ASKED], (
        "the image itself, never an augmentation"
    )


def test_where_the_paper_keeps_nothing_its_accuracy_is_unknown() -> None:
    found, _ = paper({(q.image.id, q.text): "red" for q in ASKED})
    assert found == {"paper_label_accuracy": None, "paper_answerable": None, "paper_kept": 0, "paper_asked": 5}


def test_no_question_is_no_comparison() -> None:
    engine = TruthTable(lambda request, sampling: "red")
    reasoner = Reasoner(engine, Prompts("ask", "{question}", learned=True), ReasonerSettings(), 0)
    assert paper_comparison(TRUTH, reasoner, [], 4) == {} and not engine.calls


def test_a_knowing_judge_counts_answerable_questions_alone() -> None:
    before: dict[str, str | None] = {"a": "red", "b": "circle", "c": "3", "d": "red", "e": "because"}
    now: dict[str, str | None] = {"a": "Red", "b": None, "c": "3", "d": "blue", "e": "thus"}
    found = LabObserver(TRUTH).on_verdict(ASKED, before, now)
    low, high = found.pop("true_ci95")
    assert low <= found["true_change"] <= high == 0
    assert found == {
        "true_accuracy": pytest.approx(1 / 3),
        "true_change": pytest.approx(-1 / 3),
        "oracle_accepts": True,
    }


def judged(lost: int, gained: int) -> dict[str, object]:
    """Of forty questions about as many images, so many become wrong, so many become right, and ten stay wrong."""
    questions = [question(f"q{n}", ImageRef(f"{n}", b""), COLOR) for n in range(40)]
    before = {q.id: "red" if n < 20 else "blue" for n, q in enumerate(questions)}
    changed = {f"q{n}": "gray" for n in range(lost)} | {f"q{20 + n}": "red" for n in range(gained)}
    truth = Truth(lambda image: TRUTH.scene_of(LEFT))
    return LabObserver(truth).on_verdict(questions, before, {**before, **changed})


@pytest.mark.parametrize(
    ("lost", "gained", "accepts"), [(0, 0, True), (1, 0, True), (12, 0, False), (12, 10, True), (0, 12, True)]
)
def test_a_knowing_judge_rejects_what_is_less_true_beyond_chance(lost: int, gained: int, accepts: bool) -> None:
    found = judged(lost, gained)
    assert found["oracle_accepts"] is accepts
    assert found["true_change"] == pytest.approx((gained - lost) / 40)
    assert found["true_accuracy"] == pytest.approx((20 + gained - lost) / 40)


def test_a_judge_is_silent_where_nothing_is_answerable() -> None:
    assert LabObserver(TRUTH).on_verdict(ASKED[3:], {"d": "red", "e": "x"}, {"d": "blue", "e": "y"}) == {}
    assert LabObserver(TRUTH).on_verdict([], {}, {}) == {}


def test_an_observer_says_all_of_it_at_once() -> None:
    observer = LabObserver(TRUTH)
    answers = {(q.image.id, q.text): ("red", "red", "blue", "red") for q in ASKED}
    prompts = Prompts(questioner="ask", reasoner="{question}", learned=True)
    voter = Reasoner(TruthTable(lambda r, _: answers[r.image.id, r.prompt]), prompts, ReasonerSettings(), 0)
    candidates = Majority().label(ASKED, 4, voter)
    known = silver_truth(TRUTH, candidates, {"a", "b"})
    assert observer.on_silver_set(candidates, {"a", "b"}, voter, 4, compared=0) == known
    compared = observer.on_silver_set(candidates, {"a", "b"}, voter, 4, compared=3)
    assert compared == known | paper_comparison(TRUTH, voter, ASKED[:3], 4)
    assert (compared["label_accuracy"], compared["paper_asked"]) == (0.5, 3)


@pytest.mark.parametrize("name", ["lab/single", "easy-vqa"])
def test_the_truth_reaches_a_run_through_the_observer_of_its_images(name: str) -> None:
    source = read_component("image_source", {"type": "lab", "style": "single", "count": 2} if "/" in name else name)
    assert isinstance(source, ImageSource)
    observer = source.observer(seed=0)
    assert isinstance(observer, LabObserver)
    for image in source.open(seed=0).images[:2]:
        answer = observer.truth.answer(question("q", image, "what is the shape in the image?"))
        assert answer is not None
        assert observer.truth.answer(question("q", image, f"is there a {answer}?")) == "yes"


def test_a_drawing_has_the_scene_of_its_seed() -> None:
    observer = LabSource(style="single", count=2).observer(seed=3)
    assert isinstance(observer, LabObserver)
    images, scenes = drawings("single", 2, 3)
    for image in images:
        (thing,) = scenes[image.id].things
        assert observer.truth.answer(question("q", image, f"is there a {thing.color} {thing.shape}?")) == "yes"
        assert observer.truth.answer(question("q", image, "what color is the shape?")) == thing.color


def test_the_scene_of_a_known_image_follows_from_its_id_alone() -> None:
    for source, seed in (("clean", 0), ("single", 3)):
        images, scenes = drawings(source, 3, seed)
        assert [known_scene(ImageRef(image.id, b"")) for image in images] == list(scenes.values())
    image = EasyVQASource().open(0).images[0]
    assert known_scene(image) == read_flat_scene(image)


@pytest.mark.parametrize(
    "name", ["photo.png", "lab/cubist/0/1", "lab/clean/0/1.png", "lab/color/clean/0/1", "my/lab/clean/0/1"]
)
def test_the_scene_of_another_image_is_not_guessed(name: str) -> None:
    with pytest.raises(ImageError, match=f"^{name}: the truth is known for images of the lab and of easy-vqa alone$"):
        known_scene(ImageRef(name, b""))


class SaysRed:
    """Votes "red" to each question."""

    def votes(self, questions: Sequence[Question], m: int, augmentations: Sequence[str]) -> dict[str, tuple[Vote, ...]]:
        return {one.id: tuple(Vote(one.id, n, "red", "") for n in range(m)) for one in questions}


def test_the_labeler_of_the_ceiling_gives_the_oracles_answers_and_the_votes_beside_them() -> None:
    images, scenes = drawings("single", 2, 0)
    asked = [
        question(f"{image.id}{n}", image, text) for image in images for n, text in enumerate((COUNT, COLOR, "why?"))
    ]
    labeler = read_component("labeler", "true_answers")
    assert isinstance(labeler, TrueAnswers)
    candidates = labeler.label(asked, 8, SaysRed())  # type: ignore[arg-type]
    truth = Truth(drawn(scenes))
    assert [c.result.answer for c in candidates] == [truth.answer(q) for q in asked] and [
        c.question for c in candidates
    ] == asked
    assert all(len(c.votes) == 8 and c.result.confidence == float(c.result.answer is not None) for c in candidates)
    assert {c.result.answer for c in candidates if c.question.text == "why?"} == {None}
    found = silver_truth(truth, candidates, {c.question.id for c in candidates if c.result.answer})
    assert found["label_accuracy"] == found["answerable"] == 1.0


def test_the_task_source_of_the_ceiling_corrects_another_source() -> None:
    images, scenes = drawings("single", 2, 0)
    texts = (COUNT, COLOR, "why?")

    class Claims(TaskSource):
        def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
            asked = (question(f"{image.id}{n}", image, text) for image in images for n, text in enumerate(texts))
            return [Candidate(one, (), VoteResult(one.id, "seven", 0.75, 4, 0)) for one in asked]

    found = TrueTasks(source=Claims()).tasks(images, SaysRed(), "t", 0)  # type: ignore[arg-type]
    truth = Truth(drawn(scenes))
    asked = [question(f"{image.id}{n}", image, text) for image in images for n, text in enumerate(texts)]
    answers = {one.id: truth.answer(one) for one in asked}
    assert None in answers.values(), "what has no answer is left out"
    assert {c.question.id: c.result.answer for c in found} == {name: said for name, said in answers.items() if said}
    assert all((c.result.confidence, c.result.votes) == (1.0, 4) for c in found)


def rollouts(name: str, *said: tuple[str, float]) -> Group:
    """Completions with their rewards."""
    request = Request(name, LEFT, "?", len(said))
    texts = [Completion(name, n, (1,), (0.0,), rf"\boxed{{{answer}}}", True) for n, (answer, _) in enumerate(said)]
    return Group(request, tuple(texts), tuple(reward for _, reward in said))


def test_rewards_and_labels_of_a_step_are_held_against_the_truth() -> None:
    """Planted: a true label, a false one, one without a true answer; weights of 2, 1 and 1."""
    labels = ["red", "square", "blue"]
    items = [SilverItem(q, label, 1.0, ()) for q, label in zip((ASKED[0], ASKED[1], ASKED[3]), labels, strict=True)]
    groups = [
        rollouts("a", ("Red", 1.0), ("blue", 0.0), ("", 0.1), ("red", 0.9)),  # all rewarded rightly
        rollouts("b", ("square", 1.0), ("circle", 0.0), ("cross", 0.0), ("circle", 1.0)),  # two of four
        rollouts("d", ("blue", 1.0), ("red", 0.0), ("red", 0.0), ("red", 0.0)),  # nothing is true of it
    ]
    advantages = [(0.5, -0.5, -0.5, 0.5), (1.0, 0.0, 0.0, 0.0), (0.25, -0.25, -0.25, -0.25)]
    assert LabObserver(TRUTH).on_reasoner_step(items, groups, advantages) == {
        "reward_accuracy": pytest.approx(6 / 8),
        "label_accuracy": pytest.approx(1 / 3),
        "learned_label_accuracy": pytest.approx(2 / 4),
    }


def test_of_a_step_without_advantages_or_answers_nothing_is_known() -> None:
    items = [SilverItem(ASKED[4], "because", 1.0, ())]
    found = LabObserver(TRUTH).on_reasoner_step(items, [rollouts("e", ("because", 1.0), ("x", 0.0))], [(0.0, 0.0)])
    assert found == {"reward_accuracy": None, "label_accuracy": 0.0, "learned_label_accuracy": None}


def test_a_false_premise_is_truly_declined_and_nothing_else_is() -> None:
    scene = Scene((Thing("red", "circle", 0.2, 0.2, 0.1, 0.1), Thing("blue", "cross", 0.7, 0.7, 0.1, 0.1)))
    truth = Truth(lambda image: scene)

    def answer(text: str, skill: str) -> str | None:
        return truth.answer(Question("q", LEFT, "open", text, "programs", skill))

    asked = "is the green cross left of the red circle?"
    assert answer(asked, "premise/beside-nothing") == "unknown"
    assert answer(asked, "relation/beside") is None, "a source that asks about things that are there is wrong"
    assert answer("is the red circle left of the blue cross?", "premise/beside-nothing") == "yes"
    assert answer("why is the sky blue?", "premise/beside-nothing") is None
