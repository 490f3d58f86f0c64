"""Walking a circuit backwards in a real browser: a click on a head of the chart, and a click on the button."""

from playwright.sync_api import Page, expect

from tests.browser.screen import charts, field, finding, in_address, main, settled

DRINK = "When Mary and John went to the store, John gave a drink to"


def click_head(page: Page, layer: int, head: int) -> None:
    """On a cell of the grid, whose marks run through the layers, head by head."""
    cell = charts(page).first.locator("svg .mark-rect.role-mark path").nth(4 * layer + head)
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    page.mouse.click(box["x"] + 6, box["y"] + 6)


def test_a_clicked_head_becomes_the_receiver_and_the_way_leads_back(page):
    page.goto(f"/path_patching?prompt={DRINK}&target=+Mary&foil=+John")
    speaks = "L3H2 speaks to the answer most"
    expect(finding(page)).to_contain_text(speaks)
    settled(page)
    click_head(page, 3, 3)
    in_address(page, "sender", "L3H3")
    page.reload()
    expect(field(page, "One sender")).to_have_value("L3H3")
    page.get_by_role("button", name="Who feeds L3H3?").click()
    expect(finding(page)).to_contain_text("feeds L3H3’s values most")
    expect(field(page, "Who receives")).to_have_value("L3H3")
    settled(page)
    in_address(page, "receiver", "L3H3")
    expect(main(page).get_by_role("button", name="Who feeds L3H3?")).to_have_count(0)
    click_head(page, 1, 1)
    page.get_by_role("button", name="Who feeds L1H1?").click()
    expect(finding(page)).to_contain_text("L1H1’s")
    main(page).get_by_role("button", name="L3H3", exact=True).click()
    expect(finding(page)).to_contain_text("feeds L3H3’s values most")
    main(page).get_by_role("button", name="the answer", exact=True).click()
    expect(finding(page)).to_contain_text(speaks)
    expect(field(page, "Who receives")).to_have_value("")


def test_attribution_leads_to_who_feeds_its_head(page):
    page.goto(f"/attribution?prompt={DRINK}&target=+Mary&foil=+John&layer=3&head=0")
    expect(finding(page)).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Who feeds L3H0?").click()
    expect(finding(page)).to_contain_text("feeds L3H0’s values most")
    expect(field(page, "Prompt")).to_have_value(DRINK)


def test_patching_hands_its_second_prompt_on(page):
    page.goto("/patching?prompt=The+capital+of+Japan+is&corrupted=The+capital+of+France+is")
    expect(finding(page)).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Follow it").click()
    expect(finding(page)).to_contain_text("speaks to the answer most")
    expect(field(page, "The same prompt with its telling word exchanged")).to_have_value("The capital of France is")


def test_a_head_goes_along_to_a_page_with_the_same_fields(page):
    page.goto("/attribution?layer=3&head=0")
    expect(finding(page)).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Prove it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ablation")
    expect(field(page, "Layer")).to_have_value("3")
    expect(field(page, "Head")).to_have_value("0")
    expect(main(page).get_by_role("heading", level=2).nth(1)).to_contain_text("L3H0")


def test_a_preset_leaves_no_second_prompt_of_another_behind(page):
    page.goto("/path_patching?prompt=The+capital+of+Japan+is&corrupted=The+capital+of+France+is")
    expect(finding(page)).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Start", exact=True).click()
    page.get_by_role("button", name="Who gets the drink?").click()
    expect(finding(page)).to_contain_text("“·Mary”")
    settled(page)
    page.get_by_role("link", name="Path patching", exact=True).click()
    expect(finding(page)).to_contain_text("speaks to the answer most")
    expect(field(page, "The same prompt with its telling word exchanged")).to_have_value("")


def test_a_receiver_that_does_not_exist_is_told_beside_its_field(page):
    page.goto("/path_patching")
    expect(finding(page)).to_be_visible()
    box = field(page, "Who receives")
    box.fill("L9H9")
    box.press("Enter")
    expect(main(page).get_by_role("alert").first).to_contain_text("There is no layer 9")
    expect(box).to_have_value("L9H9")
    box.fill("L3H0")
    box.press("Enter")
    expect(finding(page)).to_contain_text("L3H0’s")
    expect(main(page).get_by_role("alert")).to_have_count(0)
