"""A person lets the model write, looks into one of its tokens, and goes on from there."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled

FACT = "The capital of Texas is"


def test_a_written_token_is_opened_and_made_the_prompts_end_in_one_step_of_the_history(page):
    page.goto(f"/writing?prompt={FACT}&new_tokens=8")
    expect(finding(page)).to_contain_text("It writes “Austin. ")
    expect(charts(page).first.locator("svg")).to_be_visible()
    settled(page)
    page.get_by_role("listbox", name="Written tokens").get_by_role("option", name="7 .").click()
    expect(main(page).get_by_role("heading", level=3)).to_have_text("Inside “.”, position 7")
    in_address(page, "written", "7")
    settled(page)
    page.get_by_role("button", name="Make this the prompt").click()
    expect(field(page, "Prompt")).to_have_value(f"{FACT} Austin.")
    expect(finding(page)).not_to_contain_text("It writes “Austin")
    in_address(page, "prompt", f"{FACT} Austin.")
    settled(page)
    page.go_back()
    expect(field(page, "Prompt")).to_have_value(FACT)
    expect(finding(page)).to_contain_text("It writes “Austin. ")
    expect(main(page).get_by_role("heading", level=3)).to_have_text("Inside “.”, position 7")
