"""A person goes back in the training: one click moves every picture, and the checkpoint opens on another page."""

import re

from playwright.sync_api import expect

from tests.browser.screen import charts, finding, in_address, main, settled, sidebar


def test_a_click_goes_back_in_the_training_and_the_checkpoint_opens_elsewhere(page):
    page.goto("/training_timeline")
    expect(finding(page)).to_contain_text("Naming capitals comes first, by step 1,100")
    became = main(page).get_by_role("heading", level=2).nth(1)
    expect(became).to_have_text("“·Austin” is the top guess from step 1,100 on")
    expect(main(page)).to_contain_text("What this does not show")
    settled(page)
    lens = charts(page).filter(has_text="What the lens reads")
    expect(lens.get_by_text("·Austin")).not_to_have_count(0)
    charts(page).filter(has_text="What it can do").locator("svg path[aria-label^='step: 3000; ']").first.click()
    settled(page)
    in_address(page, "step", "3000")
    expect(main(page)).to_contain_text("This is the model loupe-mini@3000: its weights are stored with 16 bits")
    for said in (
        "at step 3,000, on random tokens",
        "reads at step 3,000",
        "The next token at step 0 and at step 3,000",
    ):
        expect(charts(page).filter(has_text=said)).to_have_count(1)
    settled(page)
    main(page).get_by_role("link", name="Lenses", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lenses")
    in_address(page, "model", "loupe-mini@3000")
    settled(page)
    expect(finding(page)).to_contain_text("“·Austin”")
    expect(sidebar(page)).to_contain_text(re.compile("Compared with plain transformers"))
    expect(main(page).get_by_role("alert")).to_have_count(0)
