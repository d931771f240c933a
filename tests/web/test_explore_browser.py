"""The pictures on canvas in a real headless Chromium: axes, colours, frame, clicks; all under the policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from evoarch.archive.store import open_archive
from kit.browsing import opened, reviewed
from kit.command import output_of
from kit.paths import ROOT
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


def test_the_tree_lights_a_family_and_opens_a_candidate(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/tree")
        tree = page.locator("#population")
        expect(tree).to_be_visible()
        page.locator("#population canvas").first.wait_for()
        page.mouse.move(*page.evaluate(PIXEL, (2, 0.295)))
        expect(tree).to_have_attribute("data-lit", "4")
        expect(tree.locator(".readout")).to_contain_text("#4 lm.scoped: error 0.295")
        expect(tree.locator(".readout")).to_contain_text("from 1, of it came")
        page.mouse.click(*page.evaluate(PIXEL, (2, 0.295)))
        page.wait_for_url("**/candidates/4")


BLUE = """() => {
  const canvas = document.querySelector("#population canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += data[at + 3] > 200 && data[at + 2] > data[at] + 90;
  return found }"""


def test_the_tree_of_seeds_alone_has_its_points(browser: Browser, tmp_path: Path) -> None:
    with reviewed(population_of(tmp_path / "seeds", 0)) as address, opened(browser, address) as page:
        page.goto("/tree")
        page.locator("#population canvas").first.wait_for()
        # The front's dot, which is drawn in a frame after the picture's place is there.
        while not page.evaluate(BLUE):
            page.evaluate("() => new Promise(requestAnimationFrame)")


def test_parallel_coordinates_are_drawn_of_what_fits(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/parallel?q=op:lm*")
        expect(page.locator("#parallel .shown")).to_contain_text("20 of 42 scored drawn")
        expect(page.locator("#parallel canvas")).to_be_visible()


def test_a_candidate_is_read_in_tabs_and_remembers_which(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/candidates/10")
        expect(page.get_by_role("tab", name="Changes")).to_have_attribute("aria-selected", "true")
        expect(page.locator("table.diff")).not_to_have_count(0)
        expect(page.locator(".code pre")).to_be_hidden()
        page.get_by_role("tab", name="Changes").press("ArrowRight")
        page.get_by_role("tab", name="Training").click()
        expect(page.locator("#evaluations .u-over")).to_be_visible()
        page.get_by_role("tab", name="Code").click()
        expect(page.locator(".code pre")).to_be_visible()
        page.reload()
        expect(page.locator(".code pre")).to_be_visible()
        # A click on a line is what a note is about.
        page.locator("#L-6").click()
        expect(page.get_by_label("Note on line")).to_have_value("6")
        page.locator("#on-line").get_by_label("Text").fill("one more layer")
        page.locator("#on-line").get_by_role("button", name="Save").click()
        expect(page.locator("#line-notes")).to_contain_text("line 6")
        expect(page.locator("#line-notes")).to_contain_text("one more layer")
        # Side by side or in one column, which is remembered.
        page.get_by_role("tab", name="Changes").click()
        split, one = page.locator("table.diff:not(.unified)").first, page.locator("table.unified").first
        expect(one).to_be_hidden()
        page.get_by_role("button", name="Unified").first.click()
        expect(split).to_be_hidden()
        assert [cell.text_content() for cell in one.locator("td.removed code").all()] == [
            "        self.layer = nn.Linear(40, 101)",
            "        self.last = nn.Linear(101, 10)",
        ]
        page.reload()
        expect(one).to_be_visible()


def test_columns_and_views_are_remembered(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/candidates?q=op%3Alm*&sort=error")
        page.locator("[data-views] > summary").click()
        head = page.get_by_role("columnheader", name="parents")
        expect(head).to_be_visible()
        page.locator("[data-views]").get_by_label("parents").uncheck()
        expect(head).to_be_hidden()
        page.get_by_label("Save this filter, order and columns as").fill("of the model")
        page.get_by_role("button", name="Save").click()
        page.goto("/candidates")
        expect(head).to_be_hidden()
        page.locator("[data-views] > summary").click()
        page.get_by_role("link", name="of the model").click()
        page.wait_for_url("**/candidates?q=op%3Alm*&sort=error")
        expect(page.locator("#list tbody tr")).to_have_count(20)


def test_a_verdict_of_the_queue_is_undone_by_a_key(browser: Browser, address: str, many: Path) -> None:
    with opened(browser, address) as page:
        page.goto("/queue")
        head = page.locator("#card h2")
        expect(head).to_contain_text("#43 ")
        page.wait_for_load_state("load")
        page.keyboard.press("a")
        expect(page.locator("main")).to_contain_text("Nothing waits for you")
        page.wait_for_load_state("load")
        page.keyboard.press("u")
        expect(head).to_contain_text("#43 ")
        expect(head).to_be_focused()
    with open_archive(many, write=False) as store:
        assert [each for each in store.verdicts.all() if each.candidate == 43] == []


PAGES = ("/", "/candidates", "/candidates/10", "/queue", "/compare?ids=1,10", "/failures", "/tree",
         "/parallel", "/lineage")  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_no_violation(browser: Browser, address: str, scheme: str, width: int) -> None:
    settings = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, address, **settings) as page:
        page.add_init_script(path=ROOT / "tests" / "web" / "vendor" / "axe.min.js")
        found = {}
        for path in PAGES:
            page.goto(path)
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            for each in result["violations"]:
                found[path, each["id"]] = [node["html"][:120] for node in each["nodes"][:3]]
        assert not found, found


def test_an_interactive_report_explores_without_a_network(
    browser: Browser, many: Path, tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    output_of("report", str(many), "--interactive", "-o", str(target))
    context = browser.new_context(offline=True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(target.as_uri())
    expect(page.locator("#explore .shown")).to_contain_text("42 of 42 scored, drawn")
    drag(page, (1500, 0.09), (9000, 0.2025))
    expect(page.locator("#explore tbody tr")).to_have_count(20)
    page.locator("#explore tbody a").first.click()
    assert "#candidate-42" in page.url
    context.close()
    assert wrong == []


def test_several_campaigns_are_a_list_with_curves(browser: Browser, many: Path, tmp_path: Path) -> None:
    with reviewed(many, population_of(tmp_path / "other", 5)) as address, opened(browser, address) as page:
        page.goto("/")
        expect(page.locator("#list tbody tr")).to_have_count(2)
        expect(page.locator("#curves .u-over")).to_be_visible()
        page.locator("#list tbody tr").nth(1).locator("a").first.click()
        page.wait_for_url("**/c/1/")
        expect(page.locator("#explore .shown")).to_contain_text("7 of 7 scored, drawn")
        page.get_by_role("link", name="Campaigns").click()
        expect(page.locator("h1")).to_have_text("Campaigns")
