"""A person adds words, meets the control, compares directions, and steers along one of them."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled


def test_words_are_added_and_a_direction_is_taken_to_steering(page):
    page.goto("/directions")
    expect(finding(page)).to_contain_text("comes nearest to “·Rome”")
    settled(page)
    page.get_by_role("button", name="king − man + woman").click()
    expect(finding(page)).to_contain_text("comes nearest to “·queen”")
    expect(main(page)).to_contain_text("the arithmetic is not needed for it")
    in_address(page, "onto", "woman")
    settled(page)
    page.get_by_role("radio", name="how alike directions are").click()
    expect(finding(page)).to_contain_text("point most nearly")
    expect(charts(page).first.locator("svg")).to_be_visible()
    settled(page)
    cells = charts(page).first.locator("svg .mark-rect.role-mark path")
    expect(cells).to_have_count(16)
    cells.nth(6).scroll_into_view_if_needed()
    box = cells.nth(6).bounding_box()
    page.mouse.click(box["x"] + 6, box["y"] + 6)
    expect(main(page)).to_contain_text("The token “·sad” and the token “·Paris”: cosine ")
    in_address(page, "beside", "2")
    settled(page)
    page.get_by_role("link", name="steer along it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Steering")
    expect(field(page, "Token")).to_have_value("sad")
