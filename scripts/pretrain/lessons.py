"""What the tiny VLM is taught: images, questions, and what a perfect Reasoner and a curious Questioner write.

A reply has segments. What is seen on the image (`seen`) is always taught. What follows from it by reasoning (a number
above three, a comparison, a relation, the thing to which a relation leads) is taught in a share of the lessons alone
(`Stage.taught`), so that the model sees well and reasons poorly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from transformers import PreTrainedTokenizerFast

from scripts.pretrain.model import CELL, GRID
from visplay.lab.draw import SIZE, STYLES, draw, mixed, outline
from visplay.lab.language import KINDS, Kind, Query, question_type, write
from visplay.lab.oracle import answer, matching, related
from visplay.lab.questions import careless_query, random_query, random_two_hop, unanswerable_query
from visplay.lab.scene import COLORS, MOST_THINGS, SHAPES, Scene, Thing, random_scene

ASK = "ask a question."
UNKNOWN = "unknown"
# Asked how many shapes there are, the tiny VLM names them all before it counts.
PROMPTS = (
    f'questioner: "{ASK}"\nreasoner: "{{question}}"\nfacts: "how many shapes are there?"\n'
    'record: "describe all shapes."\nrecord_complete: "thing"\nlearned: true\n'
)
LARGE = 4  # numbers from here on are a matter of reasoning

# Shares of the kinds of questions.
_SHARES: dict[str, float] = {
    "color": 0.13, "shape": 0.10, "exists": 0.10, "absent": 0.05, "count": 0.14, "half": 0.05, "more": 0.05,
    "fewer": 0.03, "left": 0.025, "right": 0.025, "above": 0.025, "below": 0.025, "bigger": 0.025, "smaller": 0.025,
    "two-hop": 0.10, "record": 0.10,
}  # fmt: skip
# Kinds that are answered from several things of the list.
SEVERAL = ("count", "more", "fewer", "left", "right", "above", "below", "bigger", "smaller", "two-hop")
# A comparison of two things, and its opposite.
REGULAR = ("right", "below", "bigger")
OPPOSITE = ("left", "above", "smaller")
_REASONED: tuple[Kind, ...] = ("more", "fewer", "left", "right", "above", "below", "bigger", "smaller")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with a learning-rate schedule of its own.

    Attributes:
        whole: train the whole model on questions; otherwise the eyes alone.
        steps: steps taken; the rate falls linearly from `rate` as if to zero after `horizon` steps.
        questions, asks: sequences per image for the Reasoner and for the Questioner.
        single_until, few_until: fractions of the horizon with one thing per image, and with at most three.
        unknown: share of questions about a thing that is not there.
        answer_weight: weight of the tokens after the thought, against 1 for all others.
        deduced_weight: weight of what a thought says after its first segment: things picked from its list, numbers.
        negated: share of "is there no …" among the questions of existence: few first, then as many as of the
            others, since a rule and its opposite at once are hard to learn.
        taught: share of the lessons in which what follows by reasoning is taught.
        wide: the drawings vary widely (`visplay.lab.draw.mixed`).
        vision: train the vision tower as well, with the loss of its heads.
        focused: share of the questions whose kind is one of `focus`; the others are of any kind.
        signs: a thought says which of two digits is smaller before the answer.
        lessons: the number of the stage whose images and random numbers are drawn; None for its own.
    """

    name: str
    whole: bool
    steps: int
    horizon: int
    rate: float = 1e-3
    questions: int = 6
    asks: int = 2
    single_until: float = 0.0
    few_until: float = 0.0
    unknown: float = 0.04
    answer_weight: float = 2.0
    deduced_weight: float = 1.0
    negated: float = 0.1
    taught: float = 0.0
    wide: bool = False
    vision: bool = True
    focused: float = 0.0
    focus: tuple[str, ...] = SEVERAL
    signs: bool = False
    lessons: int | None = None


class Segment(NamedTuple):
    """A part of a completion: always taught if it is `seen`, else in a share of the lessons."""

    text: str
    seen: bool = True


def corpus() -> Iterator[str]:
    """Every word of the lab's language, in the places where it can stand."""
    rng = np.random.default_rng(0)
    for _ in range(3000):
        scene = random_scene(rng, int(rng.integers(1, MOST_THINGS + 1)))
        queries = [random_query(kind, scene, rng) for kind in KINDS]
        for query in [*queries, random_two_hop(scene, rng)]:
            if query is not None:
                yield write(query, rng)
                yield "".join(segment.text for segment in reply(query, scene))
                yield question_text(query, rng)
    yield from [UNKNOWN, ASK, "user\n", "assistant\n", "\n"] * 50


def reply(query: Query, scene: Scene, signs: bool = False) -> list[Segment]:
    """What a perfect Reasoner writes: what it sees, what of it the question is about, the boxed answer.

    Things that are compared carry a digit: of ten rows, columns or sizes. With `signs`, "smaller" or "bigger" follows
    two of them, for the first digit. Things that are counted are followed by their number. A question about a
    thing that is not there is answered "unknown".
    """
    boxed = f"</think>\\boxed{{{answer(query, scene) or UNKNOWN}}}"
    if query.kind == "record":
        return [Segment(f"\\boxed{{{answer(query, scene) or UNKNOWN}}}")]
    listed = f"<think>{_list(query, scene.things)}."
    if query.is_two_hop and query.other is not None:
        found = related(query, scene)
        anchor = f"{listed} {_list(query, matching(query.other, scene))}."
        if found is None:
            return [Segment(anchor + boxed)]
        number = f" = {len(found)}" if query.kind in ("count", "same color", "same shape") else ""
        return [Segment(anchor), Segment(f" {_list(query, found)}{number}{boxed}", seen=False)]
    counted = query.kind in ("count", "more", "fewer")
    segments = [Segment(listed)]
    for noun in (query.noun, query.other):
        if noun is not None:
            segments += _named(query, matching(noun, scene), counted)
    sign = _sign(query, scene) if signs else ""
    if sign:
        segments.append(Segment(f" {sign}", seen=False))
    segments[-1] = segments[-1]._replace(text=segments[-1].text.removesuffix("."))
    unsure = query.kind in _REASONED or (counted and not segments[-1].seen)
    return [*segments, Segment(boxed, seen=not unsure or boxed.endswith(f"{UNKNOWN}}}"))]


def _sign(query: Query, scene: Scene) -> str:
    """How the digit of the first of two things compares with that of the second; empty where nothing is compared."""
    if query.kind not in REGULAR + OPPOSITE or query.other is None or answer(query, scene) is None:
        return ""
    (one,), (other,) = matching(query.noun, scene), matching(query.other, scene)
    return "smaller" if _measure(query, one) < _measure(query, other) else "bigger"


def question_text(query: Query, rng: np.random.Generator) -> str:
    """What a Questioner writes."""
    return f"<type>{question_type(query.kind)}</type><question>{write(query, rng)}</question>"


def _named(query: Query, things: list[Thing], counted: bool) -> list[Segment]:
    if not counted:
        return [Segment(f" {_list(query, things)}.")]
    return [Segment(f" {_list(query, things)} ="), Segment(f" {len(things)}.", seen=len(things) < LARGE)]


def _list(query: Query, things: tuple[Thing, ...] | list[Thing]) -> str:
    return ", ".join(f"{t.color} {t.shape}{_measure(query, t)}" for t in things) or "no"


def _measure(query: Query, thing: Thing) -> str:
    """The digits to compare by: things whose difference the oracle calls a fact never share one."""
    if query.relation in ("closest", "furthest"):
        return f" {thing.row} {thing.column}"
    match query.relation or query.kind:
        case "left" | "right":
            return f" {thing.column}"
        case "above" | "below":
            return f" {thing.row}"
        case "bigger" | "smaller":
            return f" {thing.size}"
        case _:
            return ""


def random_ask(scene: Scene, rng: np.random.Generator) -> Query:
    """A question that a curious but untrained Questioner asks: mostly about what is there, never for a record."""
    while True:
        kind = _kind(rng)
        query = _random(kind, scene, rng)
        if query is not None and rng.random() < 0.9:
            if kind != "record":
                return query
        elif kind not in ("record", "two-hop"):
            return careless_query(kind, scene, rng)


def _kind(rng: np.random.Generator, kinds: Sequence[str] = tuple(_SHARES)) -> Kind:
    shares = np.array([_SHARES[kind] for kind in kinds])
    kind: Kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())]  # type: ignore[assignment]
    return kind


def _random(kind: Kind | str, scene: Scene, rng: np.random.Generator) -> Query | None:
    return random_two_hop(scene, rng) if kind == "two-hop" else random_query(kind, scene, rng)  # type: ignore[arg-type]


def _question(scene: Scene, stage: Stage, rng: np.random.Generator) -> Query:
    """A query for the Reasoner: `stage.unknown` of them about a thing that is not there, the others with an answer."""
    if rng.random() < stage.unknown:
        return unanswerable_query(scene, rng)
    while True:
        kind = _kind(rng, stage.focus) if stage.focused and rng.random() < stage.focused else _kind(rng)
        if kind in ("exists", "absent"):
            kind = "absent" if rng.random() < stage.negated else "exists"
        query = _random(kind, scene, rng)
        if query is not None:
            return query


@dataclass(frozen=True, slots=True)
class Lesson:
    """One image with its sequences.

    Attributes:
        starts: `starts[i]` is where the completion of `sequences[i]` begins.
        weights: `weights[i]` are the weights of the tokens of that completion.
        cells: (C, 5) see `cells`.
    """

    image: Image.Image
    sequences: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    weights: tuple[tuple[float, ...], ...]
    cells: np.ndarray


class Teacher:
    """Draws lessons; lesson `n` of a seed and stage is always the same."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, seed: int) -> None:
        self.seed = seed
        self.tokenizer = tokenizer
        self._head = self._ids("<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * GRID**2 + "<|vision_end|>")
        self._turn = "<|im_end|>\n<|im_start|>assistant\n"

    def lesson(self, number: int, stage: Stage, progress: float) -> Lesson:
        """The `number`-th lesson; `progress` in [0, 1] is how far the stage's horizon has come."""
        rng = np.random.default_rng([self.seed, number])
        most = 1 if progress < stage.single_until else 3 if progress < stage.few_until else MOST_THINGS
        style = STYLES["clean"]
        scene = random_scene(rng, int(rng.integers(1, most + 1)), sizes=style.sizes)
        image = draw(scene, mixed(style, rng, stage.wide), rng)
        pairs = [(ASK, [Segment(question_text(random_ask(scene, rng), rng))]) for _ in range(stage.asks)]
        for _ in range(stage.questions):
            query = _question(scene, stage, rng)
            pairs.append((write(query, rng), reply(query, scene, stage.signs)))
        sequences, starts, weights = [], [], []
        for prompt, segments in pairs:
            asked = self._head + self._ids(prompt + self._turn)
            taught = rng.random() < stage.taught
            ids, weight = self._completion(segments, taught, stage)
            starts.append(len(asked))
            sequences.append(asked + ids)
            weights.append(weight)
        return Lesson(image, tuple(sequences), tuple(starts), tuple(weights), cells(scene))

    def _completion(
        self, segments: list[Segment], taught: bool, stage: Stage
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        end = self.tokenizer.convert_tokens_to_ids("</think>")
        ids: list[int] = []
        weights: list[float] = []
        answering = False
        for place, segment in enumerate((*segments, Segment("<|im_end|>"))):
            for token in self._ids(segment.text):
                answering |= token == end
                weight = stage.answer_weight if answering else stage.deduced_weight if place else 1.0
                ids.append(token)
                weights.append(weight if segment.seen or taught else 0.0)
        return tuple(ids), tuple(weights)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def cells(scene: Scene) -> np.ndarray:
    """(C, 5) int64: colour and shape of the thing that covers a cell, and that thing's row, column and size.

    The colour of bare ground is len(COLORS); its other values are -100, which no loss counts.
    """
    owner = Image.new("L", (SIZE, SIZE), 0)
    paint = ImageDraw.Draw(owner)
    for number, thing in enumerate(scene.things, start=1):
        paint.polygon(outline(thing, SIZE), fill=number)
    blocks = np.asarray(owner).reshape(GRID, CELL, GRID, CELL).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    labels = np.full((GRID * GRID, 5), -100, dtype=np.int64)
    labels[:, 0] = len(COLORS)
    for number, thing in enumerate(scene.things, start=1):
        covered = (blocks == number).mean(axis=1) > 0.25
        place = thing.row, thing.column, thing.size
        labels[covered] = COLORS.index(thing.color), SHAPES.index(thing.shape), *place
    return labels
