"""The pages in a browser: nothing is asked for or complained of, charts are drawn, buttons work, text stays text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports import NASTY, episode, need_browser
from worlds import small

from der_gym.core.figures import figure
from der_gym.evaluation.firm import Firm
from der_gym.evaluation.report.board_page import write_board
from der_gym.evaluation.report.firm_page import Promise, write_firm
from der_gym.evaluation.report.run_page import write_run
from der_gym.evaluation.scoreboard import Scoreboard, evaluate
from der_gym.scenario.load import load

CHARTS = {
    "run": ["market", "power", "leaves", "seen", "age", "messages", "stored"],
    "board": ["profiles", "hours", "capability", "firm"],
    "firm": ["firm", "capability"],
}
KINDS = [*CHARTS]
# The share of a canvas's pixels that are not empty, and how many colours they have.
DRAWN = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  let filled = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 0) { filled += 1; colours.add(`${data[i]} ${data[i + 1]} ${data[i + 2]}`); }
  }
  return [filled / (data.length / 4), colours.size];
}"""
PIXELS = "canvas => canvas.toDataURL()"


class Opened:
    """A page in the browser, and what it asked for and complained of."""

    def __init__(self, page: Any) -> None:
        self.page, self.asked, self.said = page, [], []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, path: Path) -> Any:
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("main h1")
        self.page.wait_for_timeout(150)  # a frame or two
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = need_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Return a tab; a parameter sets the context (width, language, dark)."""
    given = {"locale": "en-US", "viewport": {"width": 1200, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(**given)
    yield Opened(context.new_page())
    context.close()


AWARDS: list[dict[str, Any]] = [
    {"controller": "open_loop", "season": "summer", "start_h": 14, "level": 0.9, "answer": "kept", "firm_kw": 60.0}
    | {"firm_low_kw": 55.0, "firm_high_kw": math.inf, "most_played_kw": 98.0}
]
PASSED = [
    {"controller": name, "season": "summer", "start_h": 14, "award_kw": kw, "pass_rate": rate}
    for name, rates in (("open_loop", (0.2, 0.9, 0.4)), ("idle", (0.0, 0.1, 0.0)))
    for kw, rate in zip((30.0, 60.0, 90.0), rates, strict=True)
]


@pytest.fixture(scope="module")
def board() -> Scoreboard:
    scenario = load("tertiary-1", small("tertiary-1", {"title": NASTY}))
    return evaluate(scenario, ["open_loop", "random"], 3)


@pytest.fixture(scope="module")
def pages(board: Scoreboard, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one page of each kind, with markup in every name that a user could set."""
    folder = tmp_path_factory.mktemp("pages")
    played, detail = episode("open_loop", "tertiary-1-hard", title=NASTY)
    named = replace(detail, leaf_names=(NASTY, *detail.leaf_names[1:]))
    promise = Promise("tertiary-1", 2, AWARDS, PASSED)
    capability = [
        {"season": "summer", "class": NASTY, "hour": hour, "up_p50_kw": 10.0 + hour, "up_p10_kw": 5.0 + hour}
        for hour in range(24)
    ]
    return {
        "run": write_run(folder / "run.html", played, "open_loop", named),
        "board": write_board(folder / "board.html", board, promise),
        "firm": write_firm(folder / "firm.html", Firm(board.scenario, capability, PASSED, AWARDS), 2),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_for_and_nothing_complained_of(tab: Opened, pages: dict[str, Path], kind: str) -> None:
    page = tab.open(pages[kind])
    page.click("#theme")
    page.click("#language")
    assert [url for url in tab.asked if not url.startswith("data:")] == [pages[kind].as_uri()]
    assert tab.said == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_drawn(tab: Opened, pages: dict[str, Path], kind: str) -> None:
    page = tab.open(pages[kind])
    for name in CHARTS[kind]:
        share, colours = page.locator(f"#chart-{name} canvas").evaluate(DRAWN)
        assert share > 0.01, name
        assert colours > 10, name
    for canvas in page.locator("canvas").all():
        assert canvas.evaluate(DRAWN)[0] > 0.01
    for drawing in page.locator(".plot svg").all():
        assert drawing.locator("circle, rect").count() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_markup_in_a_name_is_shown_as_text(tab: Opened, pages: dict[str, Path], kind: str) -> None:
    page = tab.open(pages[kind])
    assert page.locator("main b:text-is('x')").count() == 0
    assert page.locator("main img").count() == 0
    assert page.title() != "hit"
    assert NASTY in page.inner_text("#summary")
    if kind == "run":
        assert NASTY in page.inner_text("#leaves")
        assert NASTY in page.inner_text("#messages")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tab", [{"viewport": {"width": 390, "height": 844}}], indirect=True, ids=["phone"])
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_phone_need_not_scroll_sideways(tab: Opened, pages: dict[str, Path], kind: str, language: str) -> None:
    page = tab.open(pages[kind])
    if language == "ja":
        page.click("#language")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.body.scrollWidth") <= 390
    assert page.locator("html").get_attribute("lang") == language


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_follows_the_window(tab: Opened, pages: dict[str, Path], kind: str) -> None:
    page = tab.open(pages[kind])
    chart = page.locator(f"#chart-{CHARTS[kind][0]} .uplot")
    wide = chart.bounding_box()["width"]
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_timeout(300)
    assert chart.bounding_box()["width"] < min(wide, 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 500


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize(
    "tab", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
def test_dark_and_light(tab: Opened, pages: dict[str, Path], request: pytest.FixtureRequest) -> None:
    page = tab.open(pages["run"])
    first, pixels = background(page), page.locator("#chart-power canvas").evaluate(PIXELS)
    assert (first == "rgb(18, 22, 28)") == ("dark" in request.node.callspec.id)
    page.click("#theme")
    assert background(page) != first
    assert page.locator("#chart-power canvas").evaluate(PIXELS) != pixels
    page.click("#theme")
    assert background(page) == first


@pytest.mark.parametrize("tab", [{"locale": "ja-JP"}, {"locale": "en-US"}], indirect=True, ids=["ja", "en"])
def test_the_language_is_the_readers_and_can_be_changed(
    tab: Opened, pages: dict[str, Path], request: pytest.FixtureRequest
) -> None:
    page = tab.open(pages["run"])
    texts = ["収支の内訳", "Ledger by line"]
    own, other = texts if "ja" in request.node.callspec.id else texts[::-1]
    assert own in page.inner_text("main")
    page.click("#language")
    assert other in page.inner_text("main")
    assert own not in page.inner_text("main")


def test_a_leaf_can_be_taken_out_of_the_stack(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["run"])
    canvas, button = page.locator("#chart-leaves canvas"), page.locator('#leaves .chip[data-key="leaf 2"]')
    whole = canvas.evaluate(PIXELS)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    without = canvas.evaluate(PIXELS)
    assert without != whole
    page.click("#language")  # what is off stays off
    assert page.locator('#leaves .chip[data-key="leaf 2"]').get_attribute("aria-pressed") == "false"
    page.click("#language")
    page.locator('#leaves .chip[data-key="leaf 2"]').click()
    assert page.locator("#chart-leaves canvas").evaluate(PIXELS) == whole


def test_all_leaves_can_be_off(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["run"])
    for button in page.locator("#leaves .chip").all():
        button.click()
    assert page.locator("#leaves .chip[aria-pressed=true]").count() == 0
    assert tab.said == []


def test_the_value_under_the_pointer_is_shown(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["run"])
    page.locator("#chart-power").scroll_into_view_if_needed()
    box = page.locator("#chart-power .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.wait_for_timeout(100)
    assert page.inner_text('#power .chip[data-key="plan"] .now').strip() != ""
    assert page.inner_text('#market .chip[data-key="target"] .now').strip() != ""  # the charts over time move together


def test_one_leaf_can_be_looked_at(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["run"])
    before = page.locator("#chart-seen canvas").evaluate(PIXELS)
    page.select_option("#pick-seen", "0")
    assert page.locator("#chart-seen canvas").evaluate(PIXELS) != before


def test_a_failed_block_tells_its_story(tab: Opened, pages: dict[str, Path]) -> None:
    played, _ = episode("open_loop", "tertiary-1-hard", title=NASTY)
    found = played.scores["open_loop"].failures
    assert found
    page = tab.open(pages["run"])
    for failure in found:
        block = page.locator(f"#block-{failure.block}")
        assert failure.text in block.inner_text()
        steps = block.locator("ol.steps li").all()
        assert {"requested", "sent", "cloud", "reach_50", "window_ends", "judged"} <= {
            step.get_attribute("data-step") for step in steps
        }
        times = [step.locator("time").inner_text() for step in steps]
        known = [time for time in times if time != "never"]
        assert known == sorted(known)
        assert block.locator(".plot svg text").count() >= len(played.scenario.fleet.mix)
    page.locator(".strip a.bad").first.click()
    assert page.url.endswith(f"#block-{found[0].block}")


def test_no_failed_block_is_said_so(tab: Opened, tmp_path: Path) -> None:
    played, detail = episode("open_loop", "tertiary-1-hard", title=NASTY)
    good = replace(played, scores={**played.scores, "open_loop": replace(played.scores["open_loop"], failures=[])})
    page = tab.open(write_run(tmp_path / "run.html", good, "open_loop", detail))
    assert "there is nothing to explain" in page.inner_text("#failures")
    assert tab.said == []


def test_the_ledger_is_told_by_start(tab: Opened, pages: dict[str, Path], board: Scoreboard) -> None:
    page = tab.open(pages["board"])
    rows = page.locator("#ledger tbody tr").all_inner_texts()
    assert len(rows) == len(board.scores["idle"].played.lines)
    assert rows[-1].startswith("total")
    assert not [row for row in rows if re.match(r"\w+_\w+", row)]  # words, not keys
    starts = {int(h) for h in board.scores["idle"].played.start_abs_s // 3600 % 24}
    assert len(starts) > 1
    assert page.locator("#pick-start option").count() == len(starts) + 1
    hour = min(starts)
    page.select_option("#pick-start", str(hour))
    own = board.scores["idle"].played.start_abs_s // 3600 % 24 == hour
    totals = [f"{board.scores[name].played.yen('total')[own].mean():,.0f}" for name in board.ranking()]
    told = page.locator("#ledger tbody tr").last.inner_text().replace("\u2212", "-").split("\t")
    assert told == ["total", *(total if total != "-0" else "0" for total in totals)]


def test_the_best_ledger_counts_the_lockout(tab: Opened, board: Scoreboard, tmp_path: Path) -> None:
    before, counted = "yen_per_registered_kw", "yen_per_registered_kw_with_lockout"
    told = {"open_loop": {before: 9.0, counted: 1.0}, "random": {before: 5.0, counted: 4.0}, "idle": {counted: -1.0}}
    scores = {
        name: replace(score, columns=score.columns | {key: np.full(3, yen) for key, yen in told[name].items()})
        for name, score in board.scores.items()
    }
    page = tab.open(write_board(tmp_path / "board.html", replace(board, scores=scores)))
    tile = page.locator("#summary .tiles > *").last.inner_text()
    assert "random" in tile and "4.0 yen per registered kW, with lock-out" in tile
    page.click("#scores th button:has-text('with')")  # the table has the column beside that before the lock-out
    assert page.locator("#scores tbody tr").first.get_attribute("data-controller") == "random"


def test_a_column_against_a_base_that_was_not_played_is_left_out(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["board"])
    heads = page.locator("#scores th").all_inner_texts()
    assert len(heads) > 8
    assert not [text for text in heads if "against" in text]
    assert "Against" not in page.inner_text("#board")


def test_how_to_read_the_difference_is_told_once(tab: Opened, tmp_path: Path) -> None:
    compared = evaluate("tertiary-1", ["idle", "open_loop"], 2, overrides=small(), base="idle")
    page = tab.open(write_board(tmp_path / "board.html", compared))
    assert page.inner_text("#board").count('"Against"') == 1


def test_a_service_that_judges_no_block_says_so(tab: Opened, tmp_path: Path) -> None:
    board, detail = episode("needs_offer", "incentive-solar")
    page = tab.open(write_run(tmp_path / "solar.html", board, "needs_offer", detail))
    assert "judges no blocks" in page.inner_text("#failures")
    assert "award 0" not in page.inner_text("#summary")
    assert "0 of 0" not in page.inner_text("#summary")
    assert page.locator("#chart-messages").count() == 0  # no command was sent
    assert "offers to owners" in page.inner_text("#messages")
    assert "surplus used" in page.inner_text("#ledger")
    assert not re.search(r"\b(incentive|habituation|deviation)\t", page.inner_text("#ledger"))


def test_every_service_of_several_has_its_section(tab: Opened, tmp_path: Path) -> None:
    board, detail = episode("open_loop", "stacked-capacity")
    target = write_run(tmp_path / "stacked.html", board, "open_loop", detail)
    page = tab.open(target)
    page.click("#theme")
    page.click("#language")
    assert tab.said == [] and [url for url in tab.asked if not url.startswith("data:")] == [target.as_uri()]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
    assert len(ids) == len(set(ids))
    for service in board.told:
        section = page.locator(f"#service-{service}")
        for name in ("market", "power"):
            assert section.locator(f"#chart-{name}-{service} canvas").evaluate(DRAWN)[0] > 0.01
        failed = [f for f in board.scores["open_loop"].failures if f.service == service]
        assert section.locator("[data-cause]").count() == len(failed)
        assert page.locator(f"nav a[href='#service-{service}']").count() == 1
    page.select_option("#pick-seen", "capacity-call")
    assert tab.said == []


def test_the_scoreboard_of_several_services_has_their_table(tab: Opened, tmp_path: Path) -> None:
    name = "stacked-capacity"
    compared = evaluate(name, ["open_loop"], 1, overrides=small(name))
    page = tab.open(write_board(tmp_path / "board.html", compared))
    assert page.locator("#services tbody tr").count() == 2 * len(compared.scores) and tab.said == []


def test_the_table_can_be_sorted(tab: Opened, pages: dict[str, Path], board: Scoreboard) -> None:
    page = tab.open(pages["board"])

    def order() -> list[str | None]:
        return [row.get_attribute("data-controller") for row in page.locator("#scores tbody tr").all()]

    assert order() == board.ranking()
    page.click("#sort-0")
    assert order() == sorted(board.scores)
    page.click("#sort-0")
    assert order() == sorted(board.scores, reverse=True)
    page.click("#scores th button:has-text('penalty')")  # the greatest penalty first
    penalties = {row["controller"]: row["penalty_yen"] for row in board.summary()}
    assert [penalties[str(name)] for name in order()] == sorted(penalties.values(), reverse=True)
    assert page.locator("#scores th[aria-sort=descending]").count() == 1


def test_a_controller_can_be_taken_out_of_the_profiles(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["board"])
    before = page.locator("#chart-profiles canvas").evaluate(PIXELS)
    page.click('#profiles .chip[data-key="open_loop"]')
    assert page.locator("#chart-profiles canvas").evaluate(PIXELS) != before
    assert (
        page.get_attribute('#profiles .chip[data-key="random"]', "aria-pressed") == "false"
    )  # far below: off at first
    page.click('#profiles .chip[data-key="random"]')
    assert tab.said == []


def test_without_firm_the_page_says_how_to_get_it(tab: Opened, board: Scoreboard, tmp_path: Path) -> None:
    page = tab.open(write_board(tmp_path / "board.html", board))
    assert "der-gym firm tertiary-1" in page.inner_text("#firm")
    assert tab.said == []


def test_a_board_of_one_seed_and_idle_alone_has_no_bands_and_no_complaints(tab: Opened, tmp_path: Path) -> None:
    alone = evaluate(load("tertiary-1", small()), ["idle"], 1)
    alone.stopped = 130
    page = tab.open(write_board(tmp_path / "board.html", alone))
    assert "Ended early" in page.inner_text("#summary")
    assert page.locator("#scores tbody tr").count() == 1
    assert "NaN" not in page.inner_text("main") + page.locator("main").inner_html()
    assert tab.said == []


def test_figures_follow_their_size_as_on_the_command_line(tab: Opened, pages: dict[str, Path]) -> None:
    page = tab.open(pages["board"])
    values = [0.35, -0.0004, 0.045, 3.26, 40.0, 1234.6, 5.0]
    shown = page.evaluate(f"{values}.map(figure)")
    assert [text.replace("\u2212", "-") for text in shown] == [figure(value) for value in values]
    assert page.evaluate("figure(null)") == "–"
    lead = page.evaluate("document.querySelector('.lead').textContent")
    low, high = (figure(value) for value in page.evaluate("DATA.head.award_kw"))
    assert (f"Award {low} kW" if low == high else f"Award {low} to {high} kW") in lead
