"""An engine that answers from a table: enough of a model to measure the measuring."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visplay.interfaces.engine import Sampling
from visplay.types import Completion, Request

Said = str | tuple[str | None, ...] | None


class TruthTable:
    """Boxes what `answer` says to a request; None makes it mumble without a box.

    One answer is given as often as it is wanted; of a tuple, the first so many are given.
    `calls` keeps the requests and sampling of every call.
    """

    def __init__(self, answer: Callable[[Request, Sampling], Said]) -> None:
        self._answer = answer
        self.calls: list[tuple[tuple[Request, ...], Sampling]] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.calls.append((tuple(requests), sampling))
        return {request.id: self._completions(request, sampling) for request in requests}

    def _completions(self, request: Request, sampling: Sampling) -> tuple[Completion, ...]:
        said = self._answer(request, sampling)
        answers = said if isinstance(said, tuple) else (said,) * request.n
        return tuple(said_aloud(answer, request.id, index) for index, answer in enumerate(answers[: request.n]))


def said_aloud(answer: str | None, request_id: str = "r", index: int = 0) -> Completion:
    """A completion that boxes `answer`; None leaves the box out and the text unfinished."""
    text = "<think>hm</think> I see." if answer is None else f"<think>hm</think> \\boxed{{{answer}}}"
    return Completion(request_id, index, (), (), text, finished=answer is not None)


def wording(question: str, choices: tuple[str, ...]) -> str:
    """A bare prompt: the question, then its lettered choices."""
    return "\n".join([question, *(f"{chr(65 + place)}. {choice}" for place, choice in enumerate(choices))])
