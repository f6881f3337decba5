"""The paper's benchmarks as lmms-eval 0.7 knows them: what each needs before it can be run.

Sizes are those of the data sets' public cards; lmms-eval reads most of them from copies of its own
(`lmms-lab-encoder/…`). "Needs a login" is what the task file says: `token: True`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from visplay.evaluation.table import aligned

GROUP = "paper"
_KEYS = ("OPENAI_API_KEY", "AZURE_API_KEY")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of the eight.

    Attributes:
        task: its name in lmms-eval, or of the task file shipped in `tasks/`.
        items: questions in `split`.
        judge: the model that lmms-eval asks by default whether an answer is right; empty where a rule decides.
        login: whether lmms-eval wants a token of the hub.
    """

    title: str
    task: str
    dataset: str
    split: str
    items: int
    judge: str = ""
    login: bool = True
    shipped: bool = False


PAPER = (
    Benchmark("MM-Vet", "mmvet", "lmms-lab-encoder/MMVet", "test", 218, "gpt-4o-2024-11-20"),
    Benchmark("MMMU", "mmmu_val", "lmms-lab-encoder/MMMU", "validation", 900, login=False),
    Benchmark("RealWorldQA", "realworldqa", "lmms-lab-encoder/RealWorldQA", "test", 765),
    Benchmark("VisNumBench", "visnumbench", "GML-FMGroup/VisNumBench", "train", 1913, login=False, shipped=True),
    Benchmark(
        "MathVerse",
        "mathverse_testmini",
        "CaraJ/MathVerse-lmmseval",
        "testmini",
        3940,
        "gpt-4o-2024-11-20",
        login=False,
    ),
    Benchmark("MATH-Vision", "mathvision_test", "MathLLMs/MathVision", "test", 3040),
    Benchmark("HallusionBench", "hallusion_bench_image", "lmms-lab-encoder/HallusionBench", "image", 951, "gpt-4"),
    Benchmark("MMStar", "mmstar", "Lin-Chen/MMStar", "val", 1500),
)


def judged_without_a_key(tasks: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Those of the paper's tasks whose judge could not be asked.

    lmms-eval scores 0 where its judge does not answer, so such a figure would look like a bad model.
    """
    if any(environment.get(key) for key in _KEYS) or environment.get("API_TYPE", "openai") not in ("openai", "azure"):
        return []
    return [task for task in tasks if is_judged(task)]


def is_judged(task: str) -> bool:
    """Whether a model judges answers to one of the paper's tasks."""
    return any(each.judge and each.task == task for each in PAPER)


def paper_lines() -> Iterator[str]:
    """The group as an aligned table, with what it takes to run it."""
    head = ("benchmark", "lmms-eval task", "data set", "split", "items", "judge")
    rows = [
        (b.title, b.task + " (ours)" * b.shipped, b.dataset, b.split, f"{b.items:,}", b.judge or "none") for b in PAPER
    ]
    yield from aligned((head, *rows))
    yield f"{sum(b.items for b in PAPER):,} questions to each model."
    yield "(ours): lmms-eval lacks it, so its task file comes with visplay."
    yield f"Judges are asked by lmms-eval: set {' or '.join(_KEYS)}, OPENAI_API_URL, MODEL_VERSION."
    yield f"A login of the hub (hf auth login) is wanted for {', '.join(b.task for b in PAPER if b.login)}."
