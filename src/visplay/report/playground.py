"""One image and one question for two Reasoners: the base and the evolved one, side by side.

Models and their libraries are loaded with the first question and stay in memory, so the page opens at once.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visplay.config import load_settings
from visplay.errors import ConfigError, ImageError, RunError
from visplay.images.decode import examine
from visplay.types import Candidate, ImageRef, Question

if TYPE_CHECKING:
    from visplay.tools.ask import Asker

MOST_CHARACTERS = 2000  # of a question, as many as the Questioner may write


class Playground:
    """Both roles of a run and its base, for one question at a time; without roles yet, the base alone."""

    def __init__(self, run: Path, trust_remote_code: bool = False) -> None:
        self._run = run
        self._trusted = trust_remote_code
        self._opened: dict[str, Asker] = {}

    def ask(self, given_image: object, given_question: object) -> dict[str, Any]:
        """Votes of both Reasoners on a given question, or on the questions of the Questioner.

        Args:
            given_image: an image's file in base64.
            given_question: if None or blank, the Questioner asks: the evolved one, or the base if there is none.
        Returns:
            "asks": the author of the questions, "you", "base" or "evolved"; "note": a line, or none; "questions", each
            with the votes of "base" and "evolved" (None without evolved roles); "unread": texts of the Questioner that
            are not in the agreed form.
        Raises:
            VisplayError: the image or question cannot be used, or the model cannot be loaded.
        """
        from visplay.tools.ask import questions_of

        image, text = read_image(given_image), read_question(given_question)
        askers, note = {"base": self._asker("base")}, ""
        try:
            askers["evolved"] = self._asker("evolved")
        except RunError as error:
            note = f"only the base answers: {error}"
        asks = "you" if text else list(askers)[-1]
        asked = [] if text else askers[asks].questions([image])
        questions = [Question("ask/playground#0", image, "open", text)] if text else questions_of(asked)
        said = {name: asker.judge(questions) for name, asker in askers.items()}
        return {
            "asks": asks,
            "note": note,
            "questions": [
                {"type": one.type, "text": one.text, "base": None, "evolved": None}
                | {name: _said(*verdicts[one.id]) for name, verdicts in said.items() if one.id in verdicts}
                for one in questions
            ],
            "unread": [one.completion.text for one in asked if one.question is None],
        }

    def _asker(self, name: str) -> Asker:
        from visplay.tools.ask import Asker

        if name not in self._opened:
            # Base and evolved roles stand side by side in one process, whatever engine trained them.
            settings = load_settings(
                str(self._run / "config.yaml"),
                values={"engine": "transformers"},
                trust_remote_code=self._trusted,
            )
            model = settings.model if name == "base" else str(self._run)
            self._opened[name] = Asker(model, ("questioner", "reasoner"), settings)
        return self._opened[name]


def read_image(given: object) -> ImageRef:
    """The image of a file in base64. It is decoded once as a check; ImageError if that fails."""
    if not isinstance(given, str) or not given:
        raise ImageError("there is no image; choose one")
    try:
        content = base64.b64decode(given, validate=True)
    except ValueError:
        raise ImageError("the image did not arrive whole; choose it again") from None
    try:
        return ImageRef("playground", content, content=examine(content))
    except ImageError as error:
        raise ImageError(f"the image cannot be used: {error}") from None


def read_question(given: object) -> str:
    """The question, empty if the Questioner shall ask; halves of surrogate pairs become U+FFFD.

    Raises ConfigError if the question is not a text, or is too long.
    """
    if not isinstance(given, str | None) or len(given or "") > MOST_CHARACTERS:
        raise ConfigError(f"a question is a text of at most {MOST_CHARACTERS} characters")
    return (given or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _said(candidate: Candidate, verdict: str) -> dict[str, Any]:
    """What a Reasoner makes of a question."""
    from visplay.answers import counted

    votes = [asdict(one) for one in candidate.votes]
    counts = counted([vote.answer for vote in candidate.votes])
    return asdict(candidate.result) | {"verdict": verdict, "counts": counts, "votes": votes}
