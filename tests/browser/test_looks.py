"""A narrow screen: everything fits and can be used."""

from playwright.sync_api import Page, expect

from tests.browser.screen import CHARTED, ask, charts, field, finding, settled, sidebar

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def sideways(page: Page) -> list[int]:
    """Pixels by which the page and its main part could be scrolled sideways."""
    return page.evaluate(
        """['html', '[data-testid="stMain"]', '[data-testid="stMainBlockContainer"]'].map(where => {
            const e = document.querySelector(where); return e.scrollWidth - e.clientWidth })"""
    )


def test_a_phone_shows_every_page(visitor):
    page = visitor(**PHONE)
    for link, path, _ in CHARTED:
        page.goto(f"/{path}")
        expect(finding(page)).to_be_visible()
        settled(page)
        assert sideways(page) == [0, 0, 0], link
        finding(page).scroll_into_view_if_needed()
        expect(finding(page)).to_be_in_viewport()
        charts(page).first.scroll_into_view_if_needed()
        expect(charts(page).first).to_be_in_viewport()
        left, right = finding(page).evaluate("e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right]")
        assert 0 <= left < right <= 390, link
        expect(sidebar(page)).not_to_be_in_viewport()


def test_a_phone_can_type_a_prompt(visitor):
    page = visitor(**PHONE)
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    expect(field(page, "Prompt")).not_to_be_in_viewport()
    page.get_by_test_id("stExpandSidebarButton").tap()
    expect(field(page, "Prompt")).to_be_in_viewport()
    ask(page, "The capital of Japan is")
    sidebar(page).hover()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").tap()
    expect(field(page, "Prompt")).not_to_be_in_viewport()
    expect(finding(page)).to_contain_text("“·Tokyo”")
