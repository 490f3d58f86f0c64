"""A person reads what a probe finds, looks at another layer, and tries the direction out."""

import re

from playwright.sync_api import expect

from tests.browser.screen import field, finding, main, settled


def test_from_what_can_be_read_to_what_is_used(page):
    page.goto("/probing")
    expect(finding(page)).to_contain_text("“positive” or “negative” is read best after layer 0")
    settled(page)
    page.get_by_role("button", name="Try it on").click()
    expect(field(page, "Prompt")).to_have_value("This movie was terrible. I")
    settled(page)
    field(page, "Layer").fill("3")
    field(page, "Layer").press("Enter")
    expect(main(page)).to_contain_text("The model uses the direction to “positive” here")
    settled(page)
    page.get_by_role("link", name=re.compile("steer along it after layer 2")).click()
    expect(page.get_by_role("combobox", name=re.compile("Texts and class"))).to_have_value("sentiment: positive")
    expect(finding(page)).to_contain_text(re.compile("top guess"))
    expect(main(page).get_by_role("alert")).to_have_count(0)
