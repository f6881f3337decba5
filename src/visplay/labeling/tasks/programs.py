"""The task source `programs`: questions whose answers are computed from what the Reasoner says it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from visplay.answers import match
from visplay.data.random_streams import random_stream
from visplay.errors import did_you_mean
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.interfaces.task_source import TaskSource
from visplay.labeling.programs.answering import FAMILIES, answer
from visplay.labeling.programs.asking import programs
from visplay.labeling.programs.balance import choose
from visplay.labeling.programs.family import key
from visplay.labeling.programs.program import Program, Skill
from visplay.labeling.programs.seen import adjectives
from visplay.labeling.records.asking import ask_records, record_requests
from visplay.labeling.records.reading import Reading
from visplay.labeling.records.schema import Record, Scene
from visplay.labeling.records.settle import settle
from visplay.types import Augmentation, Candidate, Evidence, ImageRef, Question, VoteResult

_TRIED = 12  # programs for each question that is wanted: many are not sure, and rare families come first
_ELSEWHERE = 200  # things of other images that an image is asked about, at most


class Programs(TaskSource, type="programs"):
    """Programs about what several records of an image agree on, each answered from every single record.

    The confidence of an answer is the share of the records from which it follows; a record that does not decide counts
    against it.
    """

    per_image: int = Field(2, ge=1, description="questions per image on average; about one image at most twice as many")
    skills: tuple[Skill, ...] = Field((), description="skills to ask for; all but `premise` if empty")
    hops: tuple[Literal[1, 2, 3], ...] = Field((1, 2, 3), min_length=1, description="facts that an answer combines")
    families: tuple[str, ...] = Field((), description="families to ask from; all of the skills if empty")
    options: float = Field(0.2, ge=0, le=1, description="share of the questions for a text or number that list options")
    wordings: Literal["first", "all"] = Field("all", description="the plainest wording, or any of a question")
    records: int = Field(4, ge=1, description="records of an image")
    augmentations: tuple[Augmentation, ...] = Field(
        ("plain", "dimmer", "darker", "brighter"),
        min_length=1,
        description="augmentations that records are spread over",
    )
    sure: float = Field(0.75, gt=0, le=1, description="least share of the records with the answer")
    votes: int = Field(0, ge=0, description="votes per question, which say how hard it is; 0 for none")

    @field_validator("families")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = {family.name for families in FAMILIES.values() for family in families}
        for name in names:
            if name not in known:
                raise ValueError(f"no family '{name}'{did_you_mean(name, dict.fromkeys(known))}")
        return names

    def tasks(self, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int) -> list[Candidate]:
        read = ask_records(voter, images, self.records, self.augmentations, f"{tag}/record")
        settled = [settle([one.record for one in read[image.id]]).record for image in images]
        elsewhere = _Nouns(settled)
        proposed = [
            self._sure(record, elsewhere.absent_from(record), read[image.id], random_stream(seed, f"{tag}/{image.id}"))
            for image, record in zip(images, settled, strict=True)
        ]
        programs = [[program for program, _ in sure] for sure in proposed]
        stream = random_stream(seed, tag)
        chosen = choose(programs, self.per_image * len(images), 2 * self.per_image, stream)
        candidates = [
            self._candidate(f"{tag}/{image.id}/{number}", image, *sure[place], read[image.id], stream)
            for image, sure, places in zip(images, proposed, chosen, strict=True)
            for number, place in enumerate(places)
        ]
        return self._voted(candidates, voter) if self.votes else candidates

    def _sure(
        self,
        record: Record | None,
        nouns: Sequence[str],
        readings: Sequence[Reading],
        rng: np.random.Generator,
    ) -> list[tuple[Program, list[str | None]]]:
        """Programs whose answer follows from enough records, each with the answer from every record."""
        if record is None:
            return []
        tried = programs(
            record, rng, _TRIED * self.per_image, skills=self.skills, hops=self.hops, families=self.families,
            options=self.options, nouns=nouns,
        )  # fmt: skip
        records = [reading.record for reading in readings]
        answered = ((program, [_answer(program, record) for record in records]) for program in tried)
        return [(program, said) for program, said in answered if _share(program.answer, said) >= self.sure]

    def _candidate(
        self,
        name: str,
        image: ImageRef,
        program: Program,
        said: Sequence[str | None],
        readings: Sequence[Reading],
        rng: np.random.Generator,
    ) -> Candidate:
        text = program.wordings[int(rng.integers(len(program.wordings))) if self.wordings == "all" else 0]
        question = Question(name, image, program.type, text, skill=f"{program.skill}/{program.family}")
        evidence = (Evidence(one.text, finding, one.form) for one, finding in zip(readings, said, strict=True))
        result = VoteResult(question.id, program.answer, _share(program.answer, said), 0, 0)
        return Candidate(question, (), result, tuple(evidence))

    def _voted(self, candidates: Sequence[Candidate], voter: Voter) -> list[Candidate]:
        given: Mapping[str, Any] = voter.votes([one.question for one in candidates], self.votes, self.augmentations)
        voted = []
        for candidate in candidates:
            votes = given[candidate.question.id]
            unboxed = sum(vote.answer is None for vote in votes)
            result = replace(candidate.result, votes=len(votes), unboxed=unboxed)
            voted.append(replace(candidate, votes=votes, result=result))
        return voted

    def requests(self) -> tuple[ExtraRequests, ...]:
        records = record_requests(self.records, self.augmentations)
        if not self.votes:
            return (records,)
        versions = min(len(self.augmentations), self.votes)
        return records, ExtraRequests("votes", versions, self.per_image, self.per_image * -(-self.votes // versions))


def _answer(program: Program, record: Record | None) -> str | None:
    return None if record is None else answer(program.wordings[0], record, program.has_false_premise)


def _share(wanted: str, said: Sequence[str | None]) -> float:
    return sum(one is not None and match(one, wanted) for one in said) / len(said)


class _Nouns:
    """The things of all images, with their adjectives, each counted once per image."""

    def __init__(self, records: Iterable[Record | None]) -> None:
        self._images = Counter(noun for record in records for noun in _nouns(record))

    def absent_from(self, record: Record | None) -> list[str]:
        """Things of the other images, which may be absent from the image of this record; at most `_ELSEWHERE`."""
        own = _nouns(record)
        others = (noun for noun, images in self._images.items() if images > (noun in own))
        return list(islice(others, _ELSEWHERE))


def _nouns(record: Record | None) -> dict[str, None]:
    things = record.things if isinstance(record, Scene) else ()
    return dict.fromkeys(key(" ".join((*adjectives(thing), thing.name))) for thing in things)
