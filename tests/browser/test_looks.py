"""Screenshots at two widths in both themes, to be looked at; what can be checked of them is checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

WIDTHS = (1280, 400)
THEMES = ("light", "dark")
READY = {"run": ".histogram", "gallery": ".card img", "story": ".iterations .card", "playground": ".drop"}


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the images go: the folder SCREENSHOTS where it is set."""
    named = os.environ.get("SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_fits_and_is_told(
    browser: Browser, finished: Path, serve: Callable[[Path], str], shots: Path, width: int, theme: str
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme) as context:
        page = context.new_page()
        for view, ready in READY.items():
            page.goto(f"{serve(finished)}#{view}")
            expect(page.locator(ready).first).to_be_visible()
            _settled(page)
            page.screenshot(path=shots / f"{view}-{width}-{theme}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("document.documentElement.dataset.theme") == theme
            assert page.locator("img:not([alt]), img[alt='']").count() == 0
            assert page.locator("[role=img]:not([aria-label])").count() == 0
        page.goto(f"{serve(finished)}#gallery")
        page.get_by_label("Verdict").select_option("true")
        page.locator(".card .whole").first.click()
        expect(page.get_by_role("dialog").locator(".votes li").first).to_be_visible()
        _settled(page)
        page.screenshot(path=shots / f"question-{width}-{theme}.png")


@pytest.mark.parametrize("theme", THEMES)
def test_words_stand_out_from_what_is_behind_them(
    browser: Browser, finished: Path, serve: Callable[[Path], str], theme: str
) -> None:
    """WCAG's 4.5 : 1 for every colour that text is written in."""
    with browser.new_context(color_scheme=theme) as context:
        page = context.new_page()
        page.goto(serve(finished))
        expect(page.locator(".where")).to_be_visible()
        names = ["paper", "raised", "ink", "quiet", "accent", "one", "two", "good", "watch", "bad"]
        read = (
            "(names) => names.map((n) => getComputedStyle(document.documentElement).getPropertyValue(`--${n}`).trim())"
        )
        colours = dict(zip(names, page.evaluate(read, names), strict=True))
    for behind in ("paper", "raised"):
        for name in names[2:]:
            assert _contrast(colours[name], colours[behind]) >= 4.5, f"{name} on {behind}"


def _settled(page: Page) -> None:
    shown = "[...document.images].filter((i) => i.getBoundingClientRect().top < innerHeight).every((i) => i.complete)"
    page.wait_for_function(f"() => {shown}", timeout=60_000)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
