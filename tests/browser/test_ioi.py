"""A person knocks out the heads that find who receives, and follows one of them to the page that proves it."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled


def test_knock_out_who_answers_and_follow_one_head(page):
    page.goto("/ioi")
    expect(finding(page)).to_contain_text("speak for the other name, but look elsewhere")
    settled(page)
    expect(charts(page).filter(has_text="Every prompt by itself")).to_have_count(0)
    main(page).get_by_text("Knock out the name movers, or whoever else answers").click()
    in_address(page, "knocked", "true")
    settled(page)
    for said in ("What the logit difference is made of", "Who writes more, and who less", "Every prompt by itself"):
        expect(charts(page).filter(has_text=said)).to_have_count(1)
    grid = charts(page).filter(has_text="What each head writes for the name said once")
    grid.locator("svg text[aria-label*='head: 1; layer: 3']").first.click()
    settled(page)
    in_address(page, "layer", "3")
    expect(main(page)).to_contain_text("L3H1 on the first prompt")
    main(page).get_by_role("link", name="see which earlier heads L3H1 hears").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Path patching")
    settled(page)
    expect(field(page, "Who receives")).to_have_value("L3H1")
    expect(field(page, "Prompt")).to_have_value("When William and Richard went to the store, Richard gave a letter to")
    expect(field(page, "Answer")).to_have_value("William")
    expect(main(page).get_by_role("alert")).to_have_count(0)
