"""A person takes parts away: a head by a click, another with it, and reads what the model then writes."""

import re

from playwright.sync_api import Page, expect

from tests.browser.screen import charts, field, finding, in_address, main, settled

COPYING = "prompt=+river+table+garden+apple+Tuesday+river+table+garden+apple&target=+Tuesday"


def head(page: Page, layer: int, number: int):
    """The number in a head's cell in the first chart."""
    cell = f'[aria-roledescription="text mark"][aria-label*="layer: {layer};"][aria-label*="head: {number};"]'
    return charts(page).first.locator(cell)


def texts(page: Page) -> list[str]:
    return main(page).get_by_role("code").all_inner_texts()[:2]


def test_a_head_is_clicked_kept_out_and_the_others_change(page, visitor):
    page.goto(f"/ablation?{COPYING}")
    expect(finding(page)).to_contain_text("Without L0H3, the logit of “·Tuesday” falls most")
    settled(page)
    before = charts(page).first.locator("svg text").all_text_contents()
    head(page, 1, 2).click()
    expect(main(page)).to_contain_text("Without L1H2")
    settled(page)
    expect(field(page, "Layer")).to_have_value("1")
    expect(field(page, "Head")).to_have_value("2")
    expect(finding(page)).to_contain_text("Without L1H2, the logit of “·Tuesday” falls:")
    expect(main(page)).to_contain_text("Without L0H3, the logit of “·Tuesday” falls most, of all heads")
    main(page).get_by_role("button", name="Keep L1H2 knocked out").click()
    expect(finding(page)).to_contain_text("With L1H2 out already: without")
    expect(field(page, "Head")).to_have_value("")
    settled(page)
    assert charts(page).first.locator("svg text").all_text_contents() != before
    plain, out = texts(page)
    assert plain.strip().startswith("Tuesday river table")
    expect(main(page)).to_contain_text("Without L1H2")
    in_address(page, "also", "L1H2")
    other = visitor()
    other.goto(page.url)
    expect(finding(other)).to_contain_text("With L1H2 out already: without")
    settled(other)
    assert texts(other) == [plain, out]


def test_a_feature_is_followed_and_then_knocked_out(page):
    page.goto("/features")
    expect(finding(page)).to_contain_text("is strongest on")
    settled(page)
    feature = re.search(r"Feature (\d+)", finding(page).inner_text())[1]
    page.get_by_role("link", name="Prove it: knock this feature out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ablation")
    expect(page.get_by_role("radio", name="features")).to_be_checked()
    expect(field(page, "Feature")).to_have_value(feature)
    expect(main(page)).to_contain_text(f"Without feature {feature}")
    settled(page)
    expect(main(page).get_by_role("button", name=f"Keep feature {feature} knocked out")).to_be_visible()
    seen = page.url
    main(page).get_by_role("radio", name="probability", exact=True).click()
    in_address(page, "feature", feature)
    page.goto(seen)
    expect(main(page)).to_contain_text(f"Without feature {feature}")


def test_a_head_that_does_not_exist_gets_a_sentence_and_is_kept(page):
    page.goto(f"/ablation?{COPYING}&layer=1&head=99")
    expect(main(page).get_by_role("alert").first).to_contain_text("There is no head 99")
    expect(field(page, "Head")).to_have_value("99")
    expect(finding(page)).to_be_visible()
