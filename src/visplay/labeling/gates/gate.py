"""What a gate is: it sees what any VLM gives, and says which questions not to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from visplay.labeling.candidate import Candidate


class Gate(Protocol):
    """Keeps a candidate or drops it for a reason; it never sees the oracle."""

    def dropped(self, candidates: Sequence[Candidate]) -> dict[str, str]:
        """A few words on why, by question id, for those to drop; the others pass.

        Args:
            candidates: all that passed the gates before; each has an answer.
        """
        ...
