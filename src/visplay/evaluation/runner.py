"""Put the items of suites to an engine and mark what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain

from visplay.data.augmentations import blank_like
from visplay.errors import EvaluationError, UnreadableImage
from visplay.evaluation.baselines import Baselines
from visplay.evaluation.grading import Verdict, best, commonest, score
from visplay.evaluation.results import Measurement, SuiteResult
from visplay.interfaces.engine import Engine, Sampling
from visplay.types import ImageRef, Item, Request, Suite

Wording = Callable[[str, tuple[str, ...]], str]
"""The Reasoner's prompt for a question and its choices; the same one that training uses."""


def measure(
    engine: Engine,
    suites: Sequence[Suite],
    wording: Wording,
    max_tokens: int | None,
    sampled: bool = True,
    *,
    k: int = 0,
    no_image: bool = False,
    baselines: Baselines | None = None,
) -> Measurement:
    """All suites: once greedily and, if wanted, once and `k` times at temperature 1 without top-p and top-k.

    Args:
        k: answers per item for pass@k and maj@k; 0 for neither.
        no_image: also ask every question once greedily on a blank image.
        baselines: also ask for the votes of the baselines without training; None for no baselines.
    Raises:
        UnreadableImage: the image of an item vanished.
        EvaluationError: no suite or item, two suites of one name, one id for two questions, or an impossible count.
    """
    if k < 0:
        raise EvaluationError(f"k must be at least 0; got {k}")
    plans: list[tuple[str, Sequence[Suite], Mapping[str, tuple[Request, ...]], Verdict]] = [
        ("greedy", suites, _requests(suites, wording, "greedy", greedy=True), best)
    ]
    if sampled:
        plans.append(("sampled", suites, _requests(suites, wording, "sampled"), best))
    if k:
        often = _requests(suites, wording, f"pass{k}", n=k)
        plans += [(f"pass@{k}", suites, often, best), (f"maj@{k}", suites, often, commonest)]
    if no_image:
        unseen = _requests(suites, wording, "no_image", greedy=True, shown=cache(blank_like))
        plans.append(("no_image", suites, unseen, best))
    if baselines:
        some = baselines.draw(suites)
        votes = baselines.decodings(_distinct_items(some), wording)
        plans += [(name, some, asked, verdict) for name, asked, verdict in votes]
    # One call for all, so that an engine need read each image and prompt only once.
    requests = dict.fromkeys(chain.from_iterable(each for _, _, asked, _ in plans for each in asked.values()))
    completions = engine.generate(tuple(requests), Sampling(max_tokens=max_tokens))
    # A score of fewer items would not compare with those of other models.
    for request in (request for request in requests if not completions[request.id]):
        raise UnreadableImage(request.image.id, "it vanished or changed while it was measured")
    found = {}
    for decoding, of, asked, verdict in plans:
        by_item = {
            item_id: tuple(chain.from_iterable(completions[request.id] for request in each))
            for item_id, each in asked.items()
        }
        found[decoding] = {each.name: SuiteResult(each.name, score(each.items, by_item, verdict)) for each in of}
    return Measurement(found)


def _requests(
    suites: Sequence[Suite],
    wording: Wording,
    tag: str,
    greedy: bool = False,
    n: int = 1,
    shown: Callable[[ImageRef], ImageRef] = lambda image: image,
) -> dict[str, tuple[Request, ...]]:
    """The request of each item id; the same question on the same image, as `shown`, is one request."""
    asked: dict[str, tuple[Request, ...]] = {}
    distinct: dict[tuple[ImageRef, str], Request] = {}
    for item in _distinct_items(suites):
        prompt, image = wording(item.question, item.choices), shown(item.image)
        request = Request(f"evaluation/{tag}/{item.id}", image, prompt, n=n, greedy=greedy)
        asked[item.id] = (distinct.setdefault((image, prompt), request),)
    return asked


def _distinct_items(suites: Sequence[Suite]) -> list[Item]:
    if not suites:
        raise EvaluationError("nothing to evaluate; name at least one suite")
    if len({suite.name for suite in suites}) != len(suites):
        raise EvaluationError(f"two suites have the same name: {', '.join(suite.name for suite in suites)}")
    items: dict[str, Item] = {}
    for suite in suites:
        if not suite.items:
            raise EvaluationError(f"suite {suite.name} has no items")
        for item in suite.items:
            if items.setdefault(item.id, item) != item:
                raise EvaluationError(f"item id {item.id} names two different questions; give one another id")
    return list(items.values())
