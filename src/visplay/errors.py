"""Errors that a user can fix. The command line prints their message, one line, and exits with 2.

Every message says what is wrong, where, and what to do. Any other exception is a defect of visplay.
"""

from __future__ import annotations


class VisplayError(ValueError):
    """The base of all errors that a user can fix."""


class ConfigError(VisplayError):
    """A setting is wrong or does not fit another one."""


class ImageError(VisplayError):
    """A source of images cannot be used."""


class ModelError(VisplayError):
    """A model cannot be loaded, or weights do not fit it."""


class EngineError(VisplayError):
    """An engine cannot run, or samples from other weights than the trainer's."""


class ServerError(EngineError):
    """An inference server cannot be used, or went away."""


class TrainingError(VisplayError):
    """A training step cannot be taken, or an optimizer state cannot be used."""


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
    text = visible(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def visible(text: object) -> str:
    """Foreign text, such as a file's name or a model's answer, on one line that can do nothing to a terminal.

    What cannot be printed is written out: `\\x1b` for an escape, `\\n` for the end of a line.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))


def visible_lines(text: str) -> str:
    """As `visible`, but the ends of lines stay."""
    return "\n".join(map(visible, text.split("\n")))
