"""The review page in a real headless Chromium, on a real campaign and on one that runs in another process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from evoarch.agent.config.load import load
from evoarch.archive.store import create, open_archive
from evoarch.sandbox.genome import source_digest
from kit.browsing import PATIENCE, opened, reviewed
from kit.command import new_campaign, output_of
from kit.reviewing import settled

RUNNING = """
import asyncio, sys
from pathlib import Path
from evoarch.agent.search.components import Components
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.config.load import load
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.archive.store import open_archive
from evoarch.evaluators.fakes import StubEvaluator
folder = Path(sys.argv[1])
store = open_archive(folder, write=True)
parts = Components(StubEvaluator(0.2), {"input_shape": (40,), "num_classes": 10}, [SyntacticMutate()], {}, 1)
asyncio.run(Campaign(store, load(folder), parts).run())
"""

MODEL = """import torch.nn as nn


class Model(nn.Module):
    # </code></pre></script><script>document.title = "owned"</script><img src=x onerror="document.title=1">
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(40, {width})
        self.second = nn.Linear({width}, 10)

    def forward(self, x):
        return self.second(self.first(x).relu())
"""


@pytest.fixture(scope="module")
def address(finished: Path) -> Iterator[str]:
    with reviewed(finished) as address:
        yield address


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A campaign that another process runs: the real loop over an evaluator that trains nothing."""
    folder = new_campaign(tmp_path / "running", "--evaluations", "100000")
    config = (folder / "campaign.toml").read_text()
    cut = config[: config.index("[[operators]]")]
    (folder / "campaign.toml").write_text(cut + '[[operators]]\nname = "syntactic.mutate"\n')
    load(folder)
    with create(folder, name="running", seed=0) as store:
        for width in (16, 24):
            source = MODEL.format(width=width)
            store.add_seed(f"mlp{width}", source, source_digest(source))
    with subprocess.Popen([sys.executable, "-c", RUNNING, str(folder)]) as process:
        try:
            yield folder
        finally:
            process.kill()


def test_each_view_renders_a_real_campaign(browser: Browser, address: str, finished: Path) -> None:
    with open_archive(finished, write=False) as store:
        everyone = [c.id for c in store.candidates(sources=False)]
        child = next(c.id for c in store.candidates(sources=False) if c.parents and c.metrics)
    with opened(browser, address) as page:
        page.goto("/")
        expect(page.locator("figure svg.chart")).to_have_count(4)
        expect(page.locator("#numbers")).to_contain_text("complete")
        # A point opens its candidate.
        page.locator("#explore").wait_for()
        page.locator("details.plain > summary").click()
        point = page.locator("svg[data-chart=front] a").last
        label = point.get_attribute("aria-label") or ""
        point.click()
        page.wait_for_url("**/candidates/*")
        expect(page.locator("h1")).to_contain_text(label.split()[0].rstrip(":"))
        page.goto("/candidates?sort=error")
        expect(page.locator("#list tbody tr")).to_have_count(len(everyone))
        page.get_by_label("In the source").fill("nn.Linear")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**text=nn.Linear*")
        assert page.locator("#list tbody tr").count() > 0
        page.goto(f"/candidates/{child}")
        expect(page.locator(".code pre")).to_contain_text("class Model")
        expect(page.locator("#evaluations svg.chart")).to_have_count(1)
        expect(page.locator("#verdict-of-numbers")).to_contain_text("against its parent")
        # The calls that its trace holds, or of a child without one the layers that the dry run noted.
        expect(page.locator("#architecture, #layers")).to_contain_text("Linear")
        assert page.locator("table.diff td.changed, table.diff td.added, table.diff td.removed").count() > 0
        page.goto("/lineage")
        expect(page.locator("svg.tree")).to_be_visible()
        page.locator("svg.tree a").first.click()
        page.wait_for_url("**/candidates/*")
        page.goto("/queue")
        expect(page.locator("main")).to_contain_text("Nothing waits for you")


def test_a_live_page_and_a_veto_that_the_running_campaign_obeys(browser: Browser, running: Path) -> None:
    with (
        reviewed(running) as address,
        opened(browser, address) as page,
        open_archive(running, write=False) as store,
    ):
        # Live: the list grows in this very document.
        page.goto("/candidates?way=down")
        page.evaluate("document.body.dataset.sameDocument = 'yes'")
        first = page.locator("#list tbody tr a").first
        before = first.text_content()
        expect(first).not_to_have_text(before or "", timeout=PATIENCE)
        assert page.evaluate("document.body.dataset.sameDocument") == "yes"
        # A genome of markup is text, here and in what its children show.
        page.goto("/candidates/1")
        expect(page.locator(".code pre")).to_contain_text("</script><script>")
        assert "owned" not in page.title()
        # A veto given in the page.
        page.get_by_role("button", name="Veto").click()
        expect(page.locator("#verdicts .said")).to_have_text("Stored: veto.")
        expect(page.locator("#facts")).to_contain_text("vetoed")
        page.get_by_label("Note", exact=True).fill("copies the others")
        page.get_by_role("button", name="Save note").click()
        expect(page.locator("#verdicts li").last).to_contain_text("copies the others")
        judged = next(e.id for e in store.events(kind="judged"))
        page.goto("/candidates/2")
        page.get_by_role("button", name="Pin").click()
        expect(page.locator("#verdicts .said")).to_have_text("Stored: pin.")
        page.goto("/candidates?way=down")
        drawn = page.locator("#list tbody tr a").first.text_content() or "#0"
        target = int(drawn.lstrip("#")) + 12
        expect(page.get_by_role("link", name=f"#{target}", exact=True).first).to_be_visible()
        later = [p for p in store.proposals() if p.saw >= judged]
        assert len(later) >= 12
        assert any(1 in p.parents for p in store.proposals() if p.saw < judged)
        assert not any(1 in p.parents for p in later)
        assert all(p.context["vetoed"] == [1] for p in later)


def test_everything_can_be_reached_by_keyboard(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator("#explore").wait_for()
        seen = []
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('details.plain > summary')"):
                page.keyboard.press("Enter")
            place = page.evaluate(
                "(() => { const a = document.activeElement;"
                " return [a.closest('svg')?.dataset.chart || '', a.getAttribute('href') || ''] })()"
            )
            seen.append(place[1])
            if place[0] == "front":
                break
        assert seen[:5] == ["/", "/candidates", "/lineage", "/failures", "/queue"]
        assert page.locator("figure .readout").first.text_content()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{seen[-1]}")
        page.get_by_role("button", name="Pin").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#verdicts .said")).to_have_text("Stored: pin.")


LUMINANCE = """([node, property]) => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => {
    v = Number(v) / 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
  const [r, g, b] = rgb(getComputedStyle(document.querySelector(node))[property]);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_readable_on_a_narrow_screen_light_and_dark(
    browser: Browser, address: str, scheme: str
) -> None:
    settings = {"viewport": {"width": 400, "height": 800}, "color_scheme": scheme}
    with opened(browser, address, **settings) as page:
        for path in ("/", "/candidates", "/candidates/1", "/lineage", "/queue"):
            page.goto(path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
            back = page.evaluate(LUMINANCE, ["body", "backgroundColor"])
            assert (back < 0.1) == (scheme == "dark")
            for node in ("body", "header a", "h1"):
                text = page.evaluate(LUMINANCE, [node, "color"])
                low, high = sorted((back, text))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (path, node)  # WCAG AA


def test_a_report_opens_without_a_network(browser: Browser, finished: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    output_of("report", str(finished), "-o", str(target))
    assert target.stat().st_size < 5_000_000
    context = browser.new_context(offline=True)
    wrong: list[str] = []
    page = context.new_page()
    page.on("console", lambda m: wrong.append(m.text))
    page.on(
        "request", lambda r: wrong.append(r.url) if urlsplit(r.url).scheme not in ("file", "data") else None
    )
    page.goto(target.as_uri())
    expect(page.locator("svg.chart")).to_have_count(4)
    expect(page.locator("svg.tree")).to_be_visible()
    expect(page.locator(".code").first).to_contain_text("class Model")
    link = page.locator("svg a").first
    link.click()
    assert "#candidate-" in page.url
    context.close()
    assert wrong == []


def test_ten_decisions_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    folder = new_campaign(tmp_path / "waiting", "--evaluations", "2")
    with create(folder, name="waiting", seed=0) as store:
        seed = store.add_seed("mlp", MODEL.format(width=10), "mlp").id
        settled(store, seed, 0.3, 500.0, "seed")
        drafts = store.draw("syntactic.mutate", [seed], 11, {})
        for number, draft in enumerate(drafts):
            store.arrive(draft.candidate, MODEL.format(width=20 + number), f"d{number}")
            store.start(draft.candidate)
            store.hold(draft.candidate)
        ids = [draft.candidate for draft in drafts]
    with reviewed(folder) as address, opened(browser, address) as page:
        page.goto("/queue")
        head = page.locator("#card h2")
        # What is written into a note is text, and reading on keeps it.
        page.keyboard.press("n")
        page.keyboard.type("avpjk?")
        expect(page.get_by_label("Note", exact=True)).to_have_value("avpjk?")
        page.keyboard.press("Escape")
        for key, identity in zip("avpavpavpa", ids, strict=False):
            expect(head).to_contain_text(f"#{identity} ")
            # Keys are heard once the page's script has run.
            page.wait_for_load_state("load")
            page.keyboard.press(key)
        expect(head).to_contain_text(f"#{ids[10]} ")
        expect(head).to_be_focused()
        expect(page.locator("nav .badge")).to_have_text("1 waiting")
        page.keyboard.press("?")
        expect(page.locator("#keys kbd").first).to_be_visible()
        page.goto("/candidates")
        page.keyboard.press("/")
        page.keyboard.type("verdict:veto")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=verdict%3Aveto*")
        expect(page.locator("#list tbody tr")).to_have_count(3)
        page.get_by_label(f"compare #{ids[1]}").check()
        page.get_by_label(f"compare #{ids[4]}").check()
        page.get_by_role("button", name="Compare the ticked").click()
        page.wait_for_url("**/compare?*")
        expect(page.locator("h1")).to_have_text("Compare")
    with open_archive(folder, write=False) as store:
        kinds = [verdict.kind for verdict in store.verdicts.all()]
    words = {"a": "approve", "v": "veto", "p": "pin"}
    assert kinds == [words[key] for key in "avpavpavpa"]


def test_a_narrow_list_keeps_error_interval_and_parameters(browser: Browser, address: str) -> None:
    with opened(browser, address, viewport={"width": 390, "height": 800}) as page:
        page.goto("/candidates?sort=error")
        cells = page.locator("#list tbody tr").first.locator("td")
        for place in (1, 2, 3, 4):
            box = cells.nth(place).bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 390, place
