"""Passing candidates through gates."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate


def apply_gates(
    gates: Sequence[Gate], candidates: Sequence[Candidate], voter: Voter
) -> tuple[list[Candidate], dict[str, tuple[str, str]]]:
    """The candidates with an answer that pass every gate, and for the rejected ones the gate and its reason.

    Args:
        gates: in the order in which candidates pass them.
    Returns:
        the candidates that passed; and by question id the gate's name and its reason. A candidate without an answer
            is in neither.
    """
    passed = [candidate for candidate in candidates if candidate.result.answer is not None]
    rejected: dict[str, tuple[str, str]] = {}
    for gate in gates:
        reasons = gate.reject(passed, voter)
        rejected |= {question_id: (gate.name, reason) for question_id, reason in reasons.items()}
        passed = [candidate for candidate in passed if candidate.question.id not in reasons]
    return passed, rejected
