"""429 odd and malformed files that are named like images, the same for the same seed."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COUNT = 429  # files below the folder
SIDE = 9400  # such a square is just within the limit of pixels
LARGE = ("large-bits.png", "large-rgba.png", "large-16.png", "large-float.tif", "large.jpg", "large.webp")


def make(folder: Path, seed: int = 0) -> None:
    """Write the files into a new folder."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    good = dict(_encodings(_drawing()))
    files = {f"good.{name}": content for name, content in good.items()}
    for family in (_modes, _orientations, _shapes, _bombs, _metadata, _disguises):
        files |= dict(family(good))
    files |= dict(_shortened(good))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _large(folder)
    _names(folder / "names", good["jpg"])
    _kinds(folder / "kinds", good["png"])
    left = COUNT - count(folder)
    for n in range(left):  # as many as are missing
        kind = list(good)[n % len(good)]
        (folder / f"damaged-{n}.{kind}").write_bytes(_damaged(good[kind], rng))


def count(folder: Path) -> int:
    """Files below the folder; links to files, pipes and sockets among them."""
    return sum(len(files) for _, _, files in os.walk(folder))


def _drawing() -> Image.Image:
    image = Image.new("RGB", (97, 61), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((10, 8, 50, 48), fill="red")
    draw.rectangle((55, 10, 90, 50), fill="blue")
    return image


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _encodings(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    yield "jpg", _encoded(image, "JPEG")
    yield "progressive.jpg", _encoded(image, "JPEG", progressive=True)
    yield "png", _encoded(image, "PNG")
    yield "webp", _encoded(image, "WEBP")
    yield "lossless.webp", _encoded(image, "WEBP", lossless=True)
    yield "bmp", _encoded(image, "BMP")
    yield "gif", _encoded(image.convert("P"), "GIF")
    yield "tif", _encoded(image, "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        yield f"{compression}.tif", _encoded(image, "TIFF", compression=compression)


def _modes(_: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    image = _drawing()
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield f"mode-{mode.replace(';', '')}.png", _encoded(_in_mode(image, mode), "PNG")
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "LAB", "YCbCr", "I;16", "I", "F"):
        yield f"mode-{mode.replace(';', '')}.tif", _encoded(_in_mode(image, mode), "TIFF")
    values = np.asarray(image.convert("L")).astype(np.float32)
    for name, low in (("nan", np.nan), ("inf", np.inf), ("minus-inf", -np.inf), ("huge", 3e38)):
        odd = values.copy()
        odd[:9] = low
        yield f"float-{name}.tif", _encoded(Image.fromarray(odd), "TIFF")
    yield "float-none.tif", _encoded(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF")
    palette = image.convert("P")
    yield "palette-index.png", _encoded(palette, "PNG", transparency=0)
    yield "palette-bytes.png", _encoded(palette, "PNG", transparency=bytes(range(256)))
    yield "grey-transparent.png", _encoded(image.convert("L"), "PNG", transparency=255)
    yield "rgb-transparent.png", _encoded(image, "PNG", transparency=(255, 255, 255))


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert("I" if mode == "I" else mode)


def _orientations(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for value in range(12):
        exif = Image.Exif()
        exif[0x0112] = value
        yield f"exif-{value}.jpg", _encoded(_drawing(), "JPEG", exif=exif)
    broken = b"\xff\xe1" + struct.pack(">H", 40) + b"Exif\0\0II*\0" + b"\xff" * 28
    yield "exif-broken.jpg", good["jpg"][:2] + broken + good["jpg"][2:]


def _shapes(_: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for width, height in ((1, 1), (2, 1), (1, 200), (200, 1), (1, 201), (3, 600), (3, 601), (1, 65535), (8000, 40)):
        yield f"shape-{width}x{height}.png", _encoded(Image.new("RGB", (width, height), "red"), "PNG")


def _bombs(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for side in (13_000, 30_000, 60_000):
        yield f"bomb-{side}.png", b"".join(_png(side, side, 0, 1, rows=300))
    for n, size in enumerate(((0, 5), (2**31 - 1, 1), (-5, 5), (60_000, 60_000))):
        content = bytearray(good["bmp"])
        content[18:26] = struct.pack("<ii", *size)
        yield f"bomb-{n}.bmp", bytes(content)
    for name, side in (("bomb", 65_535), ("screen", 9000)):
        content = bytearray(good["gif"])
        content[6:10] = struct.pack("<HH", side, side)
        yield f"{name}.gif", bytes(content)
    content = bytearray(good["bmp"])
    content[18:26] = struct.pack("<ii", 97, -61)
    yield "top-down.bmp", bytes(content)
    content = bytearray(good["lossless.webp"])
    content[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
    yield "bomb.webp", bytes(content)


def _metadata(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    place = good["png"].index(b"IDAT") - 4
    filled = zlib.compress(b"x" * 50_000_000, 9)
    many = b"".join(_chunk(b"tEXt", b"k%d\0" % n + b"v" * 1000) for n in range(2000))
    for name, chunks in {
        "ztxt": _chunk(b"zTXt", b"a\0\0" + filled),
        "iccp": _chunk(b"iCCP", b"a\0\0" + filled),
        "many-texts": many,
    }.items():
        yield f"{name}.png", good["png"][:place] + chunks + good["png"][place:]
    tif = good["tiff_lzw.tif"]
    start = struct.unpack("<I", tif[4:8])[0]
    for n in range(struct.unpack("<H", tif[start : start + 2])[0]):
        for field, value in ((4, 0x7FFFFFFF), (8, 0xFFFFFFF0)):
            odd = bytearray(tif)
            at = start + 2 + 12 * n + field
            odd[at : at + 4] = struct.pack("<I", value)
            yield f"tiff-{n}-{field}.tif", bytes(odd)
    frames = [Image.new("P", (64, 64), n % 200) for n in range(300)]
    yield "frames.gif", _encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "pages.tif", _encoded(_drawing(), "TIFF", save_all=True, append_images=[_drawing()] * 50)


def _disguises(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n%%EOF\n"
    yield "postscript.png", postscript
    yield "postscript.jpg", postscript
    yield "metafile.bmp", b"\xd7\xcd\xc6\x9a" + b"\0" * 200
    yield "document.tif", b"%PDF-1.4\n" + b"\0" * 200
    yield "compound.tif", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000  # FPX and MIC
    yield "drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    yield "page.jpg", b"<html>404</html>"
    yield "archive.webp", b"PK\3\4" + b"\0" * 100
    yield "phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + b"\0" * 200
    yield "head.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 500
    yield "empty.jpg", b""
    yield "byte.gif", b"G"
    yield "other.gif", good["jpg"]
    yield "TALL.JPG", good["jpg"]
    yield "trailing.jpg", good["jpg"] + b"\0" * 100_000
    yield "twice.jpg", good["jpg"] * 2


def _shortened(good: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name, content in good.items():
        for tenth in range(1, 10):
            yield f"short-{tenth}.{name}", content[: len(content) * tenth // 10]


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes set, cut out and put in, more often near the beginning."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        place = rng.randrange(min(len(found), rng.choice((64, 400, len(found)))))
        found[place] = found[place] ^ 1 << rng.randrange(8) if rng.random() < 0.6 else rng.randrange(256)
    if rng.random() < 0.2:
        start, end = sorted(rng.randrange(len(found)) for _ in range(2))
        del found[start:end]
    if rng.random() < 0.2:
        place = rng.randrange(len(found) + 1)
        found[place:place] = rng.randbytes(50)
    return bytes(found)


def _large(folder: Path) -> None:
    """Images that are small as files and large when decoded."""
    (folder / LARGE[0]).write_bytes(b"".join(_png(SIDE, SIDE, 0, 1)))
    (folder / LARGE[1]).write_bytes(b"".join(_png(SIDE, SIDE, 6, 8)))
    (folder / LARGE[2]).write_bytes(b"".join(_png(SIDE, SIDE, 0, 16)))
    Image.new("F", (SIDE, SIDE)).save(folder / LARGE[3], compression="tiff_adobe_deflate")
    Image.new("RGB", (SIDE, SIDE), "red").save(folder / LARGE[4], progressive=True)
    Image.new("RGBA", (SIDE, SIDE), "red").save(folder / LARGE[5], lossless=True, quality=0, method=0)


def _png(width: int, height: int, color: int, depth: int, rows: int | None = None) -> Iterator[bytes]:
    """A black PNG, of which only some `rows` are there."""
    row = b"\0" * (1 + (width * {0: 1, 2: 3, 6: 4}[color] * depth + 7) // 8)
    packer = zlib.compressobj(1)
    packed = b"".join([*(packer.compress(row) for _ in range(rows or height)), packer.flush()])
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    yield _chunk(b"IDAT", packed)
    yield _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _names(folder: Path, content: bytes) -> None:
    folder.mkdir()
    names = [b"\xff\xfe.jpg", b"\\xff\\xfe.jpg", "ünïcode ☃.jpg".encode(), b"new\nline.jpg", b"tab\tq\"uote'.jpg"]
    names += [b"esc\x1b]0;owned\x07\x1b[31m.jpg", b"a#0.jpg", b"a.jpg", b"-rf.jpg", b"{brace}.jpg", b"[bold]x.jpg"]
    names += [b"a+b.jpg", "\u202egpj.exe.jpg".encode(), b"x" * 240 + b".jpg", b" .jpg", b"%s%n.jpg", b"a~darker.jpg"]
    for name in names:
        with suppress(OSError):  # a file system that takes UTF-8 names only
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)
    (folder / "esc\x1b]0;owned\x07.png").write_bytes(b"no image")


def _kinds(folder: Path, content: bytes) -> None:
    (folder / "folder.jpg").mkdir(parents=True)
    (folder / "folder.jpg" / "inner.png").write_bytes(content)
    (folder / "real.png").write_bytes(content)
    os.mkfifo(folder / "pipe.jpg")
    links = {"zero.jpg": "/dev/zero", "stdin.jpg": "/dev/stdin", "loop.jpg": "loop.jpg", "broken.jpg": "nowhere"}
    links |= {"up": "..", "self": ".", "proc": "/proc/self", "pipelink.jpg": "pipe.jpg", "kmsg.png": "/proc/kmsg"}
    links |= {"mem.png": "/proc/self/mem", "good.png": "real.png"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        try:
            os.chdir(folder)  # the path of a socket may be no longer than about 100 bytes
            server.bind("socket.jpg")
        finally:
            os.chdir(here)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
