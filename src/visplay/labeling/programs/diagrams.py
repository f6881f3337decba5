"""Families about diagrams: the parts of a drawing, their labels and their values."""

from __future__ import annotations

import re

from visplay.labeling.language import fold, names, read_noun
from visplay.labeling.programs.family import Draft, Families, Slot, key
from visplay.labeling.programs.numbers import measured, unit_of, written
from visplay.labeling.programs.scene_slots import plural
from visplay.labeling.programs.seen import judged, names_where, yes
from visplay.labeling.records.schema import Diagram, Part

VALUE_GAP = 1e-9
"""Smallest difference of two values that is judged: the values of a diagram are printed."""

# What a part's own value may be called.
_OWN = frozenset("measure length value size angle width height radius".split())


def _named(part: Part) -> str:
    return key(f"{part.name} {part.label}")


def _part(draft: Draft[Diagram]) -> str | None:
    return draft.pick([_named(part) for part in draft.record.parts if part.value])


def _noun(draft: Draft[Diagram]) -> str | None:
    nouns = [read_noun(key(part.name)) for part in draft.record.parts]
    return draft.pick([noun for noun in nouns if noun and read_noun(plural(noun)) == noun])


def _label(draft: Draft[Diagram]) -> str | None:
    return draft.pick([part.label for part in draft.record.parts if part.label])


def _measure(draft: Draft[Diagram]) -> str | None:
    return "value"


_PART: Slot[Diagram] = Slot(".+?", _part)
_SLOTS: dict[str, Slot[Diagram]] = {
    "x": _PART,
    "y": _PART,
    "a": Slot(r"[^\W\d_][\w' -]*?", _noun, read_noun),
    "A": Slot(r"[^\W\d_][\w' -]*?", _noun, read_noun, plural),
    "b": Slot(r"[^\W\d_][\w' -]*?", _noun, read_noun),
    "label": Slot(".+?", _label),
    "measure": Slot("[a-z]+", _measure),
}
_SHOWN = "(?: shown| drawn| visible| marked)?(?: (?:in|on) the (?:diagram|graph|chart|image))?"
diagrams: Families[Diagram] = Families(_SLOTS, _SHOWN)
"""The families about diagrams."""


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in re.findall(r"[^\W_]+", key(text))) - {"the", "a", "of"}


def _value(diagram: Diagram, text: str) -> str | None:
    """The value of the one part that a text names: by name and label, else by its label or its name alone."""
    wanted = _words(text)
    for said in (_named, lambda part: part.label, lambda part: part.name):
        found = [part.value.strip() for part in diagram.parts if wanted and _words(said(part)) == wanted]
        if found:
            return found[0] or None if len(found) == 1 else None
    return None


def _number(diagram: Diagram, noun: str) -> int | None:
    described = [names_where(noun, key(part.name), diagram.complete) for part in diagram.parts]
    covered = any(names(key(phrase), noun) for phrase in diagram.complete)
    return described.count(True) if covered and None not in described else None


def _two(diagram: Diagram, x: str, y: str) -> tuple[float, float, str] | None:
    """The values of two parts and their unit; None unless both have the same unit."""
    one, other = _value(diagram, x), _value(diagram, y)
    if one is None or other is None or unit_of(one) != unit_of(other) or _words(x) == _words(y):
        return None
    first, second = measured(one), measured(other)
    return None if first is None or second is None else (first, second, unit_of(one))


@diagrams(
    "diagram-title",
    "reading",
    1,
    "what is the title of the (diagram|image|graph)?",
    "what is the (diagram|image|graph) titled?",
)
def _title(diagram: Diagram) -> str | None:
    return diagram.title.strip() or None


@diagrams(
    "part-value",
    "reading",
    1,
    "what is the {measure} of [the ]{x}?",
    "what is {x}?",
    "how (long|large|big|high|wide) is [the ]{x}?",
    "what is the {x}?",
)
def _part_value(diagram: Diagram, x: str, measure: str = "value") -> str | None:
    own = _value(diagram, f"{measure} {x}")
    return own if own is not None or measure not in _OWN else _value(diagram, x)


@diagrams("part-shape", "attribute", 1, "what shape is [the ]{x}?", "what is the shape of [the ]{x}?")
def _part_shape(diagram: Diagram, x: str) -> str | None:
    said = _value(diagram, x)
    return said if said and said.replace(" ", "").isalpha() else None


@diagrams(
    "count-parts",
    "counting",
    1,
    "how many {A} are there?",
    "how many {A} are (shown|in the image|labelled)?",
    "what is the number of {A}?",
)
def _count_parts(diagram: Diagram, a: str) -> str | None:
    number = _number(diagram, a)
    return None if number is None else str(number)


@diagrams("count-parts-of", "counting", 2, "how many {A} does the {b} have?", "how many {A} do the [two ]{b} have?")
def _count_parts_of(diagram: Diagram, a: str, b: str) -> str | None:
    wholes = [part for part in diagram.parts if names(b, key(part.name))]
    number = _number(diagram, a)
    return None if number is None or len(wholes) > 1 or a == b else str(number)


@diagrams(
    "part-exists",
    "existence",
    1,
    "is there a {a}?",
    "does the (diagram|image) (contain|show|have) a {a}?",
    "are there [any ]{A}?",
)
def _part_exists(diagram: Diagram, a: str) -> str | None:
    if any(names(a, key(part.name)) for part in diagram.parts):
        return "yes"
    return "no" if _number(diagram, a) == 0 else None


@diagrams("part-absent", "existence", 1, "is there no {a}?", "are there no {A}?")
def _part_absent(diagram: Diagram, a: str) -> str | None:
    answer = _part_exists(diagram, a)
    return None if answer is None else "no" if answer == "yes" else "yes"


@diagrams("labelled", "reading", 1, "what is labelled {label}?", "what part is (labelled|labeled|marked) {label}?")
def _labelled(diagram: Diagram, label: str) -> str | None:
    found = [part.name for part in diagram.parts if key(part.label) == key(label)]
    return found[0] if len(found) == 1 else None


@diagrams(
    "part-longer",
    "comparison",
    2,
    "is {x} (longer|larger|bigger|greater) than {y}?",
    "is the value of {x} (larger|greater) than that of {y}?",
)
def _longer(diagram: Diagram, x: str, y: str) -> str | None:
    both = _two(diagram, x, y)
    return None if both is None else yes(judged(both[0] - both[1], VALUE_GAP))


@diagrams(
    "part-shorter",
    "comparison",
    2,
    "is {x} (shorter|smaller|less) than {y}?",
    "is the value of {x} (smaller|less) than that of {y}?",
)
def _shorter(diagram: Diagram, x: str, y: str) -> str | None:
    both = _two(diagram, x, y)
    return None if both is None else yes(judged(both[1] - both[0], VALUE_GAP))


@diagrams("parts-equal", "comparison", 2, "is {x} equal to {y}?", "are {x} and {y} equal?")
def _equal(diagram: Diagram, x: str, y: str) -> str | None:
    both = _two(diagram, x, y)
    return None if both is None else yes(abs(both[0] - both[1]) <= VALUE_GAP)


@diagrams("part-sum", "arithmetic", 2, "what is the sum of {x} and {y}?", "how (long|large) are {x} and {y} together?")
def _sum(diagram: Diagram, x: str, y: str) -> str | None:
    both = _two(diagram, x, y)
    return None if both is None else written(both[0] + both[1], both[2])


@diagrams(
    "part-difference",
    "arithmetic",
    2,
    "what is the difference between {x} and {y}?",
    "by how much do {x} and {y} differ?",
)
def _difference(diagram: Diagram, x: str, y: str) -> str | None:
    both = _two(diagram, x, y)
    return None if both is None else written(abs(both[0] - both[1]), both[2])
