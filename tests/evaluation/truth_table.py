"""An engine that answers from a table: enough of a model to measure the measuring."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from visplay.config import Sampling
from visplay.records import Completion, Request


class TruthTable:
    """Boxes what `answer` says to a request; None makes it mumble without a box.

    `calls` keeps the requests and sampling of every call.
    """

    def __init__(self, answer: Callable[[Request, Sampling], str | None]) -> None:
        self._answer = answer
        self.calls: list[tuple[tuple[Request, ...], Sampling]] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> dict[str, tuple[Completion, ...]]:
        self.calls.append((tuple(requests), sampling))
        return {request.id: (self._completion(request, sampling),) for request in requests}

    def _completion(self, request: Request, sampling: Sampling) -> Completion:
        answer = self._answer(request, sampling)
        text = "<think>hm</think> I see." if answer is None else f"<think>hm</think> \\boxed{{{answer}}}"
        return Completion(request.id, 0, (), (), text, finished=answer is not None)


def wording(question: str, choices: tuple[str, ...]) -> str:
    """A bare prompt: the question, then its lettered choices."""
    return "\n".join([question, *(f"{chr(65 + place)}. {choice}" for place, choice in enumerate(choices))])
