"""The exact tasks: an independent solver finds each answer in the pixels, and answers are equally frequent."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.stats import chisquare

from visplay.answers import listed_options, match, normalise
from visplay.interfaces.component import components
from visplay.lab.drawings import drawings
from visplay.labeling.tasks.exact import ExactTask
from visplay.labeling.tasks.paste_and_count import PasteAndCount
from visplay.labeling.tasks.rotation import Rotation
from visplay.types import Candidate, ImageRef

NAMES = sorted(name for name, task in components("task_source").items() if issubclass(task, ExactTask))
Solver = Callable[[np.ndarray, list[np.ndarray]], int]
NOBODY: Any = None  # the Reasoner is not asked


def stored(image: Image.Image, name: str) -> ImageRef:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue())


def random_image(number: int) -> Image.Image:
    """Soft or hard patches of random colours and things on them, in sizes that are even or odd, wide or tall."""
    stream = np.random.default_rng(number)
    size = tuple(int(side) for side in stream.integers(60, 110, size=2))
    patches = stream.integers(0, 256, size=(*stream.integers(3, 9, size=2), 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize(size, Image.Resampling(int(stream.choice([0, 2]))))
    for _ in range(stream.integers(0, 5)):
        x, y = (int(stream.integers(0, side - 20)) for side in size)
        ImageDraw.Draw(image).ellipse((x, y, x + 18, y + 18), fill=tuple(map(int, stream.integers(0, 256, size=3))))
    return image


@pytest.fixture(scope="module")
def images() -> list[ImageRef]:
    return [stored(random_image(number), f"p{number}") for number in range(400)]


def asked(name: str, images: Sequence[ImageRef], seed: int = 0) -> list[Candidate]:
    source = components("task_source")[name]()
    assert isinstance(source, ExactTask)
    return source.tasks(images, NOBODY, f"1/silver/{name}", seed)


def tiles(pixels: np.ndarray) -> list[np.ndarray]:
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    return [pixels[y * height : (y + 1) * height, x * width : (x + 1) * width] for y in (0, 1) for x in (0, 1)]


def turned(made: np.ndarray, originals: list[np.ndarray]) -> int:
    side, (height, width) = min(made.shape[:2]), made.shape[:2]
    middle = slice((height - side) // 2, (height - side) // 2 + side), slice((width - side) // 2, (width + side) // 2)
    squares = made[middle], originals[0][middle]
    (found,) = [k for k in range(4) if np.array_equal(np.rot90(squares[1], -k), squares[0])]
    return found


def first_tile(made: np.ndarray, originals: list[np.ndarray]) -> int:
    (found,) = [place for place, tile in enumerate(tiles(made)) if np.array_equal(tile, tiles(originals[0])[0])]
    return found


def edited(made: np.ndarray, originals: list[np.ndarray]) -> int:
    height, half = made.shape[0], made.shape[1] // 2
    rows = slice(height // 2 // 2, height // 2 // 2 + height // 2)
    left, right = (made[rows, n * half : (n + 1) * half].astype(int) for n in (0, 1))
    return int(np.argmax([tile.sum() for tile in tiles(np.abs(left - right))]))


def foreign(made: np.ndarray, originals: list[np.ndarray]) -> int:
    """The only view that is no part of the first original."""
    return [is_part(tile, originals[0]) for tile in tiles(made)].index(False)


def is_part(tile: np.ndarray, whole: np.ndarray) -> bool:
    found = windows(whole, tile)
    corners = np.argwhere((found[:, :, 0, 0] == tile[0, 0]).all(-1))
    return any(np.array_equal(found[tuple(corner)], tile) for corner in corners)


def enlarged(made: np.ndarray, originals: list[np.ndarray]) -> int:
    """The quarter of the original in which the right picture, made small again, fits best."""
    height, half = made.shape[0], made.shape[1] // 2
    right = Image.fromarray(made[height // 2 // 2 : height // 2 // 2 + height // 2, half : 2 * half])
    quarters = tiles(originals[0])
    size = quarters[0].shape[1] * 2 // 3, quarters[0].shape[0] * 2 // 3
    small = np.asarray(right.resize(size, Image.Resampling.BOX)).astype(int)
    return int(np.argmin([np.abs(windows(tile, small) - small).mean(axis=(-1, -2, -3)).min() for tile in quarters]))


def windows(pixels: np.ndarray, part: np.ndarray) -> np.ndarray:
    """All parts of the pixels that have the shape of `part`: (rows, columns, *shape)."""
    return np.lib.stride_tricks.sliding_window_view(pixels, part.shape)[:, :, 0]


def counted(made: np.ndarray, originals: list[np.ndarray]) -> int:
    pasted = (made != originals[0]).any(axis=2)
    (color,) = np.unique(made[pasted], axis=0)
    return int(ndimage.label((made == color).all(axis=2))[1])


SOLVERS: dict[str, Solver] = {
    "jigsaw": first_tile,
    "odd_one_out": foreign,
    "paste_and_count": counted,
    "rotation": turned,
    "spot_the_edit": edited,
    "which_crop": enlarged,
}


def pixels(image: ImageRef) -> np.ndarray:
    return np.asarray(image.load())


def test_each_task_has_a_solver() -> None:
    assert sorted(SOLVERS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_found_in_the_pixels_and_all_are_as_frequent(name: str, images: list[ImageRef]) -> None:
    candidates = asked(name, images)
    assert len(candidates) >= 300
    answers: Counter[int] = Counter()
    for candidate in candidates:
        question, answer = candidate.question, candidate.result.answer or ""
        made, originals = pixels(question.image), [pixels(image) for image in question.image.originals]
        assert made.shape == originals[0].shape
        found = SOLVERS[name](made, originals)
        options = listed_options(question.text)
        assert match(answer, f"{options.letters[found]}. {options.texts[found]}" if options else str(found)), question
        assert (options is not None) == (question.type == "multiple choice")
        answers[found] += 1
        assert not candidate.votes and candidate.result.votes == 0 and candidate.result.confidence == 1
    assert len(answers) == (6 if name == "paste_and_count" else 4)
    assert chisquare(list(answers.values())).pvalue > 0.01, answers


@pytest.mark.parametrize("name", NAMES)
def test_the_same_call_makes_the_same_images(name: str, images: list[ImageRef]) -> None:
    first, again, other = asked(name, images[:30]), asked(name, images[:30]), asked(name, images[:30], seed=1)
    assert first == again != other
    assert [a.question.image.load().tobytes() for a in first] == [b.question.image.load().tobytes() for b in again]
    assert len({candidate.question.id for candidate in first}) == len(first)
    assert all(candidate.question.id.startswith(f"1/silver/{name}/p") for candidate in first)


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_depends_on_seed_tag_and_image_alone(name: str, images: list[ImageRef]) -> None:
    """The other image of a task with two is the next one; all else is drawn by the id."""
    answers = {c.question.image.originals[0].id: c.result.answer for c in asked(name, images[:30])}
    for candidate in asked(name, images[1:29]):
        first = candidate.question.image.originals[0].id
        assert first == "p28" or answers[first] == candidate.result.answer


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_seen_is_not_asked(name: str, images: list[ImageRef], tmp_path: Path) -> None:
    blank = [stored(Image.new("RGB", (80, 80), color), str(color)) for color in ("white", "grey", "navy")]
    small = [stored(random_image(n).resize((30, 80)), f"small{n}") for n in range(3)]
    gone = [ImageRef(f"gone{n}", tmp_path / f"gone{n}.png") for n in range(2)]
    assert asked(name, [*blank, *small, *gone]) == []
    assert asked(name, []) == []
    usable = asked(name, [image for pair in zip(images[:3], blank, strict=True) for image in pair])
    assert {candidate.question.image.originals[0].id for candidate in usable} <= {"p0", "p1", "p2"}


@pytest.mark.parametrize("name", NAMES)
def test_the_labs_drawings_can_be_used_and_solved(name: str) -> None:
    candidates = asked(name, drawings("noisy", 40, 0)[0])
    for candidate in candidates:
        originals = [pixels(image) for image in candidate.question.image.originals]
        found = SOLVERS[name](pixels(candidate.question.image), originals)
        options = listed_options(candidate.question.text)
        expected = options.letters[found] if options else str(found)
        assert match(candidate.result.answer or "", expected)
    if name in ("rotation", "spot_the_edit", "paste_and_count"):
        assert len(candidates) >= 20


def test_a_symmetric_picture_is_not_turned() -> None:
    disc = Image.new("RGB", (80, 80), "white")
    ImageDraw.Draw(disc).ellipse((20, 20, 59, 59), fill="red")
    assert Rotation().tasks([stored(disc, "disc")], NOBODY, "t", 0) == []


def test_a_side_does_not_tell_a_quarter_turn() -> None:
    """A wide picture and its quarter turn have the same grey margins."""
    wide = random_image(1).resize((120, 60))
    margins = [np.asarray(Rotation.make([wide], [turns]))[:, :30] for turns in range(4)]
    assert all((margin == 128).all() for margin in margins)


def test_all_colours_at_once_leave_none_for_the_discs() -> None:
    grid = np.array([[[r, g, b] for r in (0, 255) for g in (0, 255)] for b in (0, 255)], dtype=np.uint8)
    image = Image.fromarray(grid).resize((96, 96), Image.Resampling.NEAREST)
    assert PasteAndCount().tasks([stored(image, "all")], NOBODY, "t", 0) == []
    few = PasteAndCount(most=2).tasks([stored(random_image(n), str(n)) for n in range(40)], NOBODY, "t", 0)
    assert {candidate.result.answer for candidate in few} == {"1", "2"}
    assert all(normalise(candidate.result.answer or "").quantity for candidate in few)
