"""The labeler `records`: answers computed from what the Reasoner says it sees, held against its votes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from visplay.answers import match, vote
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.labeling.labelers.majority import Majority
from visplay.labeling.programs.answering import answer
from visplay.labeling.records.asking import ask_records, record_requests
from visplay.labeling.records.reading import Reading
from visplay.labeling.records.schema import Record
from visplay.types import Augmentation, Candidate, Evidence, Question, VoteResult


class Records(Majority, type="records"):
    """Computes the answer from each of several records of the image, and takes the majority of what is computed.

    It replaces the majority of the votes where enough records say so. The votes tell how hard a question is.
    """

    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "dimmer", "darker", "brighter"),
        min_length=1,
        description="augmentations that votes are spread over, and records too where they move nothing",
    )
    records: int = Field(4, ge=1, description="records of an image")
    sure: float = Field(0.75, gt=0, le=1, description="share of the records from which an answer overrules the votes")
    free: Literal["votes", "drop"] = Field(
        "votes", description="where nothing follows from any record: the majority of the votes, or no answer"
    )

    def answer(self, question: str, record: Record) -> str | None:
        """What follows from a record, or None."""
        return answer(question, record)

    def label(self, questions: Sequence[Question], votes: int, voter: Voter) -> list[Candidate]:
        candidates = super().label(questions, votes, voter)
        seen = ask_records(voter, questions, self.records, self.augmentations)
        return [self._held_against(candidate, seen[candidate.question.image.id]) for candidate in candidates]

    def _held_against(self, candidate: Candidate, readings: Sequence[Reading]) -> Candidate:
        text = candidate.question.text
        computed = [None if reading.record is None else self.answer(text, reading.record) for reading in readings]
        evidence = (
            Evidence(reading.text, answer, reading.form) for reading, answer in zip(readings, computed, strict=True)
        )
        result = decided(candidate.result, computed, self.sure, self.free)
        return replace(candidate, result=result, evidence=tuple(evidence))

    def requests(self, questions: int, votes: int) -> tuple[ExtraRequests, ...]:
        return (*super().requests(questions, votes), record_requests(self.records, self.augmentations))


def decided(
    voted: VoteResult, computed: Sequence[str | None], sure: float, free: Literal["votes", "drop"]
) -> VoteResult:
    """`voted` with the majority of the computed answers and its share of all records.

    If the share is below `sure`, the votes must agree, or there is no answer. Where nothing was computed, `free` says
    whether the votes stand.
    """
    answer, share, _ = vote(computed)
    if answer is None and free == "votes":
        return voted
    agreed = answer is not None and voted.answer is not None and match(voted.answer, answer)
    if answer is None or not (agreed or share >= sure):
        return replace(voted, answer=None, confidence=0.0)
    return replace(voted, answer=answer, confidence=share)
