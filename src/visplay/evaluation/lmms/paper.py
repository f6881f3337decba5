"""The paper's benchmarks as lmms-eval 0.7 knows them; docs/benchmarks.md says what each of them needs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from visplay.errors import EvaluationError

GROUP = "paper"
TASKS = (
    "mmvet",
    "mmmu_val",
    "realworldqa",
    "visnumbench",
    "mathverse_testmini",
    "mathvision_test",
    "hallusion_bench_image",
    "mmstar",
)
JUDGED = ("mmvet", "mathverse_testmini", "hallusion_bench_image")  # by a model that lmms-eval asks


def check_judges(tasks: Sequence[str]) -> None:
    """Refuse the paper's tasks that need a judge if there is no key for it.

    lmms-eval scores 0 if its judge does not answer, and the model would look bad.

    Raises:
        EvaluationError: a task needs a judge, and there is no key for one.
    """
    judged = [task for task in tasks if task in JUDGED]
    key = os.environ.get("OPENAI_API_KEY") or os.environ.get("AZURE_API_KEY")
    if judged and not key and os.environ.get("API_TYPE", "openai") in ("openai", "azure"):
        raise EvaluationError(
            f"{', '.join(judged)}: lmms-eval asks a judge, and no key for one is set (OPENAI_API_KEY); "
            "leave out what needs it, or set one"
        )
