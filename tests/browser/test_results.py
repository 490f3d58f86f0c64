"""What belongs to a result: how to read it, its checks, its exports, and steering's slider and texts."""

import io
import json
import struct
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from mi_core.saes import highlights
from mi_core.saes.loading import pick
from tests.browser.screen import CHARTED, charts, field, finding, in_address, main, settled


def box(page: Page):
    return page.get_by_test_id("stPopoverBody")


def opened(page: Page, label: str):
    """The first result's popover of that name."""
    expect(finding(page)).to_be_visible()
    settled(page)
    main(page).get_by_role("button", name=label, exact=True).first.click()
    expect(box(page)).to_have_count(1)  # a run of the page in between may draw it anew
    expect(box(page)).to_be_visible()
    return box(page)


def fetched(page: Page, label: str) -> bytes:
    with page.expect_download() as download:
        box(page).get_by_role("button", name=label).click()
    return Path(download.value.path()).read_bytes()


@pytest.mark.parametrize("path", [path for _, path, _ in CHARTED])
def test_reading_help_and_checks_open(page, path):
    page.goto(f"/{path}")
    expect(opened(page, "How to read")).to_contain_text(".")
    assert len(box(page).inner_text().split()) > 15
    page.keyboard.press("Escape")
    expect(box(page)).to_have_count(0)
    checks = opened(page, "Checked").get_by_role("row")
    expect(checks.nth(1)).to_be_visible()
    held = [row.get_by_role("cell").last.inner_text() for row in checks.all()[1:]]
    assert held and set(held) == {"yes"}
    expect(main(page).get_by_role("button", name="Check failed")).to_have_count(0)


def test_exports_are_whole_files(page):
    page.goto("/attribution?target=+Austin&foil=+Paris")
    expect(opened(page, "Export")).to_contain_text("The same in Python")
    png = fetched(page, "Chart as PNG")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1000 and height > 200
    assert ElementTree.fromstring(fetched(page, "Chart as SVG")).tag == "{http://www.w3.org/2000/svg}svg"
    frame = pd.read_csv(io.BytesIO(fetched(page, "Table as CSV")))
    assert {"component", "kind", "layer", "head", "contribution"} <= set(frame) and len(frame) > 10
    everything = json.loads(fetched(page, "Everything as JSON"))
    assert set(everything) == {"analysis", "model", "settings", "versions", "tables", "units", "checks"}
    assert everything["settings"]["target"] == " Austin" and everything["settings"]["foil"] == " Paris"
    assert len(everything["tables"]["contributions"]) == len(frame)
    assert main(page).get_by_role("alert").count() == 0, "a download must leave the page as it is"


def test_the_table_opens_with_rows(page):
    page.goto("/logit_lens")
    grid = opened(page, "Table").get_by_role("grid", include_hidden=True)  # drawn on a canvas, with a grid for readers
    expect(grid).to_be_attached()
    assert int(grid.get_attribute("aria-rowcount")) > 20


def texts(page: Page) -> list[str]:
    return main(page).get_by_role("code").all_inner_texts()[:2]


def test_the_strength_slider_changes_the_text(page):
    page.goto("/steering?feature=115&new_tokens=12&strength=0.05&prompt=The+film+was")
    expect(finding(page)).to_be_visible()
    settled(page)
    slider = page.get_by_role("slider", name="Strength").first
    slider.press("ArrowLeft")
    expect(slider).to_have_value("0")
    expect(finding(page)).to_contain_text("nothing changes")
    settled(page)
    unpushed = texts(page)
    assert unpushed[0] == unpushed[1]
    slider.press("End")
    expect(finding(page)).not_to_contain_text("nothing changes")
    settled(page)
    assert texts(page)[0] == unpushed[0], "the unsteered text must not move"
    assert texts(page)[1] != unpushed[1]
    expect(charts(page).first).to_be_visible()


def test_a_second_direction_is_added_and_taken_away(page):
    page.goto("/steering?feature=115&new_tokens=12&strength=0.3&prompt=The+film+was")
    expect(finding(page)).to_be_visible()
    settled(page)
    alone = texts(page)
    box = page.get_by_role("combobox", name="Add another direction")
    box.scroll_into_view_if_needed()
    settled(page)  # a list that is open closes where its page is scrolled
    box.click()
    page.get_by_role("option", name="a token").click()
    field(page, "Token").fill("dog")
    field(page, "Token").press("Enter")
    expect(main(page)).to_contain_text("With the directions")
    settled(page)
    page.get_by_role("slider", name="Strength of direction 2").first.press("End")
    in_address(page, "strength2", "2")
    settled(page)
    expect(main(page).get_by_role("code").nth(1)).not_to_have_text(alone[1])
    expect(page.get_by_role("combobox", name="Direction 3")).to_be_visible()
    both = texts(page)
    assert both[0] == alone[0] and both[1] != alone[1]
    page.reload()
    expect(main(page)).to_contain_text("With the directions")
    settled(page)
    assert texts(page) == both
    chosen = page.get_by_role("group").filter(has=page.get_by_role("combobox", name="Add another direction"))
    chosen.get_by_role("button", name="Clear value").click()
    expect(main(page)).not_to_contain_text("With the directions")
    settled(page)
    assert texts(page) == alone


def test_a_sweep_marks_the_strengths_that_break_the_model(page):
    page.goto("/steering?feature=115&new_tokens=12&prompt=The+film+was")
    expect(finding(page)).to_be_visible()
    main(page).get_by_text("Try nine strengths at once").click()
    expect(charts(page)).to_have_count(2)
    expect(main(page).get_by_role("table").last.get_by_role("row")).to_have_count(10)
    main(page).get_by_text("surprise of the text").click()
    expect(charts(page).last.locator("svg")).to_contain_text("broken above")


def test_a_known_feature_is_one_click_away(page):
    hook = pick("loupe-mini").hook
    (german,) = [highlight for highlight in highlights.of("loupe-mini", hook) if highlight.name == "German"]
    page.goto("/steering?new_tokens=12&source=feature&prompt=The+film+was")
    expect(finding(page)).to_be_visible()
    settled(page)
    main(page).get_by_role("button", name="German", exact=True).click()
    expect(field(page, "Feature")).to_have_value(str(german.feature))
    expect(field(page, "Prompt")).to_have_value("The film was")
    settled(page)
    assert texts(page)[0] != texts(page)[1]
