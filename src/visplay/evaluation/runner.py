"""Put the items of suites to an engine and mark what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from visplay.config import Sampling
from visplay.engines.engine import Engine
from visplay.evaluation.errors import EvaluationError
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.evaluation.score import score
from visplay.records import Completion, Item, Picture, Request, Suite

Wording = Callable[[str, tuple[str, ...]], str]
"""The Reasoner's prompt for a question and its choices; the same one that training uses."""


def measure(
    engine: Engine, suites: Sequence[Suite], wording: Wording, max_tokens: int | None, sampled: bool = True
) -> Measurement:
    """All suites once greedily and, if wanted, once at temperature 1 with nothing cut off.

    Raises:
        EvaluationError: as `evaluate`.
    """
    _check(suites)
    asked = {
        "greedy": _requests(suites, wording, "greedy", greedy=True),
        "sampled": _requests(suites, wording, "sampled", greedy=False) if sampled else {},
    }
    # One call for both, so that an engine need read each picture and prompt only once.
    requests = dict.fromkeys(request for plan in asked.values() for request in plan.values())
    completions = engine.generate(tuple(requests), Sampling(max_tokens=max_tokens))
    results = {decoding: _results(suites, plan, completions) for decoding, plan in asked.items() if plan}
    return Measurement(results["greedy"], results.get("sampled", {}))


def evaluate(
    engine: Engine, suites: Sequence[Suite], wording: Wording, sampling: Sampling, tag: str
) -> tuple[SuiteResult, ...]:
    """One answer to each item; items that are the same question on the same picture share it.

    Args:
        tag: begins every request id. Two models that are asked under one tag draw from the
            same random streams, which makes their paired difference less noisy.
    Raises:
        EvaluationError: no suite or item, two suites of one name, or one id for two questions.
    """
    _check(suites)
    asked = _requests(suites, wording, tag, greedy=False)
    completions = engine.generate(tuple(dict.fromkeys(asked.values())), sampling)
    return tuple(_results(suites, asked, completions).values())


def _requests(suites: Sequence[Suite], wording: Wording, tag: str, greedy: bool) -> dict[str, Request]:
    """The request of each item id; the same question on the same picture is one request."""
    distinct: dict[tuple[Picture, str], Request] = {}
    asked: dict[str, Request] = {}
    for item in _distinct_items(suites):
        prompt = wording(item.question, item.choices)
        request = Request(f"evaluation/{tag}/{item.id}", item.picture, prompt, greedy=greedy)
        asked[item.id] = distinct.setdefault((item.picture, prompt), request)
    return asked


def _results(
    suites: Sequence[Suite], asked: Mapping[str, Request], completions: Mapping[str, tuple[Completion, ...]]
) -> dict[str, SuiteResult]:
    by_item = {item_id: completions[request.id][0] for item_id, request in asked.items()}
    return {suite.name: SuiteResult(suite.name, score(suite.items, by_item)) for suite in suites}


def _distinct_items(suites: Sequence[Suite]) -> list[Item]:
    items: dict[str, Item] = {}
    for suite in suites:
        for item in suite.items:
            if items.setdefault(item.id, item) != item:
                raise EvaluationError(f"item id {item.id} names two different questions; give one another id")
    return list(items.values())


def _check(suites: Sequence[Suite]) -> None:
    if not suites:
        raise EvaluationError("nothing to evaluate; name at least one suite")
    if len({suite.name for suite in suites}) != len(suites):
        raise EvaluationError(f"two suites have the same name: {', '.join(suite.name for suite in suites)}")
    for suite in suites:
        if not suite.items:
            raise EvaluationError(f"suite {suite.name} has no items")
