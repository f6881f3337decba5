"""The suite `lab`: generated questions about drawings, one suite per task and style."""

from __future__ import annotations

from pydantic import Field, field_validator

from visplay.interfaces.suite import SuiteSource
from visplay.lab.draw import STYLE_NAMES
from visplay.lab.suites.tasks import TASKS, lab_suites
from visplay.types import Suite

ITEMS = 100


class LabSuites(SuiteSource, type="lab"):
    """Suites of the lab, `lab/TASK/STYLE`, generated from the seed."""

    part: str = Field("", description="TASK or TASK/STYLE; empty for every task in every style")

    @field_validator("part")
    @classmethod
    def _is_known(cls, part: str) -> str:
        task, style, *rest = [*part.split("/"), "", ""][: max(2, part.count("/") + 1)]
        if rest:
            raise ValueError(f"no suite 'lab/{part}'; choose lab, lab/TASK or lab/TASK/STYLE")
        if (task and task not in TASKS) or (style and style not in STYLE_NAMES):
            raise ValueError(
                f"no suite 'lab/{part}'; tasks are {', '.join(TASKS)}, styles are {', '.join(STYLE_NAMES)}"
            )
        return part

    def open(self, seed: int, items: int | None) -> tuple[Suite, ...]:
        task, _, style = self.part.partition("/")
        return tuple(
            lab_suites(seed, items or ITEMS, [task] if task else list(TASKS), [style] if style else STYLE_NAMES)
        )

    def __str__(self) -> str:
        return f"lab/{self.part}" if self.part else "lab"
