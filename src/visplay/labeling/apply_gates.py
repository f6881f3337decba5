"""Filtering of candidates by gates."""

from __future__ import annotations

from collections.abc import Sequence

from visplay.interfaces.gate import Gate
from visplay.interfaces.labeler import Voter
from visplay.types import Candidate


def apply_gates(
    gates: Sequence[Gate], candidates: Sequence[Candidate], voter: Voter
) -> tuple[list[Candidate], dict[str, tuple[str, str]]]:
    """Filter candidates with an answer by all gates, in the order of the gates.

    Returns:
        the candidates that passed; and for rejected ones, by question id, the gate's name and its reason. Candidates
        without an answer are in neither.
    """
    passed = [candidate for candidate in candidates if candidate.result.answer is not None]
    rejected: dict[str, tuple[str, str]] = {}
    for gate in gates:
        reasons = gate.reject(passed, voter)
        rejected |= {question_id: (gate.name, reason) for question_id, reason in reasons.items()}
        passed = [candidate for candidate in passed if candidate.question.id not in reasons]
    return passed, rejected
