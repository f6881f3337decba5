"""A run in progress, looked at while another process makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from playwright.sync_api import Page, expect

from tests.browser.conftest import Going

SLOW = 240_000  # milliseconds that a loaded machine may take


def test_a_run_in_progress_updates_without_reload(page: Page, going: Going, serve: Callable[[Path], str]) -> None:
    begun = monotonic()
    while not (going.path / "config.yaml").exists():
        assert going.process.poll() is None and monotonic() - begun < SLOW / 1000
        sleep(0.2)
    page.goto(serve(going.path))
    page.evaluate("window.mark = 'the page that was loaded first'")
    expect(page.locator(".where .state")).to_have_text("running", timeout=SLOW)
    # Curves come with the first step, the silver panel with the set, the time left once all phases were seen.
    expect(page.get_by_role("img", name="Reward by iteration")).to_be_visible(timeout=SLOW)
    expect(page.locator(".histogram")).to_be_visible(timeout=SLOW)
    expect(page.locator(".where")).to_contain_text("iteration 2 of 2", timeout=SLOW)
    expect(page.locator(".where .facts")).to_contain_text("left", timeout=SLOW)
    before = page.get_by_role("img", name="Entropy by iteration")
    expect(page.locator(".where .state")).to_have_text("finished", timeout=SLOW)
    expect(page.locator(".glance .state")).to_have_text("finished")
    expect(page.locator("progress")).to_have_js_property("value", 1)
    expect(before.or_(page.get_by_role("img", name="lab/single, greedy"))).not_to_have_count(0)
    assert page.evaluate("window.mark") == "the page that was loaded first"
