"""What a model wrote is text, whatever it wrote."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.crowd import HOSTILE, LONG
from visplay.labeling.files import LONGEST, shortened

Serve = Callable[[Path], str]
# As `words.js` writes what cannot be seen.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def literal(text: str) -> str:
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def test_markup_broken_unicode_and_endless_lines_are_shown_as_they_are(page: Page, crowd: Path, serve: Serve) -> None:
    page.goto(serve(crowd) + "#gallery")
    expect(page.locator(".card")).to_have_count(48)
    for text in HOSTILE:
        page.goto("about:blank")
        page.goto(serve(crowd) + "#gallery")
        page.get_by_label("Text").fill(text[:60])
        expect(page.locator(".total")).to_have_text("1 question")
        page.locator(".card .whole").first.click()
        detail = page.get_by_role("dialog")
        shown = detail.locator("h2 .words")
        expect(shown).to_be_visible()
        assert shown.evaluate("(element) => element.textContent") == literal(text)
        said = detail.locator(".votes .reasoning .words").first.evaluate("(e) => e.textContent")
        assert said == literal(shortened(text, LONGEST))
        assert page.evaluate("document.querySelectorAll('main iframe, main script, img[onerror]').length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("window.pwned") is None


def test_a_list_holds_no_more_of_an_endless_line_than_it_shows(page: Page, crowd: Path, serve: Serve) -> None:
    page.goto(serve(crowd) + "#gallery")
    page.get_by_label("Text").fill(LONG[:60])
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("more characters")
    assert len(card.inner_text()) < 2000
