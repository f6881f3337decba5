"""What became of a model, in words: whether it got better, at what, by how much, and what got worse.

A change is judged at the endpoints, which are named before a run; the other suites are exploratory. A single suite
counts in the verdict only if its p-value holds for all suites together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from visplay.errors import EvaluationError
from visplay.evaluation.results import task_of
from visplay.evaluation.statistics import Interval, MeanDifference, mean_of
from visplay.evaluation.summary import Figures, mean_figures, selected_iteration
from visplay.evaluation.table import points

Endpoints = Mapping[str, Sequence[str]]
"""By name, the suites whose mean an endpoint is; without any, the mean of all benchmarks is the only endpoint."""

Word = Literal["better", "worse", "mixed", "no change shown", "nothing learned"]

_ALL = 0.9  # from this share of a gain on, it is called all of it


@dataclass(frozen=True, slots=True)
class Headline:
    """The verdict, and the sentences that say why."""

    verdict: Word
    sentences: tuple[str, ...]

    def text(self) -> str:
        """The verdict and the sentences, a line each."""
        return "\n".join((f"Result: {self.verdict}.", *self.sentences))


@dataclass(frozen=True, slots=True)
class _Endpoint:
    name: str
    suites: tuple[str, ...]
    base: Figures
    model: Figures
    from_declined: float  # the part of the change on items that the base declined
    lead: Mapping[str, Any] | None

    @property
    def sign(self) -> int:
        return _sign(self.model["difference"])


def headline(summary: Mapping[str, Any], endpoints: Endpoints) -> Headline:
    """The headline of a run, from its summary.json, or of `suites` and `macro` with a base and a single iteration.

    The reasons of a run that learned nothing are in its summary.
    """
    number = selected_iteration(summary)
    handed = tuple(_handed_over(summary, number))
    if reasons := summary.get("nothing_learned"):
        return Headline("nothing learned", (*reasons, *handed))
    place = number - 1
    suites = {name: suite for name, suite in summary["suites"].items() if suite["base"] and suite["iterations"]}
    if not suites:
        return Headline("no change shown", ("No suite was measured before and after.", *handed))
    if not number:
        return Headline("no change shown", handed)
    found = [_endpoint(summary, name, names, place) for name, names in _named(summary, endpoints, place).items()]
    alone = {name for one in found if len(one.suites) == 1 for name in one.suites}
    shown = {name: suite["iterations"][place] for name, suite in suites.items() if task_of(name) is None}
    changes = {name: figures["difference"] for name, figures in shown.items()}
    sentences = [sentence for one in found for sentence in _sentences(one)]
    sentences += _others({name: change for name, change in changes.items() if name not in alone})
    return Headline(_verdict([one.sign for one in found], changes), (*sentences, *handed))


def check_endpoints(endpoints: Endpoints, suites: Iterable[str]) -> None:
    """Refuse endpoints of suites that are not measured, with an EvaluationError."""
    measured = {name for suite in suites for name in (suite, task_of(suite) or suite)}
    for name, names in endpoints.items():
        if missing := [suite for suite in names if suite not in measured] or ([] if names else ["no suite"]):
            raise EvaluationError(
                f"evaluation.endpoints: {name} needs {', '.join(missing)}; name some of {', '.join(sorted(measured))}"
            )


def _named(summary: Mapping[str, Any], endpoints: Endpoints, place: int) -> Endpoints:
    """The endpoints whose suites were all measured; else the mean of all benchmarks."""
    measured = {name: names for name, names in endpoints.items() if set(names) <= summary["suites"].keys()}
    names = summary["macro"]["iterations"][place]["benchmarks"]
    return measured or {f"the mean of {len(names)} suites" if len(names) > 1 else names[0]: names}


def _endpoint(summary: Mapping[str, Any], name: str, names: Sequence[str], place: int) -> _Endpoint:
    base = [summary["suites"][suite]["base"] for suite in names]
    model = [summary["suites"][suite]["iterations"][place] for suite in names]
    declined = sum(each["transitions"]["declined_to_right"] / each["n"] for each in model) / len(model)
    return _Endpoint(name, tuple(names), mean_figures(base), mean_figures(model), declined, _lead(model))


def _lead(model: Sequence[Figures]) -> Mapping[str, Any] | None:
    """The mean lead over the best baseline of each suite; None if a suite has none."""
    leads = [each["lead_over_baseline"] for each in model if each.get("lead_over_baseline")]
    if len(leads) < len(model):
        return None
    mean = mean_of([MeanDifference(lead["mean"], Interval(*lead["ci95"]), lead["n"]) for lead in leads])
    names = ", ".join(dict.fromkeys(lead["baseline"] for lead in leads))
    return {"mean": mean.mean, "ci95": mean.ci95, "baseline": names}


def _verdict(signs: Sequence[int], changes: Mapping[str, Any]) -> Word:
    sure = {_sign(change) for change in changes.values() if change["p_mcnemar"] * len(changes) < 0.05}
    seen = set(signs) | sure
    if {1, -1} <= seen:
        return "mixed"
    return "better" if 1 in signs else "worse" if -1 in signs else "no change shown"


def _sentences(one: _Endpoint) -> Iterator[str]:
    change, sign = one.model["difference"], one.sign
    word = {1: "Better", -1: "Worse", 0: "No change is shown"}[sign]
    shares = f"{100 * one.base['accuracy']:.1f} % right before, {100 * one.model['accuracy']:.1f} % now"
    yield f"{word}: {one.name}, {shares}, {_points(change)} points."
    if sign > 0:
        yield from _gain(one)
    if sign < 0:
        moved = one.model["transitions"]
        yield f"Of right answers {moved['right_to_wrong']} became wrong and {moved['right_to_declined']} were declined."
    if one.lead:
        yield f"Against the best baseline without training ({one.lead['baseline']}): {_points(one.lead)} points."


def _gain(one: _Endpoint) -> Iterator[str]:
    """What a gain is made of: format, refusals that became answers, better answers."""
    total, answer, form = one.model["difference"], one.model["gain"]["answer"], one.model["gain"]["format"]
    if _sign(form) > 0 and _sign(answer) <= 0:
        yield f"The answers did not change ({_points(answer)}); only more of them are boxed ({_points(form)})."
        return
    elsewhere = one.model.get("answered_difference")
    part = max(0.0, one.from_declined / total["mean"])
    amount = "None" if not part else "All" if part >= _ALL and (not elsewhere or _sign(elsewhere) <= 0) else ""
    amount = amount or f"{100 * min(part, 1):.0f} %"
    where = f"; where it answered, accuracy changed by {_points(elsewhere)} points" if elsewhere else ""
    yield f"{amount} of the gain is on questions that the base declined{where}."
    before, now = (f"{100 * figures['declined']['share']:.1f} %" for figures in (one.base, one.model))
    if before != now:
        yield f"The base declined {before} of the questions; now {now} are declined."
    if _sign(form) > 0:
        yield f"Of the gain {_points(form)} points are format alone."


def _others(changes: Mapping[str, Any]) -> Iterator[str]:
    """The suites whose own interval excludes zero."""
    at = {
        sign: ", ".join(f"{name} {_points(change)}" for name, change in changes.items() if _sign(change) == sign)
        for sign in (1, -1)
    }
    parts = [f"{word} at {at[sign]}" for sign, word in ((1, "better"), (-1, "worse")) if at[sign]]
    if parts:
        told = "; ".join(parts)
        yield f"{told[0].upper()}{told[1:]} (each of {len(changes)} suites by its own interval)."


def _handed_over(summary: Mapping[str, Any], number: int) -> Iterator[str]:
    if "acceptance" not in summary:
        return
    if number:
        yield f"Iteration {number} is handed over."
    else:
        yield "The base is handed over: no iteration was accepted."


def _sign(change: Mapping[str, Any]) -> int:
    """1 or -1 if the interval excludes zero, else 0."""
    low, high = change["ci95"]
    return int(low > 0) - int(high < 0)


def _points(change: Mapping[str, Any]) -> str:
    return points(change["mean"], change["ci95"])
