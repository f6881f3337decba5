"""The lab's model, base and evolved, asked about an image of the reader's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

Serve = Callable[[Path], str]
SLOW = 180_000  # milliseconds; the first question loads the models


def test_both_reasoners_answer_side_by_side(page: Page, finished: Path, serve: Serve, drawing: Path) -> None:
    page.goto(serve(finished) + "#playground")
    expect(page.get_by_role("button", name="let the Questioner ask")).to_be_disabled()
    page.locator("input[type=file]").set_input_files(drawing)
    expect(page.get_by_alt_text("your image")).to_be_visible()
    page.get_by_label("Your question").fill("what color is the <b>shape</b>?")
    page.get_by_role("button", name="ask", exact=True).click()
    sides = page.locator(".side")
    expect(sides).to_have_count(2, timeout=SLOW)
    expect(page.locator(".asked h4").first).to_contain_text("what color is the <b>shape</b>?")
    for title, i in (("Base", 0), ("Evolved", 1)):
        expect(sides.nth(i)).to_contain_text(title)
        sides.nth(i).get_by_text("4 votes with reasoning").click()
        expect(sides.nth(i).locator(".votes li")).to_have_count(4)
    page.get_by_role("button", name="let the Questioner ask").click()
    expect(page.get_by_text("The evolved Questioner asks")).to_be_visible(timeout=SLOW)
    assert page.locator(".asked").count() >= 1
    assert page.locator(".side").count() == 2 * page.locator(".asked").count()


def test_unusable_images_are_refused_in_words(page: Page, finished: Path, serve: Serve, tmp_path: Path) -> None:
    page.goto(serve(finished) + "#playground")
    large, broken = tmp_path / "large.png", tmp_path / "broken.png"
    large.write_bytes(b"\x89PNG" + bytes(21 * 2**20))
    broken.write_bytes(b"no image at all")
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_role("alert")).to_have_text("the image is too large: 21 MiB, at most 20")
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text("the browser cannot show this image")).to_be_visible()
    page.get_by_role("button", name="let the Questioner ask").click()
    refusal = "the image cannot be used: not an image, or of a format that cannot be read"
    expect(page.get_by_role("alert")).to_have_text(refusal)
