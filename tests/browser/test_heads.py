"""From all heads to two that hear each other, and on to the proof, in a real browser."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled


def test_a_clicked_pair_is_proved_on_the_page_of_paths(page):
    page.goto("/heads")
    expect(finding(page)).to_contain_text("6 of 16 heads have a clear role")
    settled(page)
    page.get_by_role("radio", name="who hears whom").click()
    expect(finding(page)).to_contain_text("standard deviations above chance")
    settled(page)
    page.get_by_role("radio", name="keys").click()
    settled(page)
    in_address(page, "heard_by", "K")
    row = charts(page).first.locator("svg .mark-rect.role-mark path[aria-label*='sd above chance: 18.6']")
    row.scroll_into_view_if_needed()
    box = row.bounding_box()
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    expect(field(page, "One pair")).to_have_value("L0H0 → L1H2")
    settled(page)
    main(page).get_by_role("link", name="let L0H0 speak to L1H2’s keys alone").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Path patching")
    expect(field(page, "Who receives")).to_have_value("L1H2")
    expect(page.get_by_role("radio", name="keys")).to_be_checked()
