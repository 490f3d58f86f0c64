"""A presenter gets a tour ready, and shows it by a remote: no sidebar, nothing waits, the screen goes black."""

import re

from playwright.sync_api import expect

from tests.browser.screen import finding, main, settled
from ui.tours.plan import TOURS

TOUR = TOURS["where_a_fact_lives"]
CARD = ".st-key-tour-card"


def test_a_tour_is_presented_by_keys_once_everything_is_computed(page):
    page.goto("/tours")
    main(page).get_by_role("button", name="Present").nth(list(TOURS).index(TOUR.name)).click()
    ready = page.get_by_role("dialog")
    expect(ready.get_by_role("status")).to_have_text("Every step is computed: nothing waits on stage.")
    expect(page.locator("iframe")).to_have_count(0)
    ready.get_by_role("button", name="Begin").click()
    for number, step in enumerate(TOUR.steps, 1):
        expect(page).to_have_url(re.compile(rf"tour_step={number}\b"))
        settled(page)
        expect(page.locator(CARD)).to_contain_text(step.title)
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        expect(page.locator(CARD).get_by_text(step.do[:30]).first).to_be_hidden()
        expect(main(page).get_by_role("button", name=re.compile("^(Run|Stop)$"))).to_have_count(0)
        if step.page != "edits":  # whose finding comes once it is asked for
            expect(finding(page)).to_be_in_viewport()
        page.keyboard.press("PageDown" if number % 2 else "Space")
    page.keyboard.press("b")
    expect(page.get_by_label("The screen is black")).to_be_in_viewport()
    page.keyboard.press("b")
    expect(page.get_by_label("The screen is black")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator(CARD)).to_have_count(0)
    settled(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
