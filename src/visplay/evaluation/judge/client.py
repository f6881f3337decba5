"""Has a language model judge answers, through any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import httpx2

from visplay.errors import JudgeError
from visplay.evaluation.judge.cache import Cache, Case
from visplay.evaluation.judge.prompt import PROMPT_VERSION, Verdict, judge_messages, read_verdict
from visplay.evaluation.judge.settings import JudgeSettings
from visplay.generation.openai_client import ClientPolicy, Endpoint, gather_limited
from visplay.types import Item

KEY_VARIABLE = "VISPLAY_JUDGE_KEY"
"""Environment variable with the server's key; it is neither written down nor shown."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of an item's answer; `verdict` is None when `reply` holds none, so that it is undecided.

    An item without an answer is wrong, and nobody was asked: `reply` is empty.
    """

    item_id: str
    verdict: Verdict | None
    reply: str


class Judge:
    """A model behind a server, asked at temperature 0, and a cache of what it said.

    Raises:
        JudgeError: the cache's folder cannot be used.
    """

    def __init__(self, settings: JudgeSettings) -> None:
        self.settings = settings
        self._server = Endpoint(settings.url, _policy(settings))
        self._model: str | None = None
        try:
            self._cache = Cache(settings.cache)
        except OSError as error:
            raise self._unwritten(error) from None

    def wait(self) -> str:
        """The name of the model that judges, as soon as its server answers.

        Raises:
            JudgeError: it did not answer in time, or does not serve `settings.model`.
        """
        self._model = self._server.wait(self.settings.model)
        return self._model

    def named(self) -> dict[str, str | None]:
        """What verdicts come from, for a report: the model, and the version of what it is told."""
        return {"model": self._model, "prompt": PROMPT_VERSION}

    def judge_items(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, Judgement]:
        """A judgement of each item, by id. What the cache holds is not asked again, and every reply is kept at once.

        Args:
            answers: what a model said, by item id; blank where it said nothing.
        Raises:
            JudgeError: the server went away, refused a request, or took longer than allowed.
        """
        model = self._model or self.wait()
        cases = {item.id: self._case(item, answers[item.id], model) for item in items if answers[item.id].strip()}
        replies = {case: reply for case in cases.values() if (reply := self._cache.get(case)) is not None}
        left = {case: None for case in cases.values() if case not in replies}
        if left:
            replies |= asyncio.run(self._ask(list(left)))
        nothing = {item.id: Judgement(item.id, "wrong", "") for item in items}
        said = {name: Judgement(name, read_verdict(replies[case]), replies[case]) for name, case in cases.items()}
        return nothing | said

    async def _ask(self, cases: Sequence[Case]) -> dict[Case, str]:
        async with self._server.client() as client:
            jobs = {case.key: partial(self._reply, client, case) for case in cases}
            found = await gather_limited(jobs, self.settings.concurrency)
        return {case: found[case.key] for case in cases}

    async def _reply(self, client: httpx2.AsyncClient, case: Case) -> str:
        body = {
            "model": case.judge,
            "messages": judge_messages(case.question, case.choices, case.reference, case.answer),
            "n": 1,
            "temperature": 0.0,
            "max_tokens": self.settings.max_tokens,
        }
        (choice,) = await self._server.chat(client, body)
        reply = choice.message.content or ""
        try:
            self._cache.put(case, reply)
        except OSError as error:
            raise self._unwritten(error) from None
        return reply

    def _unwritten(self, error: OSError) -> JudgeError:
        reason = (error.strerror or str(error)).lower()
        return JudgeError(f"cannot keep verdicts in {self.settings.cache} ({reason}); name a folder by --judge-cache")

    @staticmethod
    def _case(item: Item, answer: str, model: str) -> Case:
        return Case(model, PROMPT_VERSION, item.question, item.choices, item.answer, answer)


def _policy(settings: JudgeSettings) -> ClientPolicy:
    return ClientPolicy(
        key_variable=KEY_VARIABLE,
        wait_s=settings.wait_s,
        timeout_s=settings.timeout_s,
        retries=settings.retries,
        error=JudgeError,
        address="--judge",
        model="--judge-model",
        if_absent="start it, or name another by --judge",
        if_late="the same command goes on with the verdicts that are kept",
        if_gone="start it again, then the same command goes on with the verdicts that are kept",
    )
