"""The HTML report in a real browser: pointing, keyboard, widths, themes, hostile text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from chromium import ESCAPE, TAB, Browser

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import report_samples as samples  # noqa: E402  (found through the line above)

from grader.records import GradeResult  # noqa: E402
from grader.report import html  # noqa: E402

pytestmark = pytest.mark.browser
TIP = "return document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText"
# The contrast of every text with what is really behind it, by WCAG 2's formula.
LOWEST_CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
let worst = [99, ""];
const walker = document.createTreeWalker(document.querySelector("body"), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || element.closest("script, style, #tip, [hidden]")) continue;
  const style = getComputedStyle(element);
  const ink = element.closest("svg") ? style.fill : style.color;
  const [a, b] = [light(parse(ink)), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < worst[0]) worst = [ratio, walker.currentNode.data.trim()];
}
return worst;
"""


def show(browser: Browser, folder: Path, result: GradeResult) -> None:
    """Open the report of a result."""
    page = folder / "report.html"
    text = html.render(result, source=result.evidence.submission.source)
    page.write_text(text, encoding="utf-8")
    browser.open(page)


@pytest.fixture(autouse=True)
def desktop(browser: Browser) -> None:
    """Each test starts on the same screen."""
    browser.look(1280, 900, "light")


def test_pointing_at_a_bar_shows_the_lines_printed(browser: Browser, tmp_path: Path) -> None:
    """The tip appears with the bar's lines, and goes away."""
    show(browser, tmp_path, samples.blocking())
    assert browser.run(TIP) == ""
    browser.point_at('.mark.seen[aria-label^="exp_medium"]')
    assert browser.run(TIP).splitlines() == [
        "exp_medium: ran 1.00 s to 3.00 s (2.00 s); expected 0.00 s to 2.00 s (2.00 s)",
        "1.004 s  [exp_medium] starting...",
        "3.004 s  [exp_medium] finished after 2 seconds",
    ]
    browser.point_at("h1")
    assert browser.run(TIP) == ""


def test_pointing_at_a_blocked_stretch_shows_the_source_line(
    browser: Browser, tmp_path: Path
) -> None:
    """Who blocked the loop, with which call, for how long."""
    show(browser, tmp_path, samples.blocking())
    browser.point_at(".mark.blocked:last-of-type")
    tip = browser.run(TIP)
    assert "blocked 3.00 s to 6.00 s (3.00 s)" in tip
    assert "g_usleep() in run_experiment, line 7" in tip


def test_keyboard_reaches_every_mark_in_order(browser: Browser, tmp_path: Path) -> None:
    """Tab shows what the mouse shows; Escape hides it."""
    show(browser, tmp_path, samples.blocking())
    browser.run("document.querySelector('.mark.seen').focus()")
    tips = []
    for _ in range(8):
        tips.append(browser.run(TIP).split(":")[0].split(" at ")[0])
        browser.press(TAB)
    bars = ["exp_small", "exp_medium", "exp_large"]
    assert tips == [*bars, *["main loop"] * 3, "1 line", "2 lines"]
    assert browser.run(TIP) != ""
    browser.press(ESCAPE)
    assert browser.run(TIP) == ""


def test_bars_are_drawn_where_the_times_are(browser: Browser, tmp_path: Path) -> None:
    """Left edge and width in proportion to the axis."""
    show(browser, tmp_path, samples.blocking())
    script = """
        const frame = document.querySelector('#timeline svg').getBoundingClientRect();
        return [...document.querySelectorAll('.mark.seen')].map(e => e.getBoundingClientRect())
            .map(r => [(r.left - frame.left) / frame.width, r.width / frame.width]);
    """
    places = browser.run(script)
    expected = [(0 / 6, 1 / 6), (1 / 6, 2 / 6), (3 / 6, 3 / 6)]
    for seen, wanted in zip(places, expected, strict=True):
        assert seen == pytest.approx(wanted, abs=0.005)


def test_nothing_is_fetched(browser: Browser, tmp_path: Path) -> None:
    """Opening, pointing and unfolding ask for the file itself and nothing else."""
    browser.addresses()
    for result in (samples.passing(), samples.blocking(), samples.hostile()):
        show(browser, tmp_path, result)
        browser.point_at(".mark.seen")
        browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    page = (tmp_path / "report.html").as_uri()
    asked = [address for address in browser.addresses() if not address.startswith("data:,")]
    assert asked == [page] * 3


def test_hostile_submission_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    """No script runs, no element appears, everything can be read."""
    show(browser, tmp_path, samples.hostile())
    assert browser.run("return window.owned") is None
    assert browser.run("return document.querySelectorAll('img, iframe, object').length") == 0
    assert browser.run("return document.scripts.length") == 1
    text = browser.run("return document.body.innerText")
    assert "<script>window.owned = 1</script>\\x1b[2J" in text
    assert "<img src=x onerror=" in browser.run("return document.querySelector('#L2').innerText")


def test_policy_stops_what_escaping_would_miss(browser: Browser, tmp_path: Path) -> None:
    """The second line of defence works without the first."""
    result = samples.passing()
    text = html.render(result, source="")
    holes = "<script>window.owned = 1</script><img src=x onerror='window.owned = 2'>"
    page = tmp_path / "holes.html"
    page.write_text(text.replace("</main>", holes + "</main>"), encoding="utf-8")
    browser.open(page)
    assert browser.run("return document.images.length") == 1
    assert browser.run("return window.owned") is None


@pytest.mark.parametrize("name", ["passing", "blocking", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_page_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, width: int, scheme: str, name: str
) -> None:
    """No sideways scrolling from 320 pixels on; contrast of at least 4.5 in both themes."""
    browser.look(width, 844, scheme)
    show(browser, tmp_path, getattr(samples, name)())
    assert browser.run("return document.documentElement.scrollWidth") <= width
    ratio, text = browser.run(LOWEST_CONTRAST)
    assert ratio >= 4.5, text


def test_tip_stays_inside_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Even that of a mark at the right edge."""
    browser.look(320, 844, "dark")
    show(browser, tmp_path, samples.passing())
    browser.run("[...document.querySelectorAll('.mark.line')].pop().focus()")
    left, right = browser.run(
        "const r = document.getElementById('tip').getBoundingClientRect(); return [r.left, r.right]"
    )
    assert 0 <= left < right <= 320
