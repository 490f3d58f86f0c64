"""A person narrows the list of features down, sends the link on, and goes from a pair to its other feature."""

import re

from playwright.sync_api import expect

from tests.browser.screen import charts, field, fill, in_address, main, settled

FACT = "The capital of Texas is"


def test_a_list_is_narrowed_down_and_stays_so_in_its_link_and_a_pair_leads_to_its_other_feature(page):
    page.goto(f"/features?prompt={FACT}")
    expect(charts(page).first.locator("svg")).to_contain_text("The strongest features on the chosen token")
    settled(page)
    page.get_by_role("radio", name="whole prompt").click()
    expect(charts(page).first.locator("svg")).to_contain_text("The strongest features in the prompt")
    fill(page, "Hide dense, above %", "5")
    expect(main(page)).to_contain_text("70 features hidden: active on more than 5.0% of all tokens.")
    fill(page, "Search labels", "facts")
    expect(main(page)).to_contain_text("without “facts” in the label")
    for name, value in {"over": "prompt", "dense": "5", "label": "facts"}.items():
        expect(page).to_have_url(re.compile(rf"[?&]{name}={value}(\.0+)?(&|$)"))
    settled(page)
    page.reload()
    expect(main(page)).to_contain_text("without “facts” in the label")
    expect(field(page, "Search labels")).to_have_value("facts")
    settled(page)
    page.get_by_role(
        "button", name=re.compile(r"^(swap_horiz )?Follow feature 66 \(residual stream before layer 3\)")
    ).click()
    in_address(page, "sae", "blocks.3.hook_resid_pre")
    expect(field(page, "Feature")).to_have_value("66")
