"""The seams of rewards: of the Questioner for a question, and of the Reasoner for an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from visplay.interfaces.component import Component
from visplay.types import Completion, Evidence, Question, SilverItem, Vote, VoteResult


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """The result of one completion of the Questioner.

    Attributes:
        key: identifies the completion by seed, request and index, for rewards that draw random numbers.
        question: the question in the completion, if it is in the agreed form.
        result: the Reasoner's vote on the question.
        rejected: a gate of `questioner.gates` rejected the question; False where the reward uses no gates.
        penalty: r_div of the paper plus the penalty for questions of earlier steps, at least 0.
        votes, evidence: the votes on the question, and what the labeler read beside them.
    """

    key: str
    completion: Completion
    question: Question | None
    result: VoteResult | None
    rejected: bool
    penalty: float
    votes: tuple[Vote, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def confidence(self) -> float:
        """The share of votes on the majority answer; 0 without a question."""
        return self.result.confidence if self.result else 0.0

    @property
    def unboxed(self) -> float:
        """The share of votes without an answer: no disagreement, so nothing that a hard question is paid for."""
        return self.result.unboxed / self.result.votes if self.result and self.result.votes else 0.0


class QuestionerReward(Component, seam="questioner_reward"):
    """Rewards a completion of the Questioner."""

    uses_gates: ClassVar[bool] = False
    """The questions of a step pass `questioner.gates` before they are rewarded."""

    asks_for: ClassVar[str] = ""
    """What the Questioner's prompt asks for beside the question, unless the model has learned its forms."""

    def reward(self, outcome: QuestionOutcome) -> float:
        """The reward; `outcome.penalty` is 0 when the page asks what the question alone would earn."""
        raise NotImplementedError


class ReasonerReward(Component, seam="reasoner_reward"):
    """Rewards a completion of the Reasoner."""

    def reward(self, completion: Completion, item: SilverItem, key: str) -> float:
        """The reward of an answer to a silver question; `key` as in `QuestionOutcome`."""
        raise NotImplementedError
