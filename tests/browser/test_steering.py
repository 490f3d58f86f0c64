"""A person opens Steering on a prompt and drags the slider: something shows at once, and while it moves."""

import re

from playwright.sync_api import expect

from tests.browser.screen import finding, main, settled


def test_the_page_opens_on_a_push_that_shows_and_its_effect_is_seen_while_the_slider_moves(page):
    page.goto("/steering?prompt=The+French+word+for+dog+is")
    expect(finding(page)).to_contain_text("Steering turns the top guess from “·chien” into “·Hund”")
    settled(page)
    line = main(page).get_by_text(re.compile("^At .* it writes"))
    expect(line).to_contain_text("Hund")
    slider = page.get_by_role("slider", name="Strength").first
    thumb = slider.bounding_box()
    page.mouse.move(thumb["x"] + 1, thumb["y"] + 1)
    page.mouse.down()
    page.mouse.move(thumb["x"] - 160, thumb["y"] + 1, steps=6)
    expect(line).to_contain_text("chien")
    expect(finding(page)).to_contain_text("“·Hund”")  # the server has not been told yet
    page.mouse.up()
    expect(finding(page)).not_to_contain_text("“·Hund”")
