"""A run of 10,000 questions that no model was asked: as a run writes them, some of them hostile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from visplay.config import load_settings
from visplay.labeling.files import write_record
from visplay.runs import RunDirectory
from visplay.types import StepId

ITERATIONS, STEPS, EACH = 5, 10, 200
COLOURS = {"red": (213, 94, 0), "green": (0, 158, 115), "blue": (0, 114, 178), "yellow": (240, 228, 66)}
TYPES = ("open", "numerical", "multiple choice")
LONG = "x" * 100_000
HOSTILE = (
    "<script>window.pwned = 1; alert(1)</script>",
    "<img src=x onerror='window.pwned = 2'><svg onload=alert(2)>",
    "</script></style></textarea><iframe src=javascript:alert(3)>",
    "{{constructor.constructor('window.pwned = 4')()}} ${window.pwned = 5}",
    "\u202egnorw\u202c \x00\x1b[31m \ufffd \u2028 e\u0301\u0300 \U0001f9ea \ufeff",
    LONG,
)


def crowded_run(folder: Path) -> Path:
    """Write it to `folder`; the hostile texts are the silver set of the last iteration."""
    images = folder.parent / "images"
    images.mkdir()
    for name, rgb in COLOURS.items():
        Image.new("RGB", (48, 48), rgb).save(images / f"{name}.png")
    settings = load_settings("default", [f"iterations={ITERATIONS}"], {"images": str(images)})
    with RunDirectory.create(folder, settings) as run:
        for t in range(1, ITERATIONS + 1):
            for step in range(STEPS):
                figures = {"reward": 0.1 * t, "confidence": 0.5, "valid": 1.0, "kl": 0.01 * step, "entropy": 0.4}
                run.metrics.append("questioner", t, step, figures, {"seconds": 1.0})
                last = (t, step) == (ITERATIONS, STEPS - 1)
                texts = [f"Is there a {colour(i)} shape on image {i} of step {step}?" for i in range(EACH)]
                rows = _rows(f"{t}/questioner/{step}", texts[: EACH - len(HOSTILE)] if last else texts)
                write_record(run.path, StepId(t, "questioner", step), rows)
        write_record(run.path, StepId(ITERATIONS, "silver", 0), _rows(f"{ITERATIONS}/silver", HOSTILE))
    return folder


def colour(place: int) -> str:
    return list(COLOURS)[place % len(COLOURS)]


def _rows(step: str, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A step's questions; every third is dropped, but for the hostile ones, whose votes say what they ask."""
    for i, text in enumerate(texts):
        kept, confidence = i % 3 != 0 or text in HOSTILE, (i % 9) / 8
        answer = text if text in HOSTILE else "yes"
        yield {
            "id": f"{step}/{i}",
            "image": f"{colour(i)}.png",
            "type": TYPES[i % len(TYPES)],
            "question": text,
            "answer": answer,
            "confidence": confidence,
            "kept": kept,
            "gate": None if kept else "band",
            "reason": "" if kept else f"confidence {confidence:.2f} is outside the band",
            "votes": [answer, "no", None],
            "augmentations": ["plain", "darker", "plain"],
            "reasoning": [answer, "\\boxed{no}", "I cannot tell"],
            "logprobs": [-0.1, -0.2, -0.3],
            "reward": 0.5,
            "base_reward": 0.7,
            "diversity_penalty": 0.1,
            "history_penalty": 0.1,
        }
