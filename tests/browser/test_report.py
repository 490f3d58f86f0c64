"""Pinned on any page, kept by the browser, taken away as a file that needs no network, as a talk, opened again."""

import io
import json
import re
from pathlib import Path

import pypdf
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page, expect

from mi_core.sharing import report
from tests.browser.screen import charts, field, finding, go, main, settled, sidebar, token, until
from tests.browser.test_accessibility import in_both_themes, seen
from tests.browser.test_results import fetched

HOSTILE = "</script><img src=x onerror=alert(1)> **bold** {{ 7 * 7 }}"
COUNT = (
    'getComputedStyle(document.querySelector(\'[data-testid="stSidebarNavLink"][href$="/report"]\'), "::after").content'
)


def pin(page: Page, chart: str) -> None:
    button = page.locator(f".st-key-{chart}-pin").get_by_role("button", name="Pin", exact=True)
    button.click()
    expect(page.locator(f".st-key-{chart}-pin").get_by_role("button", name="Pinned")).to_be_visible()
    settled(page)


def cards(page: Page):
    return main(page).locator('[class*="st-key-pinned-"]')


def findings(page: Page) -> list[str]:
    return cards(page).get_by_role("heading", level=2).all_inner_texts()


def stood(page: Page, n: int) -> None:
    """Until so many pins are drawn."""
    expect(cards(page).get_by_test_id("stVegaLiteChart").locator("svg")).to_have_count(n)
    expect(main(page).get_by_role("button", name="Report as PDF")).to_be_visible()
    settled(page)


def download(page: Page, label: str, folder: Path) -> Path:
    with page.expect_download() as taken:
        main(page).get_by_role("button", name=label).click()
    path = folder / taken.value.suggested_filename
    taken.value.save_as(path)
    return path


@pytest.fixture
def offline(chromium):
    """offline(path): a file in a browser without a network; any complaint of it, or any request, fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def look(page: Page, path: Path) -> None:
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append("a script of the text ran") or dialog.dismiss())
        page.on("request", lambda ask: None if ask.url.startswith(path.as_uri()) else complaints.append(ask.url))

    def open_file(path: Path, place: str = "", **options) -> Page:
        context = chromium.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        look(page, path)
        page.goto(path.as_uri() + place)
        expect(page.locator("html[data-drawn], html.deck")).to_have_count(1)
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not complaints, complaints


@pytest.fixture
def pinned(page) -> Page:
    """A person who has pinned a result on each of two pages, and looks at the report."""
    page.goto("/")
    expect(finding(page)).to_be_visible()
    settled(page)
    pin(page, "predictions")
    go(page, "Attention")
    field(page, "Layer").fill("1")
    field(page, "Layer").press("Enter")
    expect(page).to_have_url(re.compile("layer=1"))
    settled(page)
    pin(page, "pattern")
    assert page.evaluate(COUNT).startswith('"2"')
    page.get_by_role("link", name=re.compile("^Report")).click()
    stood(page, 2)
    return page


def test_pins_stay_in_the_browser_with_their_notes_and_their_order(pinned):
    page = pinned
    first, second = findings(page)
    assert "Austin" in first and "L1H" in second
    field(page, "Note").last.fill("seen twice")
    page.get_by_role("button", name="Move up: result 2").click()
    expect(cards(page).get_by_role("heading", level=2).first).to_contain_text("L1H")
    settled(page)
    page.reload()
    stood(page, 2)
    assert [text[2:] for text in findings(page)] == [second[2:], first[2:]]
    expect(field(page, "Note").first).to_have_value("seen twice")
    again = page.context.new_page()  # another day: a fresh visit of the same browser
    again.goto("/attention?layer=1")
    expect(again.locator(".st-key-pattern-pin").get_by_role("button", name="Pinned")).to_be_visible()
    settled(again)
    pin(again, "strongest")
    again.close()
    expect(cards(page)).to_have_count(3)  # the first tab has heard of it
    settled(page)
    page.get_by_role("button", name="Remove: result 3").click()
    expect(cards(page)).to_have_count(2)
    kept = json.loads(page.evaluate("localStorage.getItem('loupe-pins')"))
    assert [each["note"] for each in kept["pins"]] == ["seen twice", ""]
    assert len(json.dumps(kept)) < 5000, "recipes and notes, no numbers"


def test_damaged_pins_are_left_out_with_a_sentence(page):
    page.goto("/report")
    expect(main(page)).to_contain_text("Nothing is pinned yet")
    for nonsense in ("{", json.dumps({"pins": [{"analysis": "predict"}, 3]})):
        page.evaluate("text => localStorage.setItem('loupe-pins', text)", nonsense)
        page.reload()
        expect(main(page)).to_contain_text("left out.")
        expect(main(page)).to_contain_text("Nothing is pinned yet")
        settled(page)


def test_a_link_of_a_pin_opens_its_page_as_it_was(pinned):
    link = pinned.get_by_role("link", name="Open its page: result 2")
    with pinned.expect_popup() as popup:
        link.click()
    expect(field(popup.value, "Layer")).to_have_value("1")
    expect(popup.value.locator(".st-key-pattern-pin").get_by_role("button", name="Pinned")).to_be_visible()
    settled(popup.value)


def test_the_file_holds_the_numbers_on_screen_and_opens_without_a_network(pinned, offline, tmp_path):
    page = pinned
    field(page, "Title").fill("What it reads")
    field(page, "Note").first.fill("<b>first</b>")
    path = download(page, "Report as HTML", tmp_path)  # at once: what was just typed is within
    assert path.name == "what-it-reads.html"
    document = json.loads(report.DATA.search(path.read_text("utf-8"))[1])
    assert document["title"] == "What it reads" and document["results"][0]["pin"]["note"] == "<b>first</b>"
    settled(page)
    go(page, "Attention")
    main(page).locator(".st-key-pattern-export").get_by_role("button").click()
    everything = json.loads(fetched(page, "Everything as JSON"))
    for each in (table := document["results"][1]["table"])["rows"]:
        assert dict(zip(table["columns"], each, strict=True)) in everything["tables"]["pattern"]
    assert len(table["rows"]) == len(everything["tables"]["pattern"])
    file = offline(path)
    expect(file.locator("html[data-drawn=all]")).to_have_count(1)
    assert file.get_by_role("heading", level=1).inner_text() == "What it reads"
    drawn = file.locator(".chart svg")
    expect(drawn).to_have_count(2)
    assert drawn.first.locator("[aria-roledescription='bar']").count() == 10
    assert drawn.last.locator("path[aria-roledescription]").count() >= 20
    bar = drawn.first.locator("[aria-roledescription='bar']").first
    bar.hover()
    expect(file.locator("#vg-tooltip-element")).to_contain_text("96.2%")
    file.get_by_text(re.compile("^Table “pattern”")).click()
    rows = file.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(len(table["rows"]) + 1)
    shown = [float(text.replace("−", "-")) for text in rows.locator("td:last-child").all_inner_texts()]
    assert shown == pytest.approx(report.frame(table)[table["columns"][-1]].tolist(), rel=1e-5)
    scheme = file.get_by_role("button", name="Colours")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = file.evaluate(ground)
    scheme.click()
    scheme.click()
    expect(scheme).to_have_text("Colours: dark")
    assert file.evaluate(ground) != light
    printed = pypdf.PdfReader(io.BytesIO(file.pdf()))
    assert "What it reads" in printed.pages[0].extract_text()


def test_hostile_texts_are_text_in_the_app_the_file_and_the_talk(visitor, offline, tmp_path):
    page = visitor()
    page.goto("/")
    expect(finding(page)).to_be_visible()
    field(page, "Prompt").fill(HOSTILE)
    field(page, "Prompt").press("Enter")
    expect(token(page, 3)).to_be_visible()
    settled(page)
    pin(page, "predictions")
    page.get_by_role("link", name=re.compile("^Report")).click()
    stood(page, 1)
    field(page, "Title").fill(HOSTILE)
    main(page).get_by_text("Claim sheet").click()
    for label in ("Note", "Claim", "Control", "Limits"):
        field(page, label).fill(HOSTILE)
        field(page, label).press("Control+Enter")
        settled(page)
    path = download(page, "Report as HTML", tmp_path)
    file = offline(path)
    expect(file.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert file.get_by_text(HOSTILE).count() >= 6 and file.locator("img").count() == 0
    file.keyboard.press("d")
    expect(file.get_by_role("heading", level=1)).to_be_visible()
    with file.expect_popup() as notes:
        file.keyboard.press("s")
    file.keyboard.press("ArrowRight")
    expect(notes.value.locator("body")).to_contain_text(HOSTILE)
    assert notes.value.locator("img, b").count() == 0


def test_a_talk_plays_by_keys_from_a_file(page, offline, tmp_path):
    page.goto("/report")
    main(page).get_by_role("button", name="Two heads that copy").click()
    expect(cards(page).get_by_test_id("stVegaLiteChart").locator("svg").nth(4)).to_be_visible()
    expect(main(page).get_by_role("button", name="Report as HTML")).to_be_visible()
    settled(page)
    n = cards(page).count()
    path = download(page, "Report as HTML", tmp_path)
    results = json.loads(report.DATA.search(path.read_text("utf-8"))[1])["results"]
    talk = offline(path, "#deck")
    at = talk.locator("#at")
    expect(at).to_have_text(f"0 / {n}")
    expect(talk.get_by_role("heading", level=1)).to_have_text("Two heads that copy")
    with talk.expect_popup() as popup:
        talk.keyboard.press("s")
    notes = popup.value.locator("body")
    for key, number in (
        ("ArrowRight", 1), ("PageDown", 2), (" ", 3), ("ArrowLeft", 2), ("PageUp", 1), ("End", n), ("ArrowRight", n),
        ("Home", 0), ("ArrowLeft", 0), ("3", 3), ("1", 1),
    ):  # fmt: skip
        talk.keyboard.press(key)
        if key.isdigit():
            talk.keyboard.press("Enter")
        expect(at).to_have_text(f"{number} / {n}")
    slide = talk.locator(".slide.on")
    expect(slide).to_have_count(1)
    expect(slide.get_by_role("heading")).to_contain_text(results[0]["finding"])
    expect(notes).to_contain_text(results[0]["pin"]["note"])
    expect(notes).to_contain_text(f"Next: {results[1]['finding']}")
    svg = slide.locator("svg")
    expect(svg).to_be_visible()
    box = svg.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280 and box["y"] + box["height"] <= 800, "all of it is seen"
    letters = svg.locator("text").first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
    assert box["width"] / float(svg.get_attribute("viewBox").split()[2]) * letters >= 16, "in large letters"
    assert not slide.get_by_text(results[0]["sentences"][0]).is_visible(), "a chart and a sentence"
    width = "getComputedStyle(document.querySelector('#progress i')).width"
    assert float(talk.evaluate(width)[:-2]) == pytest.approx(1280 / n, rel=0.02)
    for key in ("b", "."):
        talk.keyboard.press(key)
        expect(talk.locator("#black")).to_be_visible()
        talk.keyboard.press(key)
        expect(talk.locator("#black")).to_be_hidden()
    notes.press("ArrowRight")  # from the other window
    expect(at).to_have_text(f"2 / {n}")
    talk.reload()
    expect(at).to_have_text(f"2 / {n}")
    talk.keyboard.press("f")
    until(talk, lambda: talk.evaluate("!!document.fullscreenElement"))
    talk.keyboard.press("f")
    until(talk, lambda: not talk.evaluate("!!document.fullscreenElement"))
    talk.keyboard.press("Escape")
    expect(talk.get_by_role("button", name="Present")).to_be_visible()
    expect(talk.locator(".chart svg")).to_have_count(n)
    talk.get_by_role("button", name="Present").click()
    expect(at).to_have_text(f"0 / {n}")


def test_a_report_is_opened_again_and_goes_on(pinned, visitor, server, tmp_path):
    field(pinned, "Note").first.fill("go on from here")
    path = download(pinned, "Report as HTML", tmp_path)
    settled(pinned)
    other = visitor(viewport={"width": 1280, "height": 1000})
    other.goto("/report")
    expect(main(other)).to_contain_text("Nothing is pinned yet")
    settled(other)
    other.locator("input[type=file]").set_input_files(path)
    stood(other, 2)
    assert findings(other) == findings(pinned)
    expect(field(other, "Note").first).to_have_value("go on from here")
    assert main(other).get_by_text("the same numbers as stored").count() == 2
    damaged = tmp_path / "damaged.html"
    damaged.write_text(path.read_text("utf-8").replace('"loupe_report": 1', '"loupe_report": 9'), "utf-8")
    main(other).get_by_role("button", name="Open a report").click()
    other.locator("input[type=file]").set_input_files(damaged)
    expect(main(other)).to_contain_text("of another version (9; this Loupe reads 1)")
    expect(cards(other)).to_have_count(2)
    settled(other)


def test_paper_holds_what_the_screen_says(pinned, tmp_path):
    first = findings(pinned)[0]
    reader = pypdf.PdfReader(download(pinned, "Report as PDF", tmp_path))
    pages = [" ".join(each.extract_text().split()) for each in reader.pages]
    assert len(pages) == 3
    assert first.split(maxsplit=1)[1] in pages[1]
    assert "Prompt: “The capital of Texas is”" in pages[1] and "Model: loupe-mini" in pages[2]
    assert "Self-checks" in pages[1]


def test_the_report_and_its_file_can_be_used_by_everybody(pinned, offline, tmp_path):
    main(pinned).get_by_text("Claim sheet").first.click()
    settled(pinned)
    field(pinned, "Claim").fill("It knows.")
    path = download(pinned, "Report as HTML", tmp_path)
    settled(pinned)
    pinned.evaluate(AXE_SCRIPT)
    found = in_both_themes(pinned, seen)
    for scheme in ("light", "dark"):
        file = offline(path, color_scheme=scheme)
        file.evaluate(AXE_SCRIPT)
        for summary in file.locator("summary").all():
            summary.click()
        found += [f"{scheme}: {one}" for one in seen(file)]
        file.keyboard.press("Home")
        file.get_by_role("button", name="Present").click()
        file.keyboard.press("ArrowRight")
        expect(file.locator(".slide.on svg")).to_be_visible()
        found += [f"a slide, {scheme}: {one}" for one in seen(file)]
    assert not found, "\n".join(dict.fromkeys(found))


def test_every_button_below_a_chart_is_in_its_row(visitor):
    for width, height in ((1280, 800), (390, 844)):
        page = visitor(viewport={"width": width, "height": height})
        page.goto("/")
        expect(finding(page)).to_be_visible()
        expect(charts(page).first.locator("svg")).to_be_visible()
        settled(page)
        for chart in ("predictions", "surprise"):
            row = page.locator(f".st-key-{chart}-below")
            tops = [button.bounding_box()["y"] for button in row.get_by_role("button").all()]
            assert len(tops) == 6 and max(tops) - min(tops) < 12, f"{chart} at {width}"
            last = row.get_by_role("button", name="Pin", exact=True).bounding_box()
            assert last["x"] + last["width"] <= width
    page.set_viewport_size({"width": 1280, "height": 800})
    settled(page)
    box = field(page, "Prompt").bounding_box()
    assert sidebar(page).is_visible() and box["y"] + box["height"] <= 800
