"""Charts in the hands of a reader: they fit their place, open large, are taken away whole; links lead back to them."""

import io
import re
from urllib.parse import quote_plus

import openpyxl
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.screen import charts, field, finding, go, in_address, main, settled
from tests.browser.test_results import box, fetched, opened

PROMPT = "When Mary and John went to the store, John gave a drink to"
STORY = f"prompt={quote_plus(PROMPT)}"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Of the first chart of a page: how far it can be and is scrolled, and where the frame and its columns' names stand
PLACES = """key => {
  const frame = document.querySelector(`.st-key-${key}-frame`)
  const box = frame.getBoundingClientRect()
  const names = [...frame.querySelectorAll("svg.marks .role-axis-label text")].map(text => {
    const { left, right } = text.getBoundingClientRect()
    return { name: text.textContent, seen: left >= box.left - 1 && right <= box.right + 1 }
  })
  return { beyond: frame.scrollWidth - frame.clientWidth, scrolled: frame.scrollLeft, width: box.width, names }
}"""
# What lies directly behind the name of a row
BEHIND = """name => {
  const text = [...document.querySelectorAll("svg.marks text")].find(text => text.textContent === name)
  text.scrollIntoView({ block: "center", inline: "nearest" })
  const { left, right, top, bottom } = text.getBoundingClientRect()
  return document.elementFromPoint((left + right) / 2, (top + bottom) / 2).getAttribute("class")
}"""


def shown(page: Page, address: str, key: str) -> dict:
    """Where the chart of that key stands, once it is drawn."""
    page.goto(address)
    expect(finding(page)).to_be_visible()
    settled(page)
    expect(page.locator(f".st-key-{key}-frame svg.marks").first).to_be_visible()
    return page.evaluate(PLACES, key)


def test_wide_charts_fit_a_desk_and_open_at_their_finding_on_a_phone(visitor):
    desk = visitor()
    pattern = shown(desk, f"/attention?{STORY}", "pattern")
    assert pattern["beyond"] <= 0 and all(name["seen"] for name in pattern["names"])
    assert sum(name["name"] == "10 ·John" for name in pattern["names"]) == 2, "read, and read from: none is left out"
    lens = shown(desk, f"/logit_lens?{STORY}", "lens")
    assert lens["beyond"] <= 0 and "14 ·to" in {name["name"] for name in lens["names"] if name["seen"]}
    svg = desk.locator(".st-key-lens-frame svg.marks").first
    cells, whole = svg.locator(".mark-rect").first.bounding_box(), svg.bounding_box()
    assert whole["width"] > 0.9 * lens["width"], "the room that there is, is used"
    assert cells["y"] - whole["y"] < 130

    phone = visitor(**PHONE)
    lens = shown(phone, f"/logit_lens?{STORY}", "lens")
    assert lens["beyond"] > 100 and lens["scrolled"] > 0
    seen = {name["name"] for name in lens["names"] if name["seen"]}
    assert "14 ·to" in seen and "0 <|endoftext|>" not in seen
    assert {"embeddings", "after 3 · output"} <= seen, "rows keep their names"
    assert phone.evaluate(BEHIND, "after 1") == "ground"
    frame = phone.locator(".st-key-lens-frame")
    frame.evaluate("element => { element.scrollLeft = 0 }")
    settled(phone)
    assert frame.evaluate("element => element.scrollLeft") == 0, "who has scrolled on is left alone"


def test_a_chart_opens_large_by_mouse_and_by_key_and_nothing_hidden_is_in_the_way(page):
    page.goto(f"/attention?{STORY}")
    expect(finding(page)).to_be_visible()
    settled(page)
    large = main(page).get_by_role("button", name="Large", exact=True).first
    dialog = page.get_by_role("dialog")
    small = charts(page).first.bounding_box()["width"]
    large.click()
    expect(dialog.get_by_role("heading").first).to_have_text(finding(page).inner_text())
    expect(dialog.locator("svg.marks .mark-rect").first).to_be_visible()
    settled(page)
    assert dialog.bounding_box()["width"] > 1200 and charts_in(dialog).bounding_box()["width"] > 1.5 * small
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    main(page).get_by_role("button", name="How to read").first.focus()
    page.keyboard.press("Shift+Tab")
    expect(large).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.locator("svg.marks .mark-rect").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid="stMain"] button')].filter(button => button.tabIndex >= 0
          && button.checkVisibility() && !button.checkVisibility({ opacityProperty: true })).length"""
    )
    assert hidden == 0
    expect(page.get_by_test_id("stElementToolbar").filter(visible=True)).to_have_count(0)


def charts_in(dialog):
    return dialog.get_by_test_id("stVegaLiteChart")


def test_a_figure_is_taken_away_in_a_size_with_its_caption_and_a_table_for_excel(page):
    page.goto(f"/logit_lens?{STORY}&target=+Mary&foil=+John")
    opened(page, "Export")
    box(page).get_by_role("combobox", name="Size").click()
    page.get_by_role("option", name="one column of a paper").click()
    settled(page)
    with page.expect_download() as download:
        box(page).get_by_role("button", name="Chart as PNG").click()
    assert download.value.suggested_filename == "logit-lens-lens-when-mary-and-john-went-to-the-store-john.png"
    with Image.open(download.value.path()) as picture:
        assert abs(picture.width / picture.info["dpi"][0] * 25.4 - 85) < 0.2
    svg = fetched(page, "Chart as SVG").decode()
    assert PROMPT in re.sub(r"</text><text[^>]*>", " ", svg) and "compared with: “·John”" in svg
    box(page).get_by_text("With a caption").click()
    settled(page)
    assert "compared with" not in fetched(page, "Chart as SVG").decode()
    assert fetched(page, "Table for Excel").startswith(b"\xef\xbb\xbf")
    book = openpyxl.load_workbook(io.BytesIO(fetched(page, "All tables as XLSX")))
    assert book.sheetnames == ["lens", "target", "about"]
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "n"}, "nothing is a formula"


def test_steps_start_from_what_is_shown_and_a_view_is_in_its_address(page):
    page.goto(f"/attention?{STORY}")
    expect(finding(page)).to_contain_text("L3H2")
    settled(page)
    head = field(page, "Head")
    expect(head).to_have_attribute("placeholder", "auto")
    steps = page.get_by_test_id("stNumberInput").filter(has=head)
    steps.get_by_role("button", name="Decrement").click()
    expect(head).to_have_value("1")
    expect(field(page, "Layer")).to_have_value("3")
    expect(finding(page)).to_contain_text("L3H1")
    settled(page)
    steps.get_by_role("button", name="Increment").click()
    expect(head).to_have_value("2")
    settled(page)
    position = field(page, "Position")
    position.press("ArrowDown")
    expect(position).to_have_value("13")
    in_address(page, "pos", "13")
    settled(page)
    page.get_by_role("radio", name="through all layers").click()
    in_address(page, "reads", "rollout")
    settled(page)
    page.reload()
    expect(page.locator(".st-key-rollout-frame svg.marks").first).to_be_visible()
    go(page, "Attribution")
    page.get_by_role("radio", name="by head").click()
    in_address(page, "by", "head")
    expect(page.locator(".st-key-heads-frame svg.marks").first).to_be_visible()
