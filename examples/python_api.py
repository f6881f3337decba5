"""The Python API: evolve a model, look at the run as Arrow tables, ask the result, measure it.

    python examples/python_api.py [OUT]

The run is short and its gain means nothing; with the preset as it is, `visplay.evolve` takes about ten minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import visplay

SHORT = [
    "iterations=1",
    "questioner.steps=1",
    "questioner.images_per_step=4",
    "silver.images=24",
    "reasoner.steps=2",
    "acceptance.images=8",
    "evaluation.suites=[lab/single/pastel]",
    "evaluation.items_per_suite=20",
]


def main() -> None:
    """Evolve, then print what the run holds."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()) / "run"
    settings = visplay.load_settings("default", SHORT, {"images": "lab/single"})
    run = visplay.evolve(settings, out)

    silver = run.silver()
    print(
        f"{silver.num_rows} questions were learned from, such as {silver['question'][0]}: {silver['silver_answer'][0]}"
    )
    rewards = run.metrics().filter(run.metrics()["phase"].to_numpy(zero_copy_only=False) == "questioner")["reward"]
    print(f"mean reward of the Questioner by step: {[round(reward, 3) for reward in rewards.to_pylist()]}")

    image = settings.images.open(settings.seed).images[0]
    for reply in visplay.ask(str(out), [image]):
        print(f"{reply.written}  {reply.verdict}")

    scores = visplay.evaluate(str(out), suites=["lab/color"], base="lab", items=10)
    figures = scores.metrics()["suites"]["lab/color"]
    print(f"accuracy on lab/color: {figures['base']['accuracy']:.2f}, then {figures['iterations'][0]['accuracy']:.2f}")


if __name__ == "__main__":
    main()
