"""The easy-vqa images, and that nothing else of the package is touched."""

from __future__ import annotations

import subprocess
import sys

from visplay.interfaces.image_source import Catalogue
from visplay.lab.sources.easy_vqa import EasyVQASource

# An audit hook sees every file the interpreter opens, by whatever library.
WATCHED = """
import sys
opened, imported = [], []
def hook(event, args):
    if event == "open":
        opened.append(str(args[0]))
    if event == "import":
        imported.append(args[0])
sys.addaudithook(hook)
from visplay.interfaces.component import read_component
catalogue = read_component("image_source", "easy-vqa").open(0)
catalogue.images[0].load()
assert any(path.endswith("0.png") for path in opened), "the hook sees nothing"
labels = [path for path in opened if "easy_vqa/" in path and ("question" in path or "answer" in path)]
assert not labels, labels
assert "easy_vqa" not in imported
"""


def test_all_training_images_in_numeric_order() -> None:
    catalogue = EasyVQASource().open(seed=0)
    assert [image.id for image in catalogue.images] == [f"easy-vqa/{n}" for n in range(4000)]
    assert catalogue.skipped == ()
    assert isinstance(catalogue, Catalogue)
    for image in catalogue.images[::500]:
        image = image.load()
        assert (image.mode, image.size) == ("RGB", (64, 64))


def test_questions_and_answers_stay_shut() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WATCHED], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True
    )
    assert result.returncode == 0, result.stderr.decode()
