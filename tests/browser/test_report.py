"""The report: one file, no network, the same content."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.crowd import HOSTILE
from visplay.report.one_file import MOST_BYTES, write_report


@pytest.fixture
def requests(page: Page) -> list[str]:
    """Addresses the page asks for beside the file itself and what lies in it."""
    found: list[str] = []
    page.on("request", lambda one: None if one.url.startswith(("file:", "data:")) else found.append(one.url))
    page.context.set_offline(True)
    return found


def test_it_shows_the_run_without_any_network(page: Page, finished: Path, requests: list[str]) -> None:
    report = finished / "report.html"
    assert report.stat().st_size <= MOST_BYTES
    assert (finished / "results.md").read_text(encoding="utf-8").startswith("# ")
    page.goto(report.as_uri())
    expect(page.locator(".where .state")).to_have_text("finished")
    expect(page.get_by_role("img", name="Reward by iteration")).to_be_visible()
    expect(page.locator(".histogram")).to_be_visible()
    expect(page.get_by_role("tab", name="Playground")).to_have_count(0)
    page.get_by_role("tab", name="Gallery").click()
    expect(page.locator(".card img").first).to_have_js_property("complete", True)
    assert page.locator(".card img").first.evaluate("(image) => image.naturalWidth") > 0
    page.get_by_label("Verdict").select_option("false")
    expect(page.locator(".card.kept")).to_have_count(0)
    page.locator(".card .whole").first.click()
    expect(page.get_by_role("dialog").locator(".votes li").first).to_be_visible()
    page.get_by_role("button", name="this image through the iterations").click()
    expect(page.get_by_role("heading", name="Then and now")).to_be_visible()
    assert requests == []


def test_ten_thousand_questions_fit_and_hostile_ones_are_text(
    page: Page, crowd: Path, tmp_path: Path, requests: list[str]
) -> None:
    report = tmp_path / "report.html"
    write_report(crowd, report)
    assert report.stat().st_size <= MOST_BYTES
    page.goto(report.as_uri() + "#gallery")
    for text in HOSTILE[:4]:
        page.get_by_label("Text").fill(text)
        expect(page.locator(".total")).to_have_text("1 question")
        expect(page.locator(".card h3")).to_have_text(text)
    assert page.evaluate("window.pwned") is None
    assert requests == []


def test_nothing_foreign_runs_in_it(browser: Browser, finished: Path, tmp_path: Path) -> None:
    """Even if something put markup into the file, its policy would let no script of it run."""
    page = (finished / "report.html").read_text(encoding="utf-8")
    foreign = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'></body>"
    tampered = tmp_path / "tampered.html"
    tampered.write_text(page.replace("</body>", foreign), encoding="utf-8")
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(tampered.as_uri())
        expect(opened.locator(".where .state")).to_have_text("finished")
        assert opened.evaluate("window.pwned") is None
