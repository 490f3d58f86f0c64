"""The components in a real browser: what a click, a key, a theme and a narrow screen do."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import until

# How often the visible canvas is drawn on, by kind of drawing
COUNTS = """
window.drawn = { drawImage: 0, fillRect: 0, strokeRect: 0, putImageData: 0, fill: 0, stroke: 0 }
for (const kind of Object.keys(window.drawn)) {
  const draw = CanvasRenderingContext2D.prototype[kind]
  CanvasRenderingContext2D.prototype[kind] = function (...how) { window.drawn[kind]++; return draw.apply(this, how) }
}
"""


@pytest.fixture
def address(serve):
    """The address of a small app that shows both components."""
    return serve("tests/browser/apps/components.py")


@pytest.fixture
def page(visitor, address):
    return visitor(address, color_scheme="light")


def opened(page, address, query=""):
    page.goto(f"{address}/?{query}")
    expect(page.get_by_role("option").first).to_be_visible()
    expect(page.locator("canvas")).to_be_visible()
    return page


def says(page, text):
    expect(page.get_by_text(text, exact=True)).to_be_visible()


def brightness(page, x, y):
    """Of the grid's canvas at a point in CSS pixels, 0 to 765."""
    script = """(canvas, [x, y]) => {
        const ratio = canvas.width / canvas.clientWidth
        const [r, g, b] = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data
        return r + g + b
    }"""
    return page.locator("canvas").evaluate(script, [x, y])


def test_a_click_picks_a_token_once_and_marks_it(address, page):
    opened(page, address)
    page.get_by_role("option", name="2 ·Eiffel").click()
    says(page, "picked position 2, held 2")
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    expect(page.get_by_role("option", selected=True)).to_have_attribute("data-pos", "2")
    says(page, "run 2")


def test_keys_move_and_pick(address, page):
    opened(page, address)
    page.get_by_role("option", selected=True).focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    says(page, "run 1")  # moving alone picks nothing
    page.keyboard.press("Enter")
    says(page, "picked position 1, held 1")
    expect(page.get_by_role("option", name="1 The")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    says(page, "picked position 2, held 2")


def test_a_token_is_text_and_never_markup(address, page):
    opened(page, address)
    chip = page.get_by_role("option", name="4 <b>bold</b>")
    assert chip.locator("b").count() == 0
    expect(chip.locator(".text")).to_have_text("<b>bold</b>")


def test_chips_stay_the_same_elements_when_only_the_choice_changes(address, page):
    opened(page, address)
    page.get_by_role("option").nth(3).evaluate("element => (element.mine = true)")
    page.get_by_role("option").nth(3).click()
    says(page, "picked position 3, held 3")
    assert page.get_by_role("option").nth(3).evaluate("element => element.mine") is True


def in_row(page, pos):
    """Whether a chip is in sight within its row."""
    return (
        page.get_by_role("option")
        .nth(pos)
        .evaluate(
            """chip => {
          const [row, box] = [chip.closest('.row').getBoundingClientRect(), chip.getBoundingClientRect()]
          return row.left <= box.left && box.right <= row.right
        }"""
        )
    )


def test_a_long_prompt_is_one_row_that_keeps_the_chosen_token_in_sight(address, page):
    page.set_viewport_size({"width": 1280, "height": 300})
    opened(page, address, "tokens=231")
    row = page.get_by_role("listbox")
    assert row.bounding_box()["height"] <= 60
    until(page, lambda: in_row(page, 230))
    assert not in_row(page, 0)
    page.get_by_role("option", selected=True).focus()
    page.keyboard.press("Home")
    assert in_row(page, 0) and not in_row(page, 230)
    expect(page.get_by_role("option").first).to_be_focused()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert in_row(page, 40)
    page.keyboard.press("Enter")
    says(page, "picked position 40, held 40")
    assert in_row(page, 40)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0, "the page must stay"
    assert page.locator('[role="option"][tabindex="0"]').count() == 1


def test_words_are_seen_whole_with_their_pieces_and_that_is_remembered(address, page):
    opened(page, address)
    words = page.get_by_role("button", name="words")
    expect(words).to_have_attribute("aria-pressed", "false")
    assert page.get_by_role("group", name="·Tower<b>bold</b>").count() == 0
    words.click()
    word = page.get_by_role("group", name="·Tower<b>bold</b>")
    expect(word.get_by_role("option")).to_have_count(2)
    left, right = (word.get_by_role("option").nth(i).bounding_box() for i in (0, 1))
    assert right["x"] - left["x"] - left["width"] < 1, "the pieces stand together"
    word.get_by_role("option", name="4 <b>bold</b>").click()
    says(page, "picked position 4, held 4")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("option", name="1 The")).to_be_focused()
    page.reload()
    expect(word).to_be_visible()
    words.click()
    expect(word).to_have_count(0)
    expect(page.get_by_role("option")).to_have_count(9)


def test_long_prompts_fold_in_the_middle(address, page):
    opened(page, address, "tokens=1500")
    expect(page.get_by_role("option")).to_have_count(1000)
    page.get_by_role("button", name="show all 1,500 tokens").click()
    expect(page.get_by_role("option")).to_have_count(1500)
    says(page, "run 1")


def test_a_click_picks_a_head(address, page):
    opened(page, address)
    box = page.locator("canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)
    says(page, "picked head {'layer': 3, 'head': 11}, held (3, 11)")
    expect(page.get_by_role("application")).to_have_attribute("aria-label", chosen(3, 11))


def chosen(layer, head):
    return re.compile(f"Chosen: layer {layer}, head {head}\\.")


def test_arrow_keys_choose_a_head_and_stop_at_the_edge(address, page):
    opened(page, address)
    grid = page.get_by_role("application")
    grid.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
    says(page, "picked head {'layer': 0, 'head': 4}, held (0, 4)")
    says(page, "run 2")  # three presses, one question


def test_hovering_tells_tokens_and_weight(address, page):
    opened(page, address)
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 33, box["y"] + 23)
    expect(page.locator(".tip")).to_contain_text("L0H0")
    expect(page.locator(".tip")).to_contain_text("0 <|endoftext|> → 0 <|endoftext|>: 1.00")


def test_the_grid_is_drawn_with_one_picture_and_one_frame_a_head(address, page):
    """Not with a rectangle for each of its 144 × 64 × 64 weights, which takes a second."""
    page.add_init_script(COUNTS)
    opened(page, address, "tokens=64&heads=12&layers=12")
    until(page, lambda: page.evaluate("window.drawn.drawImage") >= 144)
    drawn = page.evaluate("window.drawn")
    assert drawn.pop("drawImage") == drawn.pop("strokeRect") and not any(drawn.values())


def test_the_grid_follows_the_theme(address, page):
    opened(page, address)
    assert brightness(page, 34, 24) < 200  # full weight: darkest on light, brightest on dark
    page.emulate_media(color_scheme="dark")
    until(page, lambda: brightness(page, 34, 24) > 600)
    says(page, "run 1")


def test_a_phone_scrolls_the_grid_and_nothing_else(address, page):
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("canvas").evaluate("canvas => canvas.clientWidth") >= 12 * 72
    assert page.locator(".scroll").evaluate("element => element.scrollWidth > element.clientWidth")
    assert page.get_by_role("option").nth(5).bounding_box()["width"] <= 390  # the longest token
