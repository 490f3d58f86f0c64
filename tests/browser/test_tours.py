"""Each tour is walked by its keys: every step finds its number, and what it lights is seen beside the card."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.screen import field, finding, in_address, main, settled, sidebar, until
from tests.browser.test_looks import PHONE, sideways
from ui.tours.plan import TOURS, Tour

HIDDEN = """(element, card) => {
  const [lit, above] = [element, document.querySelector(card)].map(each => each.getBoundingClientRect())
  return Math.max(above.bottom - lit.top, 0) / lit.height
}"""
CARD = ".st-key-tour-card"
OUTLINE = re.compile("solid")


def card(page: Page) -> Locator:
    return page.locator(CARD)


def lit(page: Page, name: str) -> Locator:
    """What a step lights: a chart's frame, or what has that key."""
    return page.locator(f".st-key-{name}-frame").or_(page.locator(f".st-key-{name}")).first


def at_step(page: Page, tour: Tour, number: int) -> None:
    """The step stands, with a number as expected and its element lit."""
    step = tour.steps[number - 1]
    expect(card(page)).to_contain_text(f"step {number} of {len(tour.steps)}")
    expect(card(page)).to_contain_text("as expected")
    expect(page.get_by_role("heading", level=1)).to_be_attached()
    expect(lit(page, step.lit)).to_have_css("outline-style", "solid")
    in_address(page, "tour", tour.name)
    in_address(page, "tour_step", str(number))


def begin(page: Page, tour: Tour) -> None:
    page.get_by_test_id("stMain").locator(f'a[href*="to-tour={tour.name}&"]:visible').first.click()


@pytest.mark.parametrize("tour", TOURS.values(), ids=TOURS)
def test_a_tour_is_walked_by_its_keys(page, tour):
    page.goto("/tours")
    begin(page, tour)
    for number, step in enumerate(tour.steps, 1):
        at_step(page, tour, number)
        settled(page)
        expect(lit(page, step.lit)).to_be_in_viewport()
        until(page, lambda name=step.lit: lit(page, name).evaluate(HIDDEN, CARD) < 0.1)
        expect(main(page).get_by_test_id("stAlertContentError")).to_have_count(0)
        page.keyboard.press("ArrowRight")
    at_step(page, tour, len(tour.steps))  # there is no further one


def test_a_tour_on_a_phone_goes_on_and_back_and_is_left_by_keys_but_not_while_one_types(visitor):
    page, tour = visitor(**PHONE), TOURS["a_later_year"]
    page.goto("/tours")
    assert sideways(page) == [0, 0, 0]
    begin(page, tour)
    for number in range(1, len(tour.steps) + 1):
        at_step(page, tour, number)
        settled(page)
        assert sideways(page) == [0, 0, 0], number
        shown = card(page).get_by_text(tour.steps[number - 1].do[:30]).first  # the second is for screen readers
        expect(shown).to_be_in_viewport()
        lit(page, tour.steps[number - 1].lit).scroll_into_view_if_needed()
        expect(card(page).get_by_text("as expected")).to_be_in_viewport()
        if number < len(tour.steps):
            card(page).get_by_role("link", name="Next").click()
    page.keyboard.press("ArrowLeft")
    at_step(page, tour, len(tour.steps) - 1)
    page.go_back()
    at_step(page, tour, len(tour.steps))
    settled(page)
    page.get_by_test_id("stExpandSidebarButton").tap()
    box = field(page, "Prompt")
    box.focus()
    for key in ("ArrowLeft", "ArrowRight", "Escape"):
        box.press(key)
    box.fill("The war lasted from the year 1781 to the year 17")
    box.press("Enter")
    in_address(page, "tour_step", str(len(tour.steps)))
    expect(finding(page)).to_contain_text("L0H2")
    expect(card(page)).to_contain_text("Back to the tour’s prompt")
    sidebar(page).hover()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").tap()
    settled(page)
    main(page).evaluate("e => e.focus()")
    page.keyboard.press("Escape")
    expect(card(page)).to_have_count(0)
    expect(page).not_to_have_url(re.compile("tour_step="))
    expect(field(page, "Prompt")).to_have_value(re.compile("1781"))


def test_a_tour_waits_while_one_looks_at_another_page(page):
    page.goto("/glossary?tour=who_gets_the_drink&tour_step=2")
    expect(card(page)).to_contain_text("This step is on another page")
    card(page).get_by_role("link", name="Go to this step").click()
    at_step(page, TOURS["who_gets_the_drink"], 2)
