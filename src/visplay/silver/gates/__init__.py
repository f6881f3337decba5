"""Gates between a voted question and the silver set, by the names that `silver.gates` lists."""

from __future__ import annotations

from collections.abc import Callable

from visplay.config import SilverSettings
from visplay.roles.reasoner import Reasoner
from visplay.silver.gates.answered import Answered
from visplay.silver.gates.balance import Balance
from visplay.silver.gates.band import Band
from visplay.silver.gates.gate import Gate
from visplay.silver.gates.needs_image import NeedsImage

__all__ = ["Gate", "make_gates"]

_MAKE: dict[str, Callable[[SilverSettings, Reasoner], Gate]] = {
    "answered": lambda settings, _: Answered(settings.most_refusals),
    "balance": lambda settings, _: Balance(settings.most_of_one_answer),
    "band": lambda settings, _: Band(settings.band_low, settings.band_high, settings.chance_corrected),
    "needs_image": lambda settings, reasoner: NeedsImage(reasoner, settings.blind_votes, settings.most_blind),
}


def make_gates(settings: SilverSettings, reasoner: Reasoner) -> dict[str, Gate]:
    """The gates of a preset, by name, in the order in which questions pass them."""
    return {name: _MAKE[name](settings, reasoner) for name in settings.gates}
