"""Draws a scene in one of the lab's styles, as a 80 × 80 RGB image.

The lab's model was pretrained on `clean`: flat shapes on a dark to medium ground. The other styles show the same scenes
differently; the model has to adapt to them.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from visplay.lab.scene import Scene, Thing

SIZE = 80
_SCALE = 4  # shapes are drawn larger and scaled down, for smooth edges

# Muted colours, and pure ones as most drawing programs define these names; easy-vqa uses the latter.
_RGB: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "black": ((18, 18, 18), (0, 0, 0)),
    "gray": ((140, 140, 140), (128, 128, 128)),
    "red": ((205, 45, 45), (255, 0, 0)),
    "green": ((50, 170, 60), (0, 255, 0)),
    "blue": ((50, 80, 210), (0, 0, 255)),
    "teal": ((30, 150, 150), (0, 128, 128)),
    "brown": ((130, 75, 35), (165, 42, 42)),
    "yellow": ((225, 205, 60), (255, 255, 0)),
    "orange": ((225, 130, 40), (255, 165, 0)),
}
PURE_RGB = {name: pure for name, (_, pure) in _RGB.items()}

_T = 1 / 3  # half the width of a cross's arms
# Corners in a box from −1 to 1.
_CORNERS: dict[str, list[tuple[float, float]]] = {
    "circle": [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 48, endpoint=False)],
    "rectangle": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1), (1, 1), (-1, 1)],
    "cross": [
        *((-_T, -1), (_T, -1), (_T, -_T)),
        *((1, -_T), (1, _T), (_T, _T)),
        *((_T, 1), (-_T, 1), (-_T, _T)),
        *((-1, _T), (-1, -_T), (-_T, -_T)),
    ],
}


@dataclass(frozen=True, slots=True)
class Style:
    """How a scene is drawn: ground brightness range, palette, texture, fall-off of light, noise, blur."""

    ground: tuple[float, float] = (40.0, 170.0)
    tint: float = 18.0
    pure: bool = False
    jitter: float = 14.0
    texture: float = 0.0
    slope: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    sizes: tuple[float, float] = (0.06, 0.25)
    turned: bool = False


STYLES: dict[str, Style] = {
    "clean": Style(),
    "pastel": Style(ground=(228, 250), tint=14.0, pure=True, jitter=0.0),
    "textured": Style(texture=38.0),
    "rotated": Style(turned=True),
    "noisy": Style(noise=22.0, blur=0.7),
}


def draw(scene: Scene, style: Style, rng: np.random.Generator) -> Image.Image:
    """The image of a scene; the same generator state gives the same pixels."""
    for _ in range(100):
        ground = np.clip(rng.uniform(*style.ground) + rng.uniform(-style.tint, style.tint, size=3), 0, 255)
        fills = [_fill(thing, style, rng) for thing in scene.things]
        if all(np.abs(fill - ground).max() > 45 for fill in fills):
            break
    image = _canvas(ground, style, rng)
    paint = ImageDraw.Draw(image)
    for thing, fill in zip(scene.things, fills, strict=True):
        paint.polygon(outline(thing, SIZE * _SCALE), fill=tuple(map(int, fill)))
    image = image.resize((SIZE, SIZE), Image.Resampling.BOX)
    if style.blur:
        image = image.filter(ImageFilter.GaussianBlur(style.blur))
    if style.noise:
        pixels = np.asarray(image, dtype=float) + rng.normal(0, style.noise, size=(SIZE, SIZE, 3))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return image


def png(image: Image.Image) -> bytes:
    """PNG bytes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def outline(thing: Thing, size: int) -> list[tuple[float, float]]:
    """Corner points of a thing in pixels of a `size` × `size` canvas."""
    cos, sin = math.cos(thing.turn), math.sin(thing.turn)
    points = []
    for u, v in _CORNERS[thing.shape]:
        dx, dy = u * thing.half_width, v * thing.half_height
        points.append(((thing.x + dx * cos - dy * sin) * size, (thing.y + dx * sin + dy * cos) * size))
    return points


def mixed(style: Style, rng: np.random.Generator, wide: bool = False) -> Style:
    """A random variation of a style, for pretraining.

    A wide one has more noise, darker and lighter grounds, and light from one side. None is as noisy as "noisy" or as
    light as "pastel".
    """
    if not wide:
        return replace(style, noise=float(rng.uniform(0, 5)), blur=float(rng.choice([0.0, 0.0, 0.4])))
    return replace(
        style,
        ground=(10.0, 200.0),
        slope=float(rng.uniform(0, 40)),
        noise=float(rng.uniform(0, 14)),
        blur=float(rng.choice([0.0, 0.4, 0.7])),
    )


def _fill(thing: Thing, style: Style, rng: np.random.Generator) -> np.ndarray:
    base = np.array(_RGB[thing.color][style.pure], dtype=float)
    return np.clip(base + rng.uniform(-style.jitter, style.jitter, size=3), 0, 255)


def _canvas(ground: np.ndarray, style: Style, rng: np.random.Generator) -> Image.Image:
    side = SIZE * _SCALE
    if not style.texture and not style.slope:
        return Image.new("RGB", (side, side), tuple(map(int, ground)))
    # Stripes of random direction and width; light falls off in a random direction.
    ys, xs = np.mgrid[0:side, 0:side]
    angle = rng.uniform(0, 2 * math.pi) if style.slope else rng.uniform(0, math.pi)
    along = xs * math.cos(angle) + ys * math.sin(angle)
    pixels = ground + style.slope * ((along - along.mean()) / side)[..., None]
    if style.texture:
        width = rng.uniform(4, 12) * _SCALE
        pixels = pixels + style.texture / 2 * np.sin(along * 2 * math.pi / width)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
