"""How label-free evolution is known to fail: what the published setting does then, and what ours does.

Each failure is played out by an engine with a script, once by the paper's recipe and once by ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visplay.config import Settings, load_settings
from visplay.interfaces.advantages import GroupRewards
from visplay.interfaces.engine import Sampling
from visplay.labeling.synthesis import Synthesis, apply_gates, synthesize
from visplay.roles.prompts import Prompts
from visplay.roles.questioner import Questioner
from visplay.roles.reasoner import Reasoner
from visplay.types import Completion, Group, ImageRef, Request

PAPER = load_settings("paper-lab")
# The shipped recipe; scripts do not tell looks at an image apart, and ask what the lab's language cannot.
GATES = "[{type: answered, max_refusals: 0.25}, {type: band, low: 0.6, high: 1.0, chance_corrected: true}]"
FACTS = ("silver.labeler.augmentations=[plain]", f"silver.gates={GATES}", f"questioner.gates={GATES}")
OURS = load_settings("facts", FACTS)
PICTURES = tuple(ImageRef(name, b"") for name in ("first", "second", "third"))
FIRST = PICTURES[0]
PROMPTS = Prompts(questioner="ask", reasoner="{question}", facts="list", learned=True)

Say = Callable[[str, str, int], str]
"""Of an image's id, a question and the number of the answer: the answer."""

COLOR = "what color is the circle?"
EIGHT = [
    COLOR,
    "how many dogs are there?",
    "who wears a hat?",
    "is the man taller than both women?",
    "where does the long road lead to?",
    "what is written above that door?",
    "which animal sits on a chair?",
    "why do they all look up?",
]


class Script:
    """An engine that asks `questions` in turn, lists nothing, and answers by a script."""

    def __init__(self, questions: Sequence[str], say: Say) -> None:
        self.questions = questions
        self.say = say

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        return {r.id: tuple(self._complete(r, i) for i in range(r.n)) for r in requests}

    def _complete(self, request: Request, index: int) -> Completion:
        name = request.image.id
        if request.prompt == "ask":
            text = written(self.questions[index % len(self.questions)])
        elif request.prompt == "list":
            text = f"<facts>{self.say(name, 'list', index)}</facts>"
        else:
            said = self.say(name, request.prompt, index)
            text = said if "\\boxed" in said else f"\\boxed{{{said}}}"
        return Completion(request.id, index, (1,), (-0.5,), text, True)


def written(question: str) -> str:
    """A question in the agreed form; what is in another form already stays as it is."""
    return question if "<" in question else f"<type>open</type><question>{question}</question>"


class Play:
    """Both roles of a recipe over a script."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self.settings = settings
        self.engine = Script((), say)
        self.questioner = Questioner(self.engine, PROMPTS, settings.questioner, 0)
        self.reasoner = Reasoner(self.engine, PROMPTS, settings.reasoner, 0)
        self.labeler = settings.silver.labeler

    def ask(self, *questions: str, images: Sequence[ImageRef] = PICTURES) -> list[Group]:
        """A step of the Questioner phase, as `visplay.selfplay.phases` has it: what its questions earn."""
        self.engine.questions = questions
        asked = self.questioner.ask(images, self.settings.questioner.group_size, "step")
        candidates = self.labeler.label([one.question for one in asked if one.question], 8, self.reasoner)
        gates = self.settings.questioner.gates if self.settings.questioner.reward.uses_gates else ()
        _, dropped = apply_gates(gates, candidates, self.reasoner)
        rewards = self.questioner.rewards(asked, {c.question.id: c for c in candidates}, dropped)
        return self.questioner.groups(asked, rewards)

    def earn(self, *questions: str) -> dict[str, float]:
        """What each of a group's questions about the first image earns; the others are asked the same."""
        return dict(zip(questions, self.ask(*questions)[0].rewards, strict=True))

    def silver(self, *questions: str) -> Synthesis:
        """The silver set of these questions about each image."""
        self.engine.questions = questions
        gates, count = self.settings.silver.gates, len(questions)
        return synthesize(self.questioner, self.labeler, gates, self.reasoner, PICTURES, count, 8, "silver")


def learned(play: Play, *questions: str) -> dict[str, str]:
    """What is learned about the first image: silver answers by question."""
    items = play.silver(*questions).items
    return {item.question.text: item.answer for item in items if item.question.image == FIRST}


def normalised(group: Group) -> list[float]:
    (found,) = PAPER.rl.advantages.estimate([GroupRewards(group.rewards, group.baseline)])
    return list(found)


# A wrong majority: the circle is red, and when asked for its colour most votes say blue.


def takes_red_for_blue(name: str, question: str, index: int) -> str:
    """Sees a red circle and a green cross; only the question for the circle's colour misleads it."""
    if name != "first":
        return "nothing" if question == "list" else "unknown"
    known = {
        COLOR: "blue" if index < 5 else "red",
        "what color is the cross?": "green" if index < 5 else "red",
        "list": "red circle, green cross",
        "is there a blue circle?": "no",
        "is there not a blue circle?": "yes",
        "is there a green cross?": "yes",
        "is there not a green cross?": "no",
        "how many blue circles are there?": "0",
        "how many green crosses are there?": "1",
    }
    return known.get(question, "unknown")


def test_the_paper_learns_a_wrong_majority() -> None:
    play = Play(PAPER, takes_red_for_blue)
    assert learned(play, COLOR) == {COLOR: "blue"}
    (group,) = play.reasoner.groups([item for item in play.silver(COLOR).items if item.answer == "blue"], "learn")
    wrong, right = normalised(group)[:5], normalised(group)[5:]
    assert min(wrong) > 0 > max(right), "what is wrong is reinforced, what is right unlearned"


@pytest.mark.parametrize("guard", ["silver.labeler={type: facts, augmentations: [plain]}", "silver.gates=[self_check]"])
def test_a_wrong_majority_gives_itself_away_when_asked_otherwise(guard: str) -> None:
    play = Play(load_settings("paper-lab", [guard]), takes_red_for_blue)
    assert learned(play, COLOR, "what color is the cross?") == {"what color is the cross?": "green"}
    assert learned(Play(OURS, takes_red_for_blue), COLOR, "what color is the cross?") == {
        "what color is the cross?": "green"
    }


def test_a_wrong_majority_of_one_look_is_outvoted_by_others() -> None:
    def is_dazzled(name: str, question: str, index: int) -> str:
        return "blue" if name == "first" and index < 5 else "red"

    found = [
        learned(Play(load_settings("paper-lab", [f"silver.labeler.augmentations={chosen}"]), is_dazzled), COLOR)
        for chosen in ("[plain]", "[plain, darker, smaller]")
    ]
    assert found == [{COLOR: "blue"}, {COLOR: "red"}]


# All questions alike: a group that has collapsed pays each of its members the same.


def answers_by_question(name: str, question: str, index: int) -> str:
    """Answers with the image's own name, the surer the later a question stands in EIGHT, whatever surrounds it."""
    if question == "list":
        return "some things"
    place = next((place for place, known in enumerate(EIGHT) if known in question), 2)
    return name if index < 4 + place // 2 else f"other {index}"


@pytest.mark.parametrize("text", [EIGHT[5], COLOR, "what color?", "why?"])
def test_a_group_that_asks_one_thing_only_is_led_away_from_it(text: str) -> None:
    papers, ours = (collapsed(recipe, [text] * 8) for recipe in (PAPER, OURS))
    assert normalised(papers) == [0.0] * 8
    assert max(normalised(ours)) < -0.1


def test_so_is_one_that_asks_it_in_slightly_other_words() -> None:
    texts = [f"what color is the circle on the left {word}?" for word in ("side", "here", "there", "now")] * 2
    papers, ours = (collapsed(recipe, texts) for recipe in (PAPER, OURS))
    assert normalised(papers) == [0.0] * 8
    assert max(normalised(ours)) < -0.1


@pytest.mark.parametrize("text", [EIGHT[5], COLOR, "what color?", "why?"])
def test_most_of_a_group_asking_one_thing_earns_nothing_by_it(text: str) -> None:
    group = collapsed(OURS, [*[text] * 7, EIGHT[4]])
    assert set(group.rewards[:7]) == {0.0} and group.rewards[7] > 0


def collapsed(recipe: Settings, texts: Sequence[str]) -> Group:
    """A group of these questions after a step of varied ones."""
    play = Play(recipe, answers_by_question)
    play.ask(*EIGHT)
    return play.ask(*texts, images=[FIRST])[0]


def test_what_earlier_batches_asked_earns_less_than_what_is_new() -> None:
    hard = EIGHT[2:6]
    fresh = ["did it rain that morning?", "can one of those cars fly?", "which leaf fell first?", "has anybody won?"]
    for recipe, price in ((PAPER, 0.0), (OURS, 0.125)):
        play = Play(recipe, answers_by_question)
        first = play.earn(*EIGHT)
        for _ in range(3):
            again = play.earn(*EIGHT)
            assert [first[text] - again[text] for text in hard] == pytest.approx([price] * 4)
        other = play.earn(*hard, *fresh)
        assert all(other[text] <= first[text] - price + 1e-9 for text in hard)
        assert {other[text] for text in fresh} == {first[EIGHT[2]]}, "as hard, and new"


# A coin: the votes on a yes/no question split evenly.


def tosses_a_coin(name: str, question: str, index: int) -> str:
    """Does not know whether the man is taller, says yes to the hat by seven of eight, and the rest by five of eight."""
    if question == EIGHT[3]:
        return ("yes", "no")[index % 2]
    if question == "does he wear a hat?":
        return "yes" if index else "no"
    return "some things" if question == "list" else name if index < 5 else f"other {index}"


@pytest.mark.parametrize("gates", ["[]", GATES])
def test_a_coin_earns_most_in_the_paper_and_nothing_with_us(gates: str) -> None:
    papers = Play(PAPER, tosses_a_coin).earn(*EIGHT)
    assert papers[EIGHT[3]] == max(papers.values()) > papers[COLOR]
    recipe = load_settings("facts", [*FACTS, f"questioner.gates={gates}"])
    ours = Play(recipe, tosses_a_coin).earn(*EIGHT)
    assert ours[EIGHT[3]] == 0 < ours[COLOR]


def test_nobody_learns_from_a_coin_but_the_paper() -> None:
    coin, sure = EIGHT[3], "does he wear a hat?"
    assert learned(Play(PAPER, tosses_a_coin), coin, sure).keys() == {coin}
    assert learned(Play(OURS, tosses_a_coin), coin, sure) == {sure: "yes"}


# A question without an answer: the votes split between saying so and guessing.


@pytest.mark.parametrize("refusing", [3, 5])
def test_what_cannot_be_answered_is_neither_hard_nor_learned(refusing: int) -> None:
    def guesses_sometimes(name: str, question: str, index: int) -> str:
        if question == "list":
            return "some things"
        if question == EIGHT[7]:
            return "unknown" if index < refusing else "out of joy"
        return name if index < 5 else f"other {index}"

    papers, ours = (Play(recipe, guesses_sometimes) for recipe in (PAPER, OURS))
    assert papers.earn(*EIGHT)[EIGHT[7]] > 0
    earned = ours.earn(*EIGHT)
    assert earned[EIGHT[7]] == 0 < earned[COLOR]
    assert EIGHT[7] in learned(papers, EIGHT[7]) and learned(ours, EIGHT[7], COLOR).keys() == {COLOR}


# A prior: what is answered without looking.


def does_not_look(name: str, question: str, index: int) -> str:
    """Believes in four legs whatever it is shown, and looks for everything else."""
    if question == "list":
        return "some things"
    return ("4" if question == "how many legs has a cat?" else name) if index < 5 else f"other {index}"


def test_what_is_answered_alike_before_any_image_is_not_learned() -> None:
    legs = "how many legs has a cat?"
    looking = [f"{role}.gates={GATES[:-1]}, needs_image]" for role in ("silver", "questioner")]
    papers = Play(PAPER, does_not_look)
    ours = Play(load_settings("facts", [*FACTS, *looking]), does_not_look)
    group = [legs, *EIGHT[1:]]
    assert papers.earn(*group)[legs] > 0 and legs in learned(papers, legs)
    earned = ours.earn(*group)
    assert earned[legs] == 0 < earned[EIGHT[2]]
    assert learned(ours, legs, EIGHT[2]) == {EIGHT[2]: "first"}


# Form and length: what is said about nothing earns nothing.

FORMS = [
    "<>",
    "why do they all look up? <type>open</type>",
    "<question>why do they all look up?</question>",
    "<type>open</type><question></question>",
    "<type>riddle</type><question>why do they all look up?</question>",
    "<think>a hard one: <type>open</type><question>why do they all look up?</question>",
    "<type>open</type><question>why do they all look up?</question>" * 2,
]


@pytest.mark.parametrize("text", FORMS)
def test_another_form_never_earns_more(text: str) -> None:
    valid, other = (earned_by(form) for form in (EIGHT[7], text))
    assert other == 0 < valid
    papers, ours = (collapsed(recipe, [text] * 8) for recipe in (PAPER, OURS))
    assert normalised(papers) == [0.0] * 8
    assert max(normalised(ours)) < -0.1, "nor is it safe where all do it"


PADDING = st.lists(st.sampled_from(["please", "tell", "me", "now,", "exactly", "and", "truly,"]), max_size=12)


@settings(max_examples=40)
@given(PADDING, PADDING, st.integers(2, 7))
def test_a_longer_question_never_earns_more(before: list[str], after: list[str], place: int) -> None:
    padded = " ".join([*before, EIGHT[place], *after])
    assert earned_by(padded, place) <= earned_by(EIGHT[place], place) > 0


def test_question_marks_are_no_other_question() -> None:
    alone = Play(OURS, answers_by_question).earn(*EIGHT)[EIGHT[2]]
    assert earned_by(EIGHT[2] + "??") == earned_by(EIGHT[2]) < alone


@pytest.mark.xfail(reason="BLEU takes a question for another one as soon as enough is written around it")
def test_an_old_question_is_not_new_for_being_longer() -> None:
    play = Play(OURS, answers_by_question)
    first = play.earn(*EIGHT)
    padded = f"please look at this image now and tell me truly: {EIGHT[2]}"
    assert play.earn(padded, *EIGHT[:2], *EIGHT[3:])[padded] < first[EIGHT[2]]


def test_a_coin_is_no_harder_for_options_that_nobody_takes() -> None:
    def tosses(name: str, question: str, index: int) -> str:
        return "some things" if question == "list" else ("A", "B")[index < 2]

    coin = "which is the man's hat? A. red B. blue"
    longer = f"{coin} C. a zebra D. the moon E. a tea F. cold G. seven H. none"
    short, long = (Play(OURS, tosses).earn(text, *EIGHT[1:])[text] for text in (coin, longer))
    assert long <= short == 0


def earned_by(text: str, place: int = 7) -> float:
    """What this text earns in a step of ours, in the place of one of eight questions."""
    return Play(OURS, answers_by_question).earn(*EIGHT[:place], text, *EIGHT[place + 1 :])[text]


ANSWERS = {
    "right": "<think>I see it.</think> \\boxed{blue}",
    "long": f"<think>{'I look at it once more. ' * 50}</think> \\boxed{{blue}}",
    "bare": "\\boxed{blue}",
    "wrong": "<think>I see it.</think> \\boxed{red}",
    "hedged": "\\boxed{red} \\boxed{blue} \\boxed{red}",
    "both": "\\boxed{blue or red}",
    "none": "<think>I see it.</think> \\boxed{}",
    "told": "<think>I see it.</think> It is blue.",
}


def test_an_answer_earns_by_what_it_says_not_by_how_it_looks() -> None:
    found = {}
    for name, recipe in {"official": load_settings("official"), "ours": OURS}.items():
        group_size = recipe.reasoner.model_copy(update={"group_size": len(ANSWERS)})
        play = Play(recipe.model_copy(update={"reasoner": group_size}), lambda *_: "blue")
        (item,) = Play(PAPER, takes_red_for_blue).silver(COLOR).items[:1]
        play.engine.say = lambda name, question, index: list(ANSWERS.values())[index]
        (group,) = play.reasoner.groups([item], "learn")
        found[name] = dict(zip(ANSWERS, group.rewards, strict=True))
    assert found["ours"] == {name: float(name in ("right", "long", "bare")) for name in ANSWERS}
    assert found["official"]["wrong"] > 0, "pays for the form of a wrong answer"
