"""The warning that the first outputs of a role rarely have the form that is read, with one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from visplay.errors import visible
from visplay.types import Completion

_FEWEST = 0.2  # share of outputs in the form
_BEGINNING, _END = 240, 120  # characters that are shown


@dataclass
class FormCheck:
    """Looks at the first outputs of a role and warns, once, if fewer than a fifth have the form.

    Attributes:
        role: in words.
        form: what is read.
        budget: the settings that limit the length.
        warn: shows a text of a few lines.
    """

    role: str
    form: str
    budget: str
    warn: Callable[[str], None]
    done: bool = False

    def look(self, outputs: Sequence[tuple[Completion, bool]]) -> None:
        """Check the outputs of a step, each with whether it has the form; later steps are not checked."""
        if self.done or not outputs:
            return
        self.done = True
        formless = [completion for completion, has_form in outputs if not has_form]
        formed = len(outputs) - len(formless)
        if formed >= _FEWEST * len(outputs):
            return
        cut = [completion for completion in formless if not completion.finished]
        advice = "docs/recipes/README.md, 'Thinking models', says what to set"
        if 2 * len(cut) > len(formless):
            advice = f"raise {self.budget}"
        shown = next((completion for completion in formless if completion.finished), formless[0])
        self.warn(
            f"warning: {formed} of the {self.role}'s first {len(outputs)} outputs have the form {self.form}, and "
            f"{len(cut)} were cut off at their longest length; {advice}. One of the others:\n  {_excerpt(shown.text)}"
        )


def _excerpt(text: str) -> str:
    """Beginning and end of a text on one line that can do nothing to a terminal."""
    if len(text) > _BEGINNING + _END:
        text = f"{text[:_BEGINNING]} […] {text[-_END:]}"
    return visible(text) or "(empty)"
