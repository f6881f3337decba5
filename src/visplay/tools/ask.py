"""Questions and votes of both roles for single images, and whether a run would learn from them.

Labeler and gates are those of a run, but a gate that compares questions sees only the questions of this call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from visplay.answers import counted, match
from visplay.config import Settings
from visplay.data.sources.folder import read_files
from visplay.errors import ConfigError, ImageError, UnreadableImage, visible, visible_lines
from visplay.generation.factory import check_engines, make_engines, make_vote_engine
from visplay.labeling.synthesis import apply_gates, distinct
from visplay.roles.open import Role, open_roles, own_settings
from visplay.roles.questioner import Asked, Questioner
from visplay.roles.reasoner import Reasoner
from visplay.types import Candidate, ImageRef, Question

_LONGEST = 1500  # characters of reasoning that are shown


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one completion of the Questioner, or of a question of the user.

    Attributes:
        written: the question with its type, or the completion if it is not in the required format.
        candidate: the question with votes and silver answer; None if the Reasoner was not asked.
        verdict: "kept", or the reason why a run would not learn from the question.
    """

    image: ImageRef
    written: str
    candidate: Candidate | None
    verdict: str

    @property
    def kept(self) -> bool:
        return self.verdict == "kept"


def ask(
    name: str, images: Sequence[ImageRef | str | Path], settings: Settings | None = None, question: str | None = None
) -> list[Reply]:
    """Questions about each image, with votes and verdicts, in the order of asking.

    Args:
        name: a run directory, "lab", a model folder or a hub id.
        images: files, or images that are already opened.
        settings: see `own_settings`; None for the run's own, or for a model those of the preset "default".
        question: a question for the Reasoner, which replaces the Questioner's.
    Raises:
        ImageError: an image cannot be read.
        RunError, ModelError, ConfigError: as `open_roles`.
        EngineError: the engine of the settings cannot run the model.
    """
    if question is not None and not question.strip():
        raise ConfigError("the question is blank; write what the Reasoner is to answer")
    settings = settings or own_settings(name)
    found, skipped = read_files([str(image) for image in images if not isinstance(image, ImageRef)])
    if skipped:
        raise ImageError(f"{skipped[0].path}: {skipped[0].reason}")
    files = {image.data: image for image in found}
    opened = [image if isinstance(image, ImageRef) else files[Path(image)] for image in images]
    check_engines(settings)
    with closing(Asker(name, ("reasoner",) if question else ("questioner", "reasoner"), settings)) as asker:
        if question:
            questions = [Question(f"ask/{image.id}#0", image, "open", question) for image in opened]
            verdicts = asker.judge(questions)
            return [Reply(each.image, each.text, *verdicts[each.id]) for each in questions]
        asked = asker.questions(opened)
        verdicts = asker.judge(questions_of(asked))
    return [_reply(one, verdicts) for one in asked]


def questions_of(asked: Sequence[Asked]) -> list[Question]:
    """The questions in the required format, each text once per image, as a silver set takes them."""
    return distinct(one.question for one in asked if one.question is not None)


class Asker:
    """The roles of a run, or a model in both roles, opened once for many calls; arguments and errors as `ask`."""

    def __init__(self, name: str, roles: Sequence[Role], settings: Settings) -> None:
        policies, prompts = open_roles(name, roles, settings)
        engines = make_engines(policies["reasoner"].vlm, list(policies.values()), settings)
        voter = make_vote_engine(policies["reasoner"], settings)
        self._silver = settings.silver
        self._engines = [*engines, *([voter] if voter else [])]
        engine_of = dict(zip(policies, engines, strict=True))
        self._reasoner = Reasoner(engine_of["reasoner"], prompts, settings.reasoner, settings.seed, voter)
        if "questioner" in engine_of:
            self._questioner = Questioner(engine_of["questioner"], prompts, settings.questioner, settings.seed)

    def close(self) -> None:
        """Leave nothing behind on a server that voted, nor any memory with an engine."""
        for engine in self._engines:
            engine.close()

    def questions(self, images: Sequence[ImageRef]) -> list[Asked]:
        """What the Questioner writes about each image, as often as a silver set would have it asked."""
        asked = self._questioner.ask(images, self._silver.questions_per_image, "ask")
        for gone in {image.id for image in images} - {one.request.image.id for one in asked}:
            raise UnreadableImage(gone, "it vanished")
        return asked

    def judge(self, questions: Sequence[Question]) -> dict[str, tuple[Candidate, str]]:
        """Each question, by its id, with its votes and the verdict: "kept", or the reason of the rejection."""
        labeler = self._silver.labeler
        candidates = labeler.label(questions, self._silver.votes, self._reasoner)
        _, dropped = apply_gates(self._silver.gates, candidates, self._reasoner)
        return {each.question.id: (each, _verdict(each, dropped, labeler.name)) for each in candidates}


def _verdict(candidate: Candidate, dropped: Mapping[str, tuple[str, str]], labeler: str) -> str:
    result = candidate.result
    if result.answer is None and result.unboxed == result.votes:
        return "dropped: no vote is boxed"
    if result.answer is None:
        return f"dropped by labeler '{labeler}': votes and what else was seen are at odds"
    if candidate.question.id in dropped:
        gate, reason = dropped[candidate.question.id]
        return f"dropped by gate '{gate}': {reason}"
    return "kept"


def _reply(one: Asked, verdicts: Mapping[str, tuple[Candidate, str]]) -> Reply:
    image, question, completion = one.request.image, one.question, one.completion
    if question is not None:
        judged = verdicts.get(question.id, (None, "the same question again"))
        return Reply(image, f"{question.type}: {question.text}", *judged)
    if completion.finished:
        return Reply(image, completion.text, None, "dropped: is not in the agreed form")
    return Reply(image, completion.text, None, f"dropped: was cut off after {len(completion.token_ids)} tokens")


def reply_lines(replies: Sequence[Reply], settings: Settings) -> Iterator[str]:
    """What is shown on a terminal; what a model wrote is text and can do nothing there."""
    silver = settings.silver
    gates = ", ".join(gate.name for gate in silver.gates) or "none"
    yield f"labeler {silver.labeler.name}, {silver.votes} votes, gates {gates}, seed {settings.seed}"
    image, number = None, 0
    for reply in replies:
        if reply.image != image:
            image, number = reply.image, 0
            yield f"\n{visible(image.id)}"
        number += 1
        yield f"  {number}. {_indented(reply.written)}"
        if reply.candidate is not None:
            yield from (f"     {line}" for line in _vote_lines(reply.candidate))
        yield f"     {visible(reply.verdict)}"
    compared = [gate.name for gate in silver.gates if gate.compares]
    if compared:
        yield f"\n{', '.join(compared)}: judged among the questions above alone, in a run among all of a silver set"


def _vote_lines(candidate: Candidate) -> Iterator[str]:
    result = candidate.result
    confident = f"{visible(result.answer)}, confidence {result.confidence:.2f}" if result.answer is not None else "none"
    yield f"silver answer: {confident}"
    answers = counted([vote.answer for vote in candidate.votes])
    boxed = ", ".join(f"{visible(answer)} × {count}" for answer, count in answers)
    unboxed = f"unboxed × {result.unboxed}" if result.unboxed else ""
    yield f"votes: {'; '.join(filter(None, (boxed, unboxed)))}"
    agreeing = [vote for vote in candidate.votes if vote.answer and match(vote.answer, result.answer or "")]
    yield from (f"reasoning: {_indented(vote.text)}" for vote in (agreeing or candidate.votes)[:1])


def _indented(text: str) -> str:
    """Lines of a model's text below one another, cut where it gets long."""
    text = text.strip()
    shown = visible_lines(text[:_LONGEST]).replace("\n", "\n       ")
    return shown if len(text) <= _LONGEST else f"{shown} … ({len(text) - _LONGEST} more characters)"
