"""From a page to what its words mean, and back: nothing of the page is lost."""

import re

from playwright.sync_api import Page, expect

from tests.browser.screen import field, fill, finding, in_address, main, settled

LENSES = "/logit_lens?prompt=The+capital+of+Japan+is&colour=entropy&pos=4"


def explained(page: Page, term: str) -> None:
    """The glossary is open at a term, in the same tab, with what the sidebar held."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Glossary")
    expect(finding(page)).to_have_text(term)
    in_address(page, "term", term)
    settled(page)
    expect(field(page, "Prompt")).to_have_value("The capital of Japan is")
    assert len(page.context.pages) == 1


def returned(page: Page, title: str = "Lenses") -> None:
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    settled(page)


def test_words_lead_to_the_glossary_and_back_again(page):
    page.goto(LENSES)
    expect(finding(page)).to_be_visible()
    settled(page)
    before = finding(page).inner_text()
    main(page).get_by_role("button", name="How to read", exact=True).first.click()
    page.get_by_test_id("stPopoverBody").get_by_role("link", name="token", exact=True).click()
    explained(page, "token")
    main(page).get_by_role("link", name="vocabulary", exact=True).first.click()
    explained(page, "vocabulary")
    fill(page, "Find a word", "TUNED-lens")
    expect(finding(page)).to_have_text("tuned lens")
    settled(page)
    fill(page, "Find a word", "atention")
    expect(main(page)).to_contain_text("There is no word “atention” here. Near it:")
    settled(page)
    main(page).get_by_role("link", name="attention", exact=True).first.click()
    explained(page, "attention")
    for _ in range(4):
        returned(page, "Glossary")
    explained(page, "token")
    returned(page)
    expect(finding(page)).to_have_text(before)
    in_address(page, "colour", "entropy")
    expect(page).not_to_have_url(re.compile("against="))

    main(page).get_by_role("button", name=re.compile("^Help for")).first.hover()
    tip = page.get_by_test_id("stTooltipContent")
    tip.get_by_role("link", name="lens", exact=True).click()
    explained(page, "lens")
    returned(page)
    page.get_by_role("button", name="Words on this page").click()
    page.get_by_test_id("stPopoverBody").get_by_role("link", name="Jacobian lens").click()
    explained(page, "Jacobian lens")
    main(page).get_by_role("link", name="See the Jacobian lens").click()
    expect(page.get_by_role("radio", name="Jacobian lens", exact=True)).to_be_checked()
    expect(field(page, "Prompt")).to_have_value("The capital of Japan is")
    expect(main(page).get_by_role("alert")).to_have_count(0)
