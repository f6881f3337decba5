"""Synthesis of a silver set: candidate questions, their silver answers, and gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from visplay.answers import is_refusal
from visplay.data.random_streams import random_stream
from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Labeler, Voter
from visplay.interfaces.task_source import TaskSource, image_counts
from visplay.roles.questioner import Asked, Questioner
from visplay.types import Candidate, ImageRef, Question, SilverItem

_BINS = 10  # of the histogram of confidences
_CHUNK = 512  # images per call of the engine; limits the memory of texts


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The result of a synthesis."""

    asked: int  # completions of the Questioner
    valid: int  # completions with a question in the required format
    candidates: tuple[Candidate, ...]  # the valid questions without repetitions, with their silver answers
    items: tuple[SilverItem, ...]  # the silver set: candidates that passed all gates
    dropped: Mapping[str, tuple[str, str]]  # gate and reason of each rejected candidate, by question id
    left_out: tuple[Asked, ...] = ()  # the other completions: in another form, or a question once more
    sources: tuple[str, ...] = ()  # the task sources, whose candidates come after the Questioner's

    @property
    def images(self) -> Iterator[ImageRef]:
        """The image of each candidate, made ones among them."""
        return (candidate.question.image for candidate in self.candidates)

    def about(self, images: Collection[str]) -> Synthesis:
        """Without the questions about other images: some of their votes may be missing."""
        candidates = tuple(candidate for candidate in self.candidates if candidate.question.image.id in images)
        items = tuple(item for item in self.items if item.question.image.id in images)
        left_out = tuple(entry for entry in self.left_out if entry.request.image.id in images)
        return replace(self, candidates=candidates, items=items, left_out=left_out)

    def statistics(self) -> dict[str, object]:
        """Metrics: counts, shares and the histogram of confidences, of the Questioner's questions.

        "kept" counts all items; "tasks" has the numbers of each task source, where there are any.
        """
        own = [candidate for candidate in self.candidates if candidate.question.source not in self.sources]
        theirs = {c.question.id for c in self.candidates if c.question.source in self.sources}
        results = [candidate.result for candidate in own]
        answers = [result.answer for result in results]
        bins = Counter(min(int(result.confidence * _BINS), _BINS - 1) for result in results)
        types = Counter(candidate.question.type for candidate in own)
        # An image's records are the evidence of each of its questions.
        by_image = {candidate.question.image.id: candidate.evidence for candidate in self.candidates}
        forms = Counter(evidence.form for read in by_image.values() for evidence in read if evidence.form)
        votes = sum(result.votes for result in results)
        return {
            "asked": self.asked,
            "valid": self.valid,
            "candidates": len(results),
            "refused": sum(answer is not None and is_refusal(answer) for answer in answers),
            "unlabelled": answers.count(None),
            "dropped": dict(Counter(gate for name, (gate, _) in self.dropped.items() if name not in theirs)),
            "kept": len(self.items),
            "distinct_texts": len({candidate.question.text for candidate in own}),
            "mean_confidence": sum(result.confidence for result in results) / len(results) if results else None,
            "unboxed_share": sum(result.unboxed for result in results) / votes if votes else None,
            "confidence_histogram": [bins[i] for i in range(_BINS)],
            "types": dict(sorted(types.items())),
            **({"records": dict(sorted(forms.items()))} if forms else {}),
            **({"tasks": self._of_tasks()} if self.sources else {}),
        }

    def _of_tasks(self) -> dict[str, dict[str, int]]:
        asked, kept = (Counter(one.question.source for one in those) for those in (self.candidates, self.items))
        return {name: {"asked": asked[name], "kept": kept[name]} for name in self.sources}


def synthesize(
    questioner: Questioner,
    labeler: Labeler,
    gates: Sequence[Gate],
    voter: Voter,
    images: Sequence[ImageRef],
    questions_per_image: int,
    votes: int,
    tag: str,
    tasks: Sequence[TaskSource] = (),
) -> Synthesis:
    """Ask questions about images, label each by votes, and apply the gates (arXiv 2511.15661, section 3).

    `tag` is the first part of the questions' ids. Each of `tasks` gets its share of the images, and the Questioner the
    rest.
    """
    images, *shares = share_out(images, tasks, questioner.seed, tag)
    asked = valid = 0
    candidates: list[Candidate] = []
    left_out: list[Asked] = []
    for start in range(0, len(images), _CHUNK):
        batch = questioner.ask(images[start : start + _CHUNK], questions_per_image, tag)
        questions = [entry.question for entry in batch if entry.question is not None]
        asked, valid = asked + len(batch), valid + len(questions)
        put = distinct(questions)
        candidates += labeler.label(put, votes, voter)
        ids = {question.id for question in put}
        left_out += [entry for entry in batch if entry.key not in ids]
    for source, share in zip(tasks, shares, strict=True):
        candidates += _from_source(source, share, voter, tag, questioner.seed)
    passed, dropped = apply_gates(gates, candidates, voter)
    items = tuple(SilverItem(c.question, c.result.answer or "", c.result.confidence, c.votes) for c in passed)
    names = tuple(source.name for source in tasks)
    return Synthesis(asked, valid, tuple(candidates), items, dropped, tuple(left_out), names)


def share_out(images: Sequence[ImageRef], tasks: Sequence[TaskSource], seed: int, tag: str) -> list[list[ImageRef]]:
    """The images of the Questioner, then those of each task source, by the sources' shares; each in the given order."""
    counts = image_counts(len(images), tasks)
    order = random_stream(seed, f"{tag}/share").permutation(len(images)) if tasks else range(len(images))
    owners = dict(zip(order, (owner for owner, count in enumerate(counts) for _ in range(count)), strict=True))
    return [[image for place, image in enumerate(images) if owners[place] == owner] for owner in range(len(counts))]


def _from_source(
    source: TaskSource, images: Sequence[ImageRef], voter: Voter, tag: str, seed: int
) -> Iterator[Candidate]:
    """The candidates of a task source, signed with its name."""
    for start in range(0, len(images), _CHUNK):
        for found in source.tasks(images[start : start + _CHUNK], voter, f"{tag}/{source.name}", seed):
            yield replace(found, question=replace(found.question, source=source.name))


def distinct(questions: Iterable[Question]) -> list[Question]:
    """The questions without repetitions: each text once per image, ignoring case."""
    seen: dict[tuple[str, str], Question] = {}
    for question in questions:
        seen.setdefault((question.image.id, question.text.lower()), question)
    return list(seen.values())


def apply_gates(
    gates: Sequence[Gate], candidates: Sequence[Candidate], voter: Voter
) -> tuple[list[Candidate], dict[str, tuple[str, str]]]:
    """The candidates that pass all gates, in order; and for rejected ones, by question id, the gate and its reason.

    Candidates without an answer are in neither. An exact task needs no gate, because its answer is known by
    construction; and no gate asks about its image.
    """
    answered = [candidate for candidate in candidates if candidate.result.answer is not None]
    passed = [candidate for candidate in answered if not candidate.question.image.made]
    rejected: dict[str, tuple[str, str]] = {}
    for gate in gates:
        reasons = gate.reject(passed, voter)
        rejected |= {question_id: (gate.name, reason) for question_id, reason in reasons.items()}
        passed = [candidate for candidate in passed if candidate.question.id not in reasons]
    return [candidate for candidate in answered if candidate.question.id not in rejected], rejected
