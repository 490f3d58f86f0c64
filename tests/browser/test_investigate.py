"""One click tells what is going on in a prompt; a second one shows the number behind a sentence."""

import re

from playwright.sync_api import expect

from tests.browser.screen import ask, finding, main, settled


def test_from_a_prompt_to_a_sentence_to_its_number(page):
    page.goto("/investigate?prompt=When+Mary+and+John+went+to+the+store,+John+gave+a+drink+to")
    expect(finding(page)).to_have_text("“·Mary” after “·to” (position 14): over 99.9%")
    told = main(page).locator(".loupe-finding")
    expect(told).to_have_count(12)
    measured = told.filter(has_text="Without L0H3")
    expect(measured).to_contain_text("✓ measured")
    expect(told.filter(has_text="others step in")).to_contain_text("◇ did not hold")
    said = re.search(r"−\d+\.\d\d", measured.inner_text())[0]
    link = main(page).get_by_role("link", name="See it").nth(told.all_inner_texts().index(measured.inner_text()))
    link.click()
    expect(page).to_have_url(re.compile("/ablation.*head=3"))
    expect(finding(page)).to_contain_text("L0H3")
    expect(main(page)).to_contain_text(said)


def test_a_prompt_of_ones_own_is_investigated_anew_and_its_marks_stay_text(page):
    page.goto("/investigate")
    expect(finding(page)).to_contain_text("“·Austin”")
    ask(page, "The capital of <b>Japan</b> is")
    expect(finding(page)).not_to_contain_text("“·Austin”")
    settled(page)
    expect(main(page).locator(".loupe-finding")).not_to_have_count(0)
    expect(main(page).locator(".loupe-finding b")).to_have_count(0)
    expect(main(page)).to_contain_text("<b>")
