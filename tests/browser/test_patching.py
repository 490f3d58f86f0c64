"""On the patching page: a cell that is clicked is run, and second prompts are repaired and proposed by a click."""

import re

from playwright.sync_api import Page, expect

from tests.browser.screen import SECOND_PROMPT, charts, field, finding, in_address, main, settled

DONE = re.compile(r"With L3@5 patched, “·Austin” goes from under 0\.1% to 9\d\.\d%")
ONE = "One patch, with everything it does"


def click_last_cell(page: Page) -> None:
    """The last layer at the last token: the lower right cell of the first chart, over the scale below it."""
    canvas = charts(page).first.locator("canvas, svg.marks").first
    expect(canvas).to_be_visible()
    settled(page)
    area = canvas.bounding_box()
    canvas.click(position={"x": area["width"] - 30, "y": area["height"] - 76})


def test_a_clicked_cell_is_run_and_the_link_to_it_opens_the_same(page):
    page.goto("/patching")
    expect(finding(page)).to_contain_text("“·Texas” (position 4)")
    expect(main(page)).not_to_contain_text("patched, “")
    click_last_cell(page)
    expect(field(page, ONE)).to_have_value("L3@5")
    expect(main(page)).to_contain_text(DONE)
    expect(charts(page)).to_have_count(2)
    settled(page)
    in_address(page, "cell", "L3@5")
    page.goto(page.url)
    expect(field(page, ONE)).to_have_value("L3@5")
    expect(main(page)).to_contain_text(DONE)
    expect(main(page)).to_contain_text("The top guess turns from “·Paris” into “·Austin”")


def test_prompts_of_unequal_length_stand_side_by_side_and_are_repaired(page):
    page.goto("/patching?corrupted=The+capital+of+New+York+is")
    expect(main(page)).to_contain_text("must be equally long")
    pair = page.get_by_role("region", name="Both prompts, token by token")
    expect(pair).to_contain_text("The prompts are 6 and 7 tokens long")
    expect(pair.locator("td", has_text="≠")).to_have_count(2)
    expect(charts(page)).to_have_count(0)
    offer = page.get_by_role("button", name=re.compile(r"Use The capital of \w+ is"))
    subject = offer.inner_text().split()[-2]
    offer.click()
    expect(field(page, SECOND_PROMPT)).to_have_value(f"The capital of {subject} is")
    expect(finding(page)).to_contain_text("The difference sits at “·Texas” (position 4)")
    expect(pair.locator("td", has_text="≠")).to_have_count(1)
    expect(pair.locator("strong")).to_have_text(["·Texas", f"·{subject}"])
    expect(main(page).get_by_role("alert")).to_have_count(0)


def test_a_second_prompt_is_proposed(page):
    page.goto("/patching?prompt=The+capital+of+Spain+is")
    expect(main(page)).to_contain_text("Found for your prompt")
    expect(finding(page)).to_contain_text("The difference sits at")
    page.get_by_role("button", name="Suggest others").click()
    offers = page.get_by_role("button", name="→")
    expect(offers.first).to_be_visible()
    offers.first.click()
    expect(finding(page)).to_contain_text("The difference sits at")
    expect(field(page, SECOND_PROMPT)).not_to_have_value("")
    expect(main(page)).not_to_contain_text("Found for your prompt")
