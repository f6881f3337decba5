"""The published ways in which label-free self-evolution fails: the paper's recipe falls for each, ours does not.

Each is played by an engine or votes written by hand, so that the failure is there for certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from visplay.config import QuestionerSettings, ReasonerSettings, Sampling, SilverSettings
from visplay.grpo.loss import advantages
from visplay.records import Completion, Picture, Question, Request, Vote
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Asked, Questioner
from visplay.roles.reasoner import Reasoner, tally
from visplay.silver.candidate import Candidate
from visplay.silver.gates import make_gates, sift
from visplay.silver.labelers import make_labeler

PAPER = SilverSettings()
GATES = ("answered", "band", "needs_image", "self_check", "consistent", "new")
OURS = SilverSettings(labeler="facts", band_low=0.6, band_high=1.0, chance_corrected=True, gates=GATES)
PICTURE = Picture("p", b"")
PROMPTS = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)
HONEST = QuestionerSettings(reward="honest", gates=("answered", "band"), memory=64)


class Script:
    """Answers each prompt with the texts given for it, in turn; what is not in the script is "unknown"."""

    def __init__(self, replies: Mapping[str, Sequence[str]]) -> None:
        self.replies = replies

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        replies = self.replies.get(f"{request.picture.id}: {request.prompt}") or self.replies.get(request.prompt, ())
        text = replies[index % len(replies)] if replies else "unknown"
        boxed = text if "<" in text else f"\\boxed{{{text}}}"
        return Completion(request.id, index, (1,), (-0.1,), boxed, True)


def reasoner(replies: Mapping[str, Sequence[str]]) -> Reasoner:
    return Reasoner(Script(replies), PROMPTS, ReasonerSettings(), 0)


def asks(text: str, name: str = "q", picture: Picture = PICTURE) -> Question:
    return Question(name, picture, "open", text)


def silver(settings: SilverSettings, question: Question, replies: Mapping[str, Sequence[str]]) -> str | None:
    """The silver answer of a question, None when it does not become silver."""
    mind = reasoner(replies)
    labelled = make_labeler(settings.model_copy(update={"views": ("plain",)}), mind).label([question], 8)
    passed, _ = sift(make_gates(settings.gates, settings, mind), labelled)
    return passed[0].tally.answer if passed else None


def rewards(settings: QuestionerSettings, texts: Sequence[str | None], votes: Sequence[str | None]) -> list[float]:
    """What one picture's questions earn when each gets the same eight votes."""
    return list(group(Questioner(Script({}), PROMPTS, settings, 0), texts, votes).rewards)


def group(questioner: Questioner, texts: Sequence[str | None], votes: Sequence[str | None]):
    request = Request("1/questioner/0/p", PICTURE, "ask", len(texts))
    asked = [
        Asked(
            request,
            Completion(request.id, n, (1,), (0.0,), text or "no form", True),
            None if text is None else asks(text, f"{request.id}#{n}"),
        )
        for n, text in enumerate(texts)
    ]
    candidates = [candidate(one.question, votes) for one in asked if one.question is not None]
    gates = make_gates(questioner.settings.gates, OURS, reasoner({}))
    _, dropped = sift(gates, candidates)
    (found,) = questioner.groups(asked, {c.question.id: c.tally for c in candidates}, dropped)
    return found


def candidate(question: Question, answers: Sequence[str | None]) -> Candidate:
    votes = tuple(Vote(question.id, n, answer, "") for n, answer in enumerate(answers))
    return Candidate(question, votes, tally(question, votes))


VARIED = [
    "what color is the big circle on top?",
    "how many crosses are in the image?",
    "which of them is nearest to us here?",
    "where would you put another blue one?",
]


def test_a_wrong_majority_is_reinforced() -> None:
    question = asks("are there more circles than crosses?")
    replies = {
        question.text: ["yes", "no", "yes", "yes", "no", "yes", "no", "yes"],
        "list": ["<facts>red cross, blue cross, red circle</facts>"],
    }
    assert silver(PAPER, question, replies) == "yes"
    assert silver(OURS, question, replies) is None


def test_a_claim_that_is_denied_when_it_is_asked_for_is_no_label() -> None:
    question = asks("what color is the circle?")
    replies = {
        question.text: ["red", "red", "red", "blue", "red", "blue", "red", "blue"],
        "is there a red circle?": ["no"],
        "is there not a red circle?": ["yes"],
        "how many red circles are there?": ["0"],
    }
    assert silver(PAPER, question, replies) == "red"
    for gate in ("self_check", "consistent"):
        assert silver(PAPER.model_copy(update={"gates": ("band", gate)}), question, replies) is None


@pytest.mark.parametrize("votes", [["yes", "no"] * 4, ["yes", "yes", "no", "yes", "no", "no", "yes", "no"]])
def test_a_coin_earns_the_most(votes: list[str]) -> None:
    paper = rewards(QuestionerSettings(), VARIED, votes)
    assert min(paper) == 0.75, "as much as any question can earn beside three others"
    assert rewards(HONEST, VARIED, votes) == [0.0] * 4


def test_what_nobody_can_answer_looks_hard() -> None:
    votes = ["unknown", "red", "unknown", "unknown", "blue", "unknown", "red", "green"]
    assert min(rewards(QuestionerSettings(), VARIED, votes)) == 0.75
    assert rewards(HONEST, VARIED, votes) == [0.0] * 4


def test_a_hard_question_with_an_answer_still_pays() -> None:
    votes = ["red", "red", "blue", "red", "red", "green", "red", "blue"]
    assert min(rewards(HONEST, VARIED, votes)) > 0.4


def test_a_group_that_collapsed_has_no_gradient() -> None:
    votes = ["red", "blue", "red", "red", "red", "red", "blue", "red"]
    collapsed = [VARIED[0]] * 4
    paper = group(Questioner(Script({}), PROMPTS, QuestionerSettings(), 0), collapsed, votes)
    assert paper.usual is None and not advantages(paper.rewards, 1e-6, paper.usual).any()
    ours = Questioner(Script({}), PROMPTS, HONEST, 0)
    group(ours, [*VARIED[:3], None], votes)
    group(ours, VARIED, ["red"] * 8)
    again = group(ours, collapsed, votes)
    assert len(set(again.rewards)) == 1
    assert (advantages(again.rewards, 1e-6, again.usual) < 0).all(), "to say one thing only is worse than usual"


def test_a_question_pays_however_often_it_was_asked() -> None:
    votes = ["red", "blue", "red", "red", "red", "red", "blue", "red"]
    paper, ours = (Questioner(Script({}), PROMPTS, settings, 0) for settings in (QuestionerSettings(), HONEST))
    before = [group(one, VARIED, votes).rewards for one in (paper, ours)]
    after = [group(one, VARIED, votes).rewards for one in (paper, ours)]
    assert after[0] == before[0]
    assert all(late < early for late, early in zip(after[1], before[1], strict=True))


def test_an_answer_that_ignores_the_image_is_learned() -> None:
    pictures = [Picture(f"p{n}", b"") for n in range(5)]
    questions = [asks("how many legs has a cat like this?", f"q{n}", p) for n, p in enumerate(pictures)]
    mind = reasoner({questions[0].text: ["4", "4", "4", "3", "4", "4", "3", "3"]})
    candidates = make_labeler(PAPER, mind).label(questions, 8)
    assert len(sift(make_gates(PAPER.gates, PAPER, mind), candidates)[0]) == 5
    passed, dropped = sift(make_gates(("band", "needs_image"), PAPER, mind), candidates)
    assert passed == [] and {gate for gate, _ in dropped.values()} == {"needs_image"}


def test_the_same_questions_come_again_each_iteration() -> None:
    old = asks(VARIED[0], "1/q")
    again = candidate(asks(VARIED[0], "2/q"), ["red"] * 5 + ["blue"] * 3)
    assert sift(make_gates(PAPER.gates, PAPER, reasoner({})), [again])[0] == [again]
    assert sift(make_gates((*PAPER.gates, "new"), PAPER, reasoner({}), [old]), [again])[0] == []


def test_neither_form_nor_length_can_be_gamed() -> None:
    votes = ["red", "blue", "red", "red", "red", "red", "blue", "red"]
    plain = rewards(HONEST, VARIED, votes)
    padded = rewards(HONEST, [f"please look very very closely now and tell me: {text}" for text in VARIED], votes)
    assert all(long <= short for long, short in zip(padded, plain, strict=True))
    assert rewards(HONEST, [*VARIED[:3], None], votes)[3] == 0.0
    assert rewards(HONEST, [*VARIED[:3], None], ["red"] * 8)[3] == 0.0
