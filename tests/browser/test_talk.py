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


def test_pinned_results_are_presented_by_keys_each_as_it_was_pinned(page):
    seen = {}
    for path in ("attention?layer=2&head=1", "attention", "logit_lens?prompt=The+capital+of+Japan+is&colour=entropy"):
        page.goto(f"/{path}")
        expect(finding(page)).to_be_visible()
        settled(page)
        seen[path] = finding(page).inner_text()
        main(page).get_by_role("button", name="Pin", exact=True).first.click()
        expect(page.get_by_test_id("stToast")).to_contain_text("Pinned")
    page.goto("/report")
    main(page).get_by_role("button", name="Present").click()
    ready = page.get_by_role("dialog")
    expect(ready.get_by_role("status")).to_have_text("Every step is computed: nothing waits on stage.")
    ready.get_by_role("button", name="Begin").click()
    for number, (path, said) in enumerate(seen.items(), 1):
        expect(page.locator(CARD)).to_contain_text(f"result {number} of 3")
        expect(finding(page)).to_have_text(said)
        expect(finding(page)).to_be_in_viewport()
        expect(page.get_by_test_id("stSidebar")).to_be_hidden()
        for given in filter(None, path.partition("?")[2].split("&")):
            expect(page).to_have_url(re.compile(rf"[?&]{re.escape(given)}(&|$)"))
        page.keyboard.press("PageDown")
    for number in (2, 1):
        page.keyboard.press("PageUp")
        expect(page.locator(CARD)).to_contain_text(f"result {number} of 3")
    expect(finding(page)).to_have_text(seen["attention?layer=2&head=1"])
    page.keyboard.press("Escape")
    expect(page.locator(CARD)).to_have_count(0)
    expect(page).not_to_have_url(re.compile("slide="))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()
