"""Signs of collapse, in words: pure functions on what `view.py` and `gallery.py` read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, NamedTuple

from visplay.report.run_data import Curve, RunPage, SilverPanel
from visplay.selfplay.verdict import Verdict

Level = Literal["good", "watch", "bad"]


class Limits(NamedTuple):
    """Where a share begins to be worth a look, and where it is bad."""

    watch: float
    bad: float


# Five runs of the default preset on easy-vqa (docs/results.md), which stay well, are the measure: limits lie well
# outside of all that they show, and "bad" is where a role has all but stopped doing what it is for.
SMALL_SET = 64  # questions of one default step of the Reasoner: with fewer, every step sees the same ones
TINY_SET = 8  # a handful; the Reasoner would learn them by heart
DISTINCT_TEXTS = Limits(0.10, 0.03)  # the runs that stay well: 0.18 to 0.38
COMMONEST_TEXT = Limits(0.25, 0.50)  # one text for every second image is no longer about images
HALF = 0.5  # of what it was at first: told, though a Questioner that finds what is worth asking gets there too
ONE_TYPE = Limits(0.80, 0.95)  # the runs that stay well: 0.37 to 0.52, with three types in use
FALLEN = Limits(0.50, 0.25)  # entropy and texts against their start; the runs that stay well: 0.54 to 0.8
BLIND = Limits(0.30, 0.60)  # the gate's own limit for one question is half of the other images
VALID = Limits(0.90, 0.70)  # the lab's model begins at 1; an instruction-tuned one below, and learns the form soon
UNBOXED = Limits(0.10, 0.30)  # what is not boxed is no vote: a third of the votes lost leaves no majority to trust
WITH_ANSWER = Limits(0.40, 0.20)  # the runs that stay well begin at 0.66
SURE = Limits(0.80, 0.95)  # the runs that stay well: 0.29 to 0.43
DEGENERATE = Limits(0.01, 0.10)  # a habit of one question in a hundred is one that has begun to pay
ANSWERABLE = Limits(0.90, 0.75)  # a false label teaches what is wrong; the runs that stay well: above 0.94 but once
LABEL_ACCURACY = Limits(0.85, 0.70)

_LEVELS: tuple[Level, ...] = ("good", "watch", "bad")
_WINDOW = 3  # steps that a mean at the start and at the end is taken over: half of the default's phase
_BLIND = "needs_image"
# The same mark twice, a letter five times (none has more than three), or a word three times running.
_REPEATED = re.compile(r"([?!,;:])\s*\1|\.{4}|(\w)\2{4}|\b(\w+)\W+\3\W+\3\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing to look at.

    Attributes:
        name: stable ("duplicates", "one type", "entropy", "no_image", "valid", "unboxed", "with answer", "answerable",
            "small set", "sure of everything", "degenerate", "rejected", "label accuracy").
        level: "good", "watch" (look again) or "bad" (it is happening).
        words: one sentence with the figure.
    """

    name: str
    level: Level
    words: str


def signs(page: RunPage, texts: Mapping[int, Sequence[str]] | None = None) -> tuple[Sign, ...]:
    """All signs that can be read from the run so far, the worst first.

    Args:
        texts: questions of each iteration's synthesis (`Gallery.texts`), for what only the wording shows.
    """
    latest = list((texts or {}).get(page.silver[-1].iteration, ())) if page.silver else []
    found = (
        _small_set(page.silver),
        _duplicates(page, latest),
        _one_type(page.silver),
        _entropy(page.curves),
        _no_image(page.silver),
        _valid(page),
        _unboxed(page.silver),
        _with_answer(page.silver),
        _sure(page.silver),
        _degenerate(latest),
        _answerable(page.silver),
        _label_accuracy(page.silver),
        _rejected(page.verdicts),
    )
    return tuple(sorted((sign for sign in found if sign), key=lambda sign: -_LEVELS.index(sign.level)))


def overall(found: Sequence[Sign]) -> Level:
    """The worst level; "good" where there is no sign."""
    return max((sign.level for sign in found), key=_LEVELS.index, default="good")


def _small_set(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver:
        return None
    last = silver[-1]
    level = _low(last.kept, Limits(SMALL_SET, TINY_SET))
    return Sign("small set", level, f"{_of(last.kept, last.candidates, 'question')} became silver{_when(last)}.")


def _duplicates(page: RunPage, texts: Sequence[str]) -> Sign | None:
    """Across images the same good question may well be asked again; so it is a sign only if little else is."""
    silver = [panel for panel in page.silver if panel.candidates]
    if not silver:
        return _fewer_texts(page.curves)
    first, last = (panel.distinct_texts / panel.candidates for panel in (silver[0], silver[-1]))
    level = _low(last, DISTINCT_TEXTS)
    words = f"{_of(silver[-1].distinct_texts, silver[-1].candidates, 'question')} differ in wording{_when(silver[-1])}"
    if len(silver) > 1 and last < HALF * first:
        level, words = _worse(level, "watch"), f"{words}, {_percent(first)} at first"
    if texts:
        text, count = Counter(texts).most_common(1)[0]
        level = _worse(level, _high(count / len(texts), COMMONEST_TEXT))
        words += f"; the commonest, \u201c{_short(text)}\u201d, makes {_percent(count / len(texts))}"
    return Sign("duplicates", level, f"{words}.")


def _fewer_texts(curves: Sequence[Curve]) -> Sign | None:
    """Before the first silver set: how many texts a step of the Questioner has, against its first steps."""
    trend = _trend(curves, "questioner", "distinct_texts")
    if trend is None:
        return None
    first, last = trend
    level = _low(last / first, FALLEN) if first else "good"
    return Sign("duplicates", level, f"A step of the Questioner asks {last:.0f} different texts, {first:.0f} at first.")


def _one_type(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver or not silver[-1].types:
        return None
    last = silver[-1]
    name, count = max(last.types.items(), key=lambda pair: pair[1])
    share = count / sum(last.types.values())
    return Sign("one type", _high(share, ONE_TYPE), f"{_percent(share)} of the questions are {name}{_when(last)}.")


def _entropy(curves: Sequence[Curve]) -> Sign | None:
    """Of both roles; a Reasoner may well become surer, so only the worse of both is told."""
    found = []
    for phase in ("questioner", "reasoner"):
        trend = _trend(curves, phase, "entropy")
        if trend and trend[0] > 0:
            first, last = trend
            words = f"The {phase.capitalize()}'s entropy is {last:.3f} nats a token, {first:.3f} at first."
            found.append((last / first, Sign("entropy", _low(last / first, FALLEN), words)))
    return min(found, key=lambda one: one[0])[1] if found else None


def _no_image(silver: Sequence[SilverPanel]) -> Sign | None:
    """Only where the gate "needs_image" asked; those that earlier gates dropped never came to it."""
    if not silver or _BLIND not in silver[-1].dropped:
        return None
    last = silver[-1]
    gates = list(last.dropped)
    earlier = sum(last.dropped[gate] for gate in gates[: gates.index(_BLIND)])
    judged = last.candidates - last.unlabelled - earlier
    if judged <= 0:
        return None
    no_image = last.dropped[_BLIND]
    words = f"{_of(no_image, judged, 'question')} are answered the same in front of other images{_when(last)}."
    return Sign("no_image", _high(no_image / judged, BLIND), words)


def _valid(page: RunPage) -> Sign | None:
    """Of the latest step that asked, whichever phase it was in."""
    curve = _curve(page.curves, "questioner", "valid")
    recent = _known(curve.y)[-_WINDOW:] if curve else []
    silver = [panel for panel in page.silver if panel.asked]
    if silver and (curve is None or silver[-1].iteration >= curve.iteration[-1]):
        share, when = silver[-1].valid / silver[-1].asked, _when(silver[-1])
    elif recent:
        share, when = fmean(recent), " in the latest steps"
    else:
        return None
    return Sign("valid", _low(share, VALID), f"{_percent(share)} of what was asked has the agreed form{when}.")


def _unboxed(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver or silver[-1].unboxed_share is None:
        return None
    share = silver[-1].unboxed_share
    return Sign("unboxed", _high(share, UNBOXED), f"{_percent(share)} of the answers are not boxed{_when(silver[-1])}.")


def _with_answer(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver or not silver[-1].candidates:
        return None
    last = silver[-1]
    answered = last.candidates - last.unlabelled - last.refused
    words = f"{_of(answered, last.candidates, 'question')} have an answer that holds{_when(last)}."
    return Sign("with answer", _low(answered / last.candidates, WITH_ANSWER), words)


def _sure(silver: Sequence[SilverPanel]) -> Sign | None:
    """All votes the same whatever is asked: nothing is left to learn, and perhaps nothing is looked at."""
    if not silver or not silver[-1].candidates:
        return None
    last = silver[-1]
    share = last.histogram[-1] / last.candidates
    words = f"{_percent(share)} of the questions have a confidence of 0.9 or more{_when(last)}."
    return Sign("sure of everything", _high(share, SURE), words)


def _degenerate(texts: Sequence[str]) -> Sign | None:
    if not texts:
        return None
    bad = [text for text in texts if is_degenerate(text)]
    if not bad:
        return Sign("degenerate", "good", "No question repeats marks or words, or is without words.")
    words = f"{_of(len(bad), len(texts), 'question')} repeat marks or words, such as \u201c{_short(bad[-1])}\u201d."
    return Sign("degenerate", _high(len(bad) / len(texts), DEGENERATE), words)


def _answerable(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver or silver[-1].answerable is None:
        return None
    share = silver[-1].answerable
    words = f"{_percent(share)} of the silver questions have a true answer{_when(silver[-1])}."
    return Sign("answerable", _low(share, ANSWERABLE), words)


def _label_accuracy(silver: Sequence[SilverPanel]) -> Sign | None:
    if not silver or silver[-1].label_accuracy is None:
        return None
    share = silver[-1].label_accuracy
    words = f"{_percent(share)} of the silver answers are true{_when(silver[-1])}."
    return Sign("label accuracy", _low(share, LABEL_ACCURACY), words)


def _rejected(verdicts: Sequence[Verdict]) -> Sign | None:
    if not verdicts:
        return None
    rejected = [one.iteration for one in verdicts if not one.accepted]
    if not rejected:
        return Sign("rejected", "good", f"All of {len(verdicts)} judged iterations were accepted.")
    in_a_row = len(verdicts) - max((place for place, one in enumerate(verdicts, 1) if one.accepted), default=0)
    level: Level = "bad" if in_a_row > 1 or len(rejected) == len(verdicts) else "watch"
    which = ", ".join(str(iteration) for iteration in rejected)
    return Sign("rejected", level, f"Rolled back: iteration{'s' if len(rejected) > 1 else ''} {which}.")


def is_degenerate(text: str) -> bool:
    """No word at all, marks or letters in a row, or a word said three times running."""
    return not any(sign.isalpha() for sign in text) or bool(_REPEATED.search(text))


def _trend(curves: Sequence[Curve], phase: str, name: str) -> tuple[float, float] | None:
    """Mean of the first and of the last steps; None before there are enough to tell them apart."""
    curve = _curve(curves, phase, name)
    values = _known(curve.y) if curve else []
    return (fmean(values[:_WINDOW]), fmean(values[-_WINDOW:])) if len(values) >= 2 * _WINDOW else None


def _curve(curves: Sequence[Curve], phase: str, name: str) -> Curve | None:
    return next((curve for curve in curves if (curve.phase, curve.name) == (phase, name)), None)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _high(value: float, limits: Limits) -> Level:
    """Bad from above."""
    return "bad" if value >= limits.bad else "watch" if value >= limits.watch else "good"


def _low(value: float, limits: Limits) -> Level:
    """Bad from below."""
    return "bad" if value < limits.bad else "watch" if value < limits.watch else "good"


def _worse(one: Level, other: Level) -> Level:
    return max(one, other, key=_LEVELS.index)


def _percent(share: float) -> str:
    """Of what is nearly none or nearly all a digit more: 99.6 % is not 100 %."""
    return f"{100 * share:.{int(0 < share < 0.1 or 0.95 < share < 1)}f} %"


def _of(part: int, whole: int, thing: str) -> str:
    share = f" ({_percent(part / whole)})" if whole else ""
    return f"{part} of {whole} {thing}{'' if whole == 1 else 's'}{share}"


def _when(panel: SilverPanel) -> str:
    return f" in iteration {panel.iteration}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
