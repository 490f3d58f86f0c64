"""A person watches the smallest model learn, looks at a letter, guesses, and takes its end away."""

import re

from playwright.sync_api import expect

from tests.browser.screen import charts, finding, in_address, main, settled


def test_from_random_numbers_to_words_that_never_end(page):
    page.goto("/bigram?training_steps=0&seed=5")
    expect(finding(page)).to_contain_text("Before it learns, the model is")
    settled(page)
    page.get_by_role("slider", name="Steps of training").press("End")
    expect(finding(page)).to_contain_text("knows just what counting the letters would tell")
    settled(page)
    grid = charts(page).first
    grid.locator("[aria-label*='letter: q;']").first.click()
    in_address(page, "letter", "q")
    expect(charts(page).nth(2)).to_contain_text("What comes after “q”")
    settled(page)
    expect(main(page)).not_to_contain_text("Take a part out")
    page.get_by_role("radio", name="longer").click()
    in_address(page, "guess", "longer")
    expect(main(page)).to_contain_text("Without the column of the end, it never stops")
    settled(page)
    words = main(page).get_by_test_id("stCode")
    expect(words).to_have_count(2)
    expect(words.last).to_contain_text(re.compile("…"))
    expect(main(page)).to_contain_text("What this does not show")
    expect(main(page).get_by_role("alert")).to_have_count(0)
