"""From the word that counts most to its proof, in a real browser."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, fill, finding, in_address, main, settled

FRANCE = "prompt=The+capital+of+France+is&target=+Paris&foil=+Rome"


def test_spans_are_taken_away_and_a_clicked_part_leads_to_its_proof(page):
    page.goto(f"/input_attribution?{FRANCE}")
    expect(finding(page)).to_contain_text("“·France” (position 4) counts most")
    page.goto(f"/input_attribution?{FRANCE}&players=span")
    expect(main(page)).to_contain_text("Type the positions of each part above")
    settled(page)
    fill(page, "Spans", "0-2")
    expect(main(page)).to_contain_text("holds the start token")
    fill(page, "Spans", "1-2, 4")
    expect(finding(page)).to_contain_text("“·France” (position 4) counts most")
    in_address(page, "spans", "1-2, 4")
    settled(page)
    cell = charts(page).first.locator("svg .mark-rect.role-mark path").first
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    page.mouse.click(box["x"] + 6, box["y"] + 6)
    page.get_by_role("link", name="Prove it: knock all 2 tokens of “The·capital” out").click()
    expect(finding(page)).to_contain_text("With L0P1 out already: without what “·capital” (position 2) holds")
    expect(finding(page)).to_contain_text("; all together ")
    expect(field(page, "Token")).to_have_value("2")
