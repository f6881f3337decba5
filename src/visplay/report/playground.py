"""One image, one question, two Reasoners: the base and what came of it, side by side.

Models, and the libraries they need, are loaded when the first question comes, and stay: a page that is only looked at
opens at once. One question at a time: who comes meanwhile is told so.
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from visplay.config import load_settings
from visplay.data.sources.folder import read_files
from visplay.errors import ConfigError, RunError
from visplay.types import ImageRef, Question

if TYPE_CHECKING:
    from visplay.tools.ask import Asker
    from visplay.types import Candidate

MOST_BYTES = 20 * 2**20  # of an image's file
MOST_CHARACTERS = 2000  # of a question, as many as the Questioner may write


class CannotAsk(ValueError):
    """The image or question cannot be used, or a model cannot be had; says why in one line."""


class Busy(ValueError):
    """Another question is being answered."""


class Playground:
    """Both roles of a run beside its base.

    Args:
        run: of a run that has no roles yet, the base alone answers.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._opened: dict[str, Asker] = {}
        self._asking = Lock()

    def ask(self, image: object, question: object) -> dict[str, Any]:
        """Votes of both Reasoners on a question, or on those that the Questioner writes.

        Args:
            image: an image's file in base64.
            question: None or blank lets the Questioner ask, the evolved one where there is one.
        Returns:
            "asks": who wrote the questions, "you", "base" or "evolved"; "note": one line, or empty; "questions": each
            with `type`, `text` and what "base" and "evolved" (None where there is none) say; "unread": completions
            of the Questioner in no agreed form.
        Raises:
            CannotAsk: the image or question cannot be used, or the model cannot be loaded.
            Busy: another question is being answered.
        """
        if not self._asking.acquire(blocking=False):
            raise Busy("another question is being answered; ask again when it is done")
        try:
            image, text = read_image(image), read_question(question)
            return self._answer(image, text)
        except (ConfigError, RunError) as error:
            raise CannotAsk(str(error)) from None
        finally:
            self._asking.release()

    def _answer(self, image: ImageRef, question: str) -> dict[str, Any]:
        from visplay.tools.ask import questions_of

        base, evolved, note = self._base(), None, ""
        try:
            evolved = self._evolved()
        except RunError as error:
            note = f"only the base answers: {error}"
        unread: list[str] = []
        if question:
            questions = [Question("ask/playground#0", image, "open", question)]
        else:
            asked = (evolved or base).questions([image])
            questions = questions_of(asked)
            unread = [one.completion.text for one in asked if one.question is None]
        said = {"base": base.judge(questions), "evolved": evolved.judge(questions) if evolved else {}}
        return {
            "asks": "you" if question else "evolved" if evolved else "base",
            "note": note,
            "questions": [
                {"type": each.type, "text": each.text}
                | {name: _said(*verdicts[each.id]) if each.id in verdicts else None for name, verdicts in said.items()}
                for each in questions
            ],
            "unread": unread,
        }

    def _base(self) -> Asker:
        return self._open("base", load_settings(str(self._run / "config.yaml")).model)

    def _evolved(self) -> Asker:
        return self._open("evolved", str(self._run))

    def _open(self, which: str, name: str) -> Asker:
        from visplay.errors import EngineError, ModelError
        from visplay.tools.ask import Asker

        if which not in self._opened:
            # Base and evolved roles stand side by side in one process, whatever engine trained them.
            settings = load_settings(str(self._run / "config.yaml"), values={"engine": "transformers"})
            try:
                self._opened[which] = Asker(name, ("questioner", "reasoner"), settings)
            except (EngineError, ModelError) as error:
                raise CannotAsk(str(error)) from None
        return self._opened[which]


def read_image(given: object) -> ImageRef:
    """An image's file in base64, decoded once before it is trusted.

    Raises:
        CannotAsk: there is none, it is too large, or it cannot be read.
    """
    if not isinstance(given, str) or not given:
        raise CannotAsk("there is no image; choose one")
    try:
        content = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        raise CannotAsk("the image did not arrive whole; choose it again") from None
    if len(content) > MOST_BYTES:
        raise CannotAsk(f"the image is too large: at most {MOST_BYTES // 2**20} MiB")
    with tempfile.NamedTemporaryFile(prefix="visplay-") as file:
        file.write(content)
        file.flush()
        _, skipped = read_files([file.name])
    if skipped:
        raise CannotAsk(f"the image cannot be used: {skipped[0].reason}")
    return ImageRef("playground", content)


def read_question(given: object) -> str:
    """The question, empty where the Questioner is to ask; halves of surrogate pairs become U+FFFD.

    Raises:
        CannotAsk: it is no text, or too long.
    """
    if given is None:
        return ""
    if not isinstance(given, str):
        raise CannotAsk("the question is no text")
    if len(given) > MOST_CHARACTERS:
        raise CannotAsk(f"the question has {len(given)} characters; at most {MOST_CHARACTERS}")
    return given.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _said(candidate: Candidate, verdict: str) -> dict[str, Any]:
    """What a Reasoner makes of a question."""
    from visplay.tools.ask import counted

    result = candidate.result
    return {
        "answer": result.answer,
        "confidence": result.confidence,
        "unboxed": result.unboxed,
        "counts": [{"answer": answer, "count": count} for answer, count in counted(candidate.votes)],
        "verdict": verdict,
        "votes": [
            {"answer": vote.answer, "text": vote.text, "augmentation": vote.augmentation} for vote in candidate.votes
        ],
    }
