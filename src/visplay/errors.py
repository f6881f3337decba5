"""Errors that a user can fix. The command line prints their message, one line, and exits with 2.

Every message says what is wrong, where, and what to do. Any other exception is a defect of visplay.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches


class VisplayError(ValueError):
    """The base of all errors that a user can fix."""


class ConfigError(VisplayError):
    """A setting is wrong or does not fit another one."""


class ImageError(VisplayError):
    """A source of images cannot be used."""


class UnreadableImage(ImageError):
    """An image cannot be read, or is no longer what it was.

    Attributes:
        image: its id.
        reason: in one line, without its path.
    """

    def __init__(self, image: str, reason: str) -> None:
        super().__init__(image, reason)
        self.image = image
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot read image {visible(self.image)}: {self.reason}; put it back"


class ModelError(VisplayError):
    """A model cannot be loaded, or weights do not fit it."""


class EngineError(VisplayError):
    """An engine cannot run, or samples from other weights than the trainer's."""


class ServerError(EngineError):
    """An inference server cannot be used, or went away."""


class TrainingError(VisplayError):
    """A training step cannot be taken, or an optimizer state cannot be used."""


class NotFiniteError(TrainingError):
    """Weights, logits, a loss or a gradient of a role are not finite.

    Attributes:
        role: whose they are.
        what: which of them, such as "gradient".
    """

    def __init__(self, role: str, what: str) -> None:
        super().__init__(
            f"not finite: the {what} of the {role}; its weights are damaged, or its learning rate is too high"
        )
        self.role, self.what = role, what


class OutOfMemory(VisplayError):
    """Memory ran out, and no size of execution is left to halve.

    Attributes:
        doing: in which work, such as "generation".
        reason: what the allocator said.
    """

    def __init__(self, doing: str, reason: str) -> None:
        super().__init__(f"out of memory in {doing} ({reason}); set a smaller max_pixels or sampling.max_tokens")
        self.doing, self.reason = doing, reason


class DistributedError(VisplayError):
    """The processes of a run cannot start together or stay together."""


class RunError(VisplayError):
    """A run directory cannot be used."""


class EvaluationError(VisplayError):
    """Labelled items cannot be used, or scores cannot be compared."""


class JudgeError(EvaluationError):
    """The judge cannot be used, or went away."""


def one_line(error: Exception) -> str:
    """The message of an error in one line of at most 300 characters; the name of its class if it has none."""
    text = visible(without_secrets(" ".join(str(error).split()))) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def reason(error: Exception) -> str:
    """Why a file could not be used, without its name: "no space left on device"."""
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else one_line(error)


def visible(text: object) -> str:
    """Foreign text, such as a file's name or a model's answer, on one line that can do nothing to a terminal.

    What cannot be printed is written out: `\\x1b` for an escape, `\\n` for the end of a line.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def visible_lines(text: str) -> str:
    """As `visible`, but the ends of lines stay."""
    return "\n".join(map(visible, text.split("\n")))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'NAME'?)` for the known name that is closest to a misspelt one; empty if none is close."""
    (close,) = get_close_matches(word[:100], list(known), n=1) or ("",)
    return f" (did you mean '{close}'?)" if close else ""


# A `Path` has a single slash, and a password may hold one.
PASSWORD_IN_URL = re.compile(r"(?<=:/)/?(?:[^/\s]*|[^/\s:]*:\S{0,200})@")


def without_secrets(text: str) -> str:
    """The text with `***` instead of passwords in addresses and of values of environment variables that hold keys."""
    text = PASSWORD_IN_URL.sub("***@", text)
    for name, value in os.environ.items():
        if len(value.strip()) >= 8 and re.search(r"KEY|TOKEN|SECRET|PASSWORD", name.upper()):
            text = text.replace(value.strip(), "***")
    return text
