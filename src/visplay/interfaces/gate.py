"""The seam of gates: which labelled questions are not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from visplay.interfaces.component import Component
from visplay.interfaces.labeler import ExtraRequests, Voter
from visplay.types import Candidate


class Gate(Component, seam="gate"):
    """Keeps a candidate, or rejects it for a reason; it never sees the truth."""

    compares: ClassVar[bool] = False
    """The verdict depends on the other candidates of a silver set, so a single question has none."""

    def reject(self, candidates: Sequence[Candidate], voter: Voter) -> dict[str, str]:
        """The reason in a few words, by question id, of every rejected candidate; the others pass.

        All candidates passed the gates before this one and have a silver answer. A gate may ask the `voter` again.
        No gate sees the exact tasks, whose answers are known by construction. Other candidates of task sources may have
        no votes (`result.votes == 0`); a gate that judges by votes lets them pass.
        """
        raise NotImplementedError

    def requests(self, questions: int) -> tuple[ExtraRequests, ...]:
        """What `reject` asks about an image with that many questions, at the most."""
        return ()
