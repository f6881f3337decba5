"""Signs of collapse, in words: pure functions of the values of `run_data.py`. To add a sign, yield it and limit it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import Any

Page = Mapping[str, Any]
Sign = dict[str, str]
"""A sign of health: a stable `name`, its `level`, and `words`, a sentence with the figure."""

LEVELS = ("good", "watch", "bad")  # watch: may become bad; bad: a collapse
# The limits of "watch" and "bad". If the limit of "bad" is the lower one, low figures are bad.
# Five runs of the lab's first edition (docs/science.md), which stay well, are the measure: limits lie well outside of
# all that they show, and "bad" is where a role has all but stopped doing what it is for.
FALLEN = (0.50, 0.25)  # against the start; the runs that stay well: 0.54 to 0.8
LIMITS = {
    "small set": (64, 8),  # with fewer than a default step asks, all steps see the same; 8 are learned by heart
    "duplicates": (0.10, 0.03),  # different texts; the runs that stay well: 0.18 to 0.38
    "one type": (0.80, 0.95),  # the runs that stay well: 0.37 to 0.52, with three types in use
    "entropy": FALLEN,
    "no_image": (0.30, 0.60),  # the gate's own limit for one question is half of the other images
    "valid": (0.90, 0.70),  # the lab's model begins at 1; an instruction-tuned one below, and learns it soon
    "unboxed": (0.10, 0.30),  # no box, no vote: a third of the votes lost leaves no majority to trust
    "with answer": (0.40, 0.20),  # the runs that stay well begin at 0.66
    "sure of everything": (0.80, 0.95),  # nothing is left to learn; the runs that stay well: 0.29 to 0.43
    "degenerate": (0.01, 0.10),  # a habit of one question in a hundred is one that has begun to pay
    "answerable": (0.90, 0.75),  # a false label misleads; the runs that stay well: above 0.94 but once
    "label accuracy": (0.85, 0.70),
    "rejected": (1, 2),  # the last, the last two
}
COMMONEST_TEXT = (0.25, 0.50)  # one text for every second image is no longer about images
HALF = 0.5  # of the first mean: a sign, although the Questioner of a good run may get there too

_WINDOW = 3  # steps that a mean at the start and at the end is taken over: half of the default's phase
# The same mark twice, a letter five times (none has more than three), or a word three times running.
_REPEATED = re.compile(r"([?!,;:])\s*\1|\.{4}|(\w)\2{4}|\b(\w+)\W+\3\W+\3\b", re.IGNORECASE)


def signs(page: Page, texts: Sequence[str] = ()) -> list[Sign]:
    """All signs that can be read from a page of `RunView.read`, the worst first.

    Args:
        texts: the questions of the last synthesis (`Gallery.texts`), for signs in the wording.
    """
    found = [*_of_steps(page), *_of_verdicts(page["verdicts"])]
    if page["silver"]:
        found += chain(_of_silver(page["silver"][-1]), _of_texts(page["silver"], texts))
    order = list(LIMITS)
    return sorted(found, key=lambda sign: (-LEVELS.index(sign["level"]), order.index(sign["name"])))


def is_degenerate(text: str) -> bool:
    """No word at all, marks or letters in a row, or a word said three times running."""
    return not any(sign.isalpha() for sign in text) or bool(_REPEATED.search(text))


def _of_silver(silver: Mapping[str, Any]) -> Iterator[Sign]:
    """Signs in the figures of the last silver set."""
    when = f"in iteration {silver['iteration']}"
    candidates, kept, types, dropped = (silver[name] for name in ("candidates", "kept", "types", "dropped"))
    labelled = candidates - silver["unlabelled"]
    all_asked = candidates + sum(task["asked"] for task in silver.get("tasks", {}).values())
    yield _sign("small set", kept, f"{_of(kept, all_asked)} became silver {when}.")
    if types:
        commonest = max(types, key=types.get)
        share = types[commonest] / sum(types.values())
        yield _sign("one type", share, f"{_percent(share)} of the questions are {commonest} {when}.")
    if "needs_image" in dropped:
        gates = list(dropped)
        judged = labelled - sum(dropped[gate] for gate in gates[: gates.index("needs_image")])
        if judged > 0:
            words = f"{_of(dropped['needs_image'], judged)} are answered the same in front of other images {when}."
            yield _sign("no_image", dropped["needs_image"] / judged, words)
    if candidates:
        answered, sure = labelled - silver["refused"], silver["confidence_histogram"][-1] / candidates
        words = f"{_of(answered, candidates)} have an answer that holds {when}."
        yield _sign("with answer", answered / candidates, words)
        words = f"{_percent(sure)} of the questions have a confidence of 0.9 or more {when}."
        yield _sign("sure of everything", sure, words)
    for name, column, said in (
        ("unboxed", "unboxed_share", "answers are not boxed"),
        ("answerable", "answerable", "silver questions have a true answer"),
        ("label accuracy", "label_accuracy", "silver answers are true"),
    ):
        if (share := silver.get(column)) is not None:
            yield _sign(name, share, f"{_percent(share)} of the {said} {when}.")


def _of_texts(silver: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> Iterator[Sign]:
    """Signs in the wording. A good question may be asked about many images, so duplicates are a sign only if there are
    few other questions."""
    candidates = [one for one in silver if one["candidates"]]
    if candidates:
        first, last = candidates[0], candidates[-1]
        at_first, share = (one["distinct_texts"] / one["candidates"] for one in (first, last))
        words = f"{_of(last['distinct_texts'], last['candidates'])} differ in wording in iteration {last['iteration']}"
        level = _level(share, *LIMITS["duplicates"])
        if share < HALF * at_first:
            level, words = _worst(level, "watch"), f"{words}, {_percent(at_first)} at first"
        if texts:
            text, count = Counter(texts).most_common(1)[0]
            level = _worst(level, _level(count / len(texts), *COMMONEST_TEXT))
            words += f"; the commonest, “{text:.60}”, makes {_percent(count / len(texts))}"
        yield {"name": "duplicates", "level": level, "words": f"{words}."}
    if texts:
        bad = [text for text in texts if is_degenerate(text)]
        words = "No question repeats marks or words, or is without words."
        if bad:
            words = f"{_of(len(bad), len(texts))} repeat marks or words, such as “{bad[-1]:.60}”."
        yield _sign("degenerate", len(bad) / len(texts), words)


def _of_steps(page: Page) -> Iterator[Sign]:
    """Signs in the curves, and in the silver sets if these are more recent."""
    curves = {(curve["phase"], curve["name"]): curve for curve in page["curves"]}
    trends = {name: trend for name, curve in curves.items() if (trend := _trend(curve["y"]))}
    # A Reasoner may rightly become surer, so only the worse role is a sign.
    fallen = {phase: last / first for (phase, name), (first, last) in trends.items() if name == "entropy"}
    if fallen:
        phase = min(fallen, key=fallen.__getitem__)
        first, last = trends[phase, "entropy"]
        words = f"The {phase.capitalize()}'s entropy is {last:.3f} nats a token, {first:.3f} at first."
        yield _sign("entropy", fallen[phase], words)
    if ("questioner", "distinct_texts") in trends and not any(one["candidates"] for one in page["silver"]):
        first, last = trends["questioner", "distinct_texts"]
        words = f"A step of the Questioner asks {last:.0f} different texts, {first:.0f} at first."
        yield {"name": "duplicates", "level": _level(last / first, *FALLEN), "words": words}
    asked, curve = [one for one in page["silver"] if one["asked"]], curves.get(("questioner", "valid"))
    if asked and (curve is None or asked[-1]["iteration"] >= curve["iteration"][-1]):
        share, when = asked[-1]["valid"] / asked[-1]["asked"], f"in iteration {asked[-1]['iteration']}"
    elif curve:
        share, when = fmean([value for value in curve["y"] if value is not None][-_WINDOW:]), "in the latest steps"
    else:
        return
    yield _sign("valid", share, f"{_percent(share)} of what was asked has the agreed form {when}.")


def _of_verdicts(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[Sign]:
    """Signs in the verdicts: rejected iterations."""
    rejected = [str(one["iteration"]) for one in verdicts if not one["accepted"]]
    if rejected:
        in_a_row = not any(one["accepted"] for one in verdicts[-2:])
        words = f"Rolled back: iteration{'s' if len(rejected) > 1 else ''} {', '.join(rejected)}."
        yield _sign("rejected", 2 if in_a_row else 1, words)
    elif verdicts:
        yield _sign("rejected", 0, f"All of {len(verdicts)} judged iterations were accepted.")


def _trend(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Means of the first and of the last steps; None if there are too few steps, or if the first mean is 0."""
    known = [value for value in values if value is not None]
    first, last = (fmean(part) if part else 0.0 for part in (known[:_WINDOW], known[-_WINDOW:]))
    return (first, last) if len(known) >= 2 * _WINDOW and first > 0 else None


def _sign(name: str, value: float, words: str) -> Sign:
    return {"name": name, "level": _level(value, *LIMITS[name]), "words": words}


def _level(value: float, watch: float, bad: float) -> str:
    if bad > watch:
        return "bad" if value >= bad else "watch" if value >= watch else "good"
    return "bad" if value < bad else "watch" if value < watch else "good"


def _worst(*levels: str) -> str:
    return max(levels, key=LEVELS.index)


def _percent(share: float) -> str:
    """Of what is nearly none or nearly all a digit more: 99.6 % is not 100 %."""
    return f"{100 * share:.{int(0 < share < 0.1 or 0.95 < share < 1)}f} %"


def _of(part: int, whole: int) -> str:
    share = f" ({_percent(part / whole)})" if whole else ""
    return f"{part} of {whole} question{'' if whole == 1 else 's'}{share}"
