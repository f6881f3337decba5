"""Gates between a labelled question and the silver set, by the names that `silver.gates` lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from visplay.config import SilverSettings
from visplay.labeling.candidate import Candidate
from visplay.labeling.gates.answered import Answered
from visplay.labeling.gates.balance import Balance
from visplay.labeling.gates.band import Band
from visplay.labeling.gates.consistent import Consistent
from visplay.labeling.gates.gate import Gate
from visplay.labeling.gates.needs_image import NeedsImage
from visplay.labeling.gates.new import New
from visplay.labeling.gates.parsable import Plain
from visplay.labeling.gates.self_check import SelfCheck
from visplay.roles.reasoner import Reasoner
from visplay.types import Augmentation, Question

__all__ = ["Gate", "Gates", "apply_gates", "make_gates"]

Gates = Mapping[str, Gate]
"""Gates by name, in the order in which questions pass them."""

_ALIKE = 0.5  # distance 1 − BLEU of near-duplicates, as for the Questioner's diversity
_MAKE: dict[str, Callable[[SilverSettings, Reasoner], Gate]] = {
    "answered": lambda settings, _: Answered(settings.most_refusals),
    "balance": lambda settings, _: Balance(settings.most_of_one_answer),
    "band": lambda settings, _: Band(settings.band_low, settings.band_high, settings.chance_corrected),
    "consistent": lambda settings, reasoner: Consistent(reasoner, _augmentations(settings), settings.check_votes),
    "needs_image": lambda settings, reasoner: NeedsImage(reasoner, settings.no_image_votes, settings.most_no_image),
    "plain": lambda _, __: Plain(),
    "self_check": lambda settings, reasoner: SelfCheck(
        reasoner, _augmentations(settings), settings.check_votes, settings.most_denied
    ),
}


def _augmentations(settings: SilverSettings) -> tuple[Augmentation, ...]:
    """What votes are spread over: the majority of the paper looks at the image as it is."""
    return ("plain",) if settings.labeler == "majority" else settings.augmentations


def make_gates(
    names: Sequence[str], settings: SilverSettings, reasoner: Reasoner, known: Iterable[Question] = ()
) -> dict[str, Gate]:
    """The gates of these names, in their order.

    Args:
        known: questions of earlier silver sets, for the gate "new".
    """
    return {
        name: New(known, _ALIKE, settings.most_alike) if name == "new" else _MAKE[name](settings, reasoner)
        for name in names
    }


def apply_gates(gates: Gates, candidates: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, tuple[str, str]]]:
    """Those with an answer that pass every gate; and of the others with an answer, by question id, the gate that
    dropped each and why."""
    passed = [candidate for candidate in candidates if candidate.result.answer is not None]
    dropped: dict[str, tuple[str, str]] = {}
    for name, gate in gates.items():
        reasons = gate.dropped(passed)
        dropped |= {question_id: (name, reason) for question_id, reason in reasons.items()}
        passed = [candidate for candidate in passed if candidate.question.id not in reasons]
    return passed, dropped
