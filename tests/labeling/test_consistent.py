"""Silver answers of one image are held against one another, and against answers to what they imply."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.config import ReasonerSettings, Sampling, SilverSettings
from visplay.generation.transformers_engine import TransformersEngine
from visplay.lab.drawings import drawings
from visplay.labeling.candidate import Candidate
from visplay.labeling.gates import make_gates
from visplay.labeling.gates.consistent import Consistent
from visplay.roles.open import open_reasoner
from visplay.roles.prompts import Prompts
from visplay.roles.reasoner import Reasoner
from visplay.types import Completion, ImageRef, Question, Request, VoteResult


def candidate(name: str, image: ImageRef, text: str, answer: str) -> Candidate:
    return Candidate(Question(name, image, "open", text), (), VoteResult(name, answer, 1.0, 8, 0))


class Witness:
    """An engine that gives each question its answers in turn, "unknown" where it knows none; it keeps the requests."""

    def __init__(self, answers: dict[str, Sequence[str]]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.asked += requests
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        answers = self.answers.get(request.prompt, ["unknown"])
        return Completion(request.id, index, (1,), (0.0,), f"\\boxed{{{answers[index % len(answers)]}}}", True)


def reasoner(engine: Witness) -> Reasoner:
    return Reasoner(engine, Prompts(questioner="ask", reasoner="{question}", learned=True), ReasonerSettings(), 0)


HERE, THERE = ImageRef("here", b""), ImageRef("there", b"")


def test_an_answer_at_odds_with_what_it_implies_is_dropped() -> None:
    engine = Witness(
        {
            "how many red circles are there?": ["0", "0", "1", "0"],
            "how many dogs are there?": ["2"],
            "how many cats are there?": ["2"],
            "is there a cow?": ["yes"],
            "is the cup right of the box?": ["unknown", "no"],
        }
    )
    everyone = [
        candidate("color", HERE, "what color is the circle?", "red"),
        candidate("more", HERE, "are there more dogs than cats?", "yes"),
        candidate("count", HERE, "how many cows are there?", "3"),
        candidate("open", HERE, "why?", "because"),
    ]
    assert Consistent(reasoner(engine), ("plain",), 4).dropped(everyone) == {
        "color": "at odds with 'how many red circles are there?' 0",
        "more": "at odds with 'how many dogs are there?' 2 and 'how many cats are there?' 2",
    }
    assert len({request.id for request in engine.asked}) == len(engine.asked) == 4


def test_two_that_contradict_each_other_are_both_dropped() -> None:
    everyone = [
        candidate("few", HERE, "how many circles are there?", "1"),
        candidate("many", HERE, "how many red circles are there?", "2"),
        candidate("cross", HERE, "is there a cross?", "yes"),
        candidate("elsewhere", THERE, "how many circles are there?", "3"),
    ]
    assert Consistent(reasoner(Witness({})), ("plain",), 4).dropped(everyone) == {
        "few": "at odds with 'how many red circles are there?' 2",
        "many": "at odds with 'how many circles are there?' 1",
    }


def test_three_that_contradict_one_another_are_all_dropped() -> None:
    everyone = [
        candidate("dogs", HERE, "how many dogs are there?", "1"),
        candidate("cats", HERE, "how many cats are there?", "1"),
        candidate("more", HERE, "are there more dogs than cats?", "yes"),
        candidate("cow", HERE, "is there a cow?", "yes"),
    ]
    assert Consistent(reasoner(Witness({})), ("plain",), 4).dropped(everyone).keys() == {"dogs", "cats", "more"}


def test_the_same_question_is_asked_once_a_image_and_over_all_views() -> None:
    engine = Witness({})
    everyone = [
        candidate("a", HERE, "what color is the circle?", "red"),
        candidate("b", HERE, "what is the red shape?", "circle"),
        candidate("c", THERE, "is there a red circle?", "no"),
    ]
    settings = SilverSettings(labeler="augmentations", augmentations=("plain", "darker"), check_votes=4)
    (gate,) = make_gates(("consistent",), settings, reasoner(engine)).values()
    assert gate.dropped(everyone) == {} and gate.dropped([]) == {}
    ids = [(request.id, request.image.id, request.n) for request in engine.asked]
    assert ids == [
        ("vote/a~implied0", "here", 2),
        ("vote/darker/a~implied0", "here~darker", 2),
        ("vote/c~implied0", "there", 2),
        ("vote/darker/c~implied0", "there~darker", 2),
    ]


def test_the_tiny_vlm_contradicts_wrong_answers_about_clean_drawings() -> None:
    policy, prompts, settings = open_reasoner("lab")
    gate = Consistent(Reasoner(TransformersEngine(policy, 0), prompts, settings.reasoner, 0), ("plain",), 4)
    images, scenes = drawings("clean", 40, 0)
    alone = [(image, *scenes[image.id].things) for image in images if len(scenes[image.id].things) == 1]
    true = [candidate(p.id, p, f"is there a {thing.color} {thing.shape}?", "yes") for p, thing in alone]
    wrong = [candidate(p.id, p, f"is there not a {thing.color} {thing.shape}?", "yes") for p, thing in alone]
    assert len(alone) > 8
    assert len(gate.dropped(true)) < 0.25 * len(alone)
    assert len(gate.dropped(wrong)) > 0.75 * len(alone)
