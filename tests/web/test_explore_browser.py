"""The pictures on canvas in a real headless Chromium: axes, colours, frame, clicks; all under the policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from kit.browsing import opened, reviewed
from kit.reviewing import population_of


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return population_of(tmp_path_factory.mktemp("many") / "campaign")


@pytest.fixture(scope="module")
def address(many: Path) -> Iterator[str]:
    with reviewed(many) as address:
        yield address


PIXEL = """([x, y]) => {
  const canvas = document.querySelector(".canvas");
  const chart = echarts.getInstanceByDom(canvas);
  const [left, top] = chart.convertToPixel({ gridIndex: 0 }, [x, y]);
  const box = canvas.getBoundingClientRect();
  return [box.left + left, box.top + top] }"""


def drag(page: Page, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """A frame from one place to another, in the axes' units."""
    page.locator(".canvas").scroll_into_view_if_needed()
    page.mouse.move(*page.evaluate(PIXEL, begin))
    page.mouse.down()
    middle = [(a + b) / 2 for a, b in zip(begin, end, strict=True)]
    page.mouse.move(*page.evaluate(PIXEL, middle))
    page.mouse.move(*page.evaluate(PIXEL, end))
    page.mouse.up()


def test_the_front_chart_filters_by_frame_and_moment_and_opens_candidates(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as page:
        page.goto("/")
        shown = page.locator("#explore .shown")
        rows = page.locator("#explore tbody tr")
        expect(shown).to_contain_text("42 of 42 scored, drawn")
        expect(rows).to_have_count(42)
        # A frame around all errors up to 0.2.
        drag(page, (1500, 0.09), (9000, 0.2025))
        expect(shown).to_contain_text("20 of 42 scored, in the frame")
        expect(rows).to_have_count(20)
        expect(rows.first.locator("a")).to_have_text("#42")
        page.get_by_role("button", name="Clear the frame").click()
        expect(rows).to_have_count(42)
        # As of an earlier evaluation there are fewer.
        slider = page.get_by_label("As of evaluation")
        slider.fill("10")
        expect(shown).to_contain_text("12 of 42 scored, drawn, as of evaluation 10")
        slider.fill("40")
        # Other axes, a colour by depth.
        page.locator("#explore select[name=by]").select_option("depth")
        page.locator("#explore input[name=ylog]").check()
        expect(rows).to_have_count(42)
        # A point tells who it is and opens its candidate.
        error, params = 0.295, 5310
        page.mouse.move(*page.evaluate(PIXEL, (params, error)))
        expect(page.locator("#explore .readout")).to_contain_text("#4 lm.scoped: error 0.295")
        page.mouse.click(*page.evaluate(PIXEL, (params, error)))
        page.wait_for_url("**/candidates/4")
