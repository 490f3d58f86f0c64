"""A journey with an edit: make it, see the changed answer on another page, save it, and take it back."""

import json

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, go, main, settled, sidebar


def test_an_edit_is_made_seen_elsewhere_and_undone(visitor):
    page, other = visitor(), visitor()
    page.goto("/edits")
    expect(finding(page)).to_contain_text("now answers “·Boston” instead of “·Austin”")
    expect(charts(page)).to_have_count(2)
    page.get_by_role("button", name="Keep this edit").click()
    expect(sidebar(page)).to_contain_text("1 edit is on")
    expect(main(page).get_by_text("This edit is on")).to_be_visible()
    settled(page)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as JSON").click()
    stack = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert [edit["target"] for edit in stack] == ["Boston"]
    go(page, "Lenses")
    expect(finding(page)).to_contain_text("“·Boston” becomes the top guess")
    expect(main(page).get_by_text("1 edit is on")).to_be_visible()
    other.goto("/logit_lens")
    expect(finding(other)).to_contain_text("“·Austin”")
    expect(sidebar(other)).not_to_contain_text("is on:")
    sidebar(page).get_by_role("button", name="Undo last").click()
    expect(finding(page)).to_contain_text("“·Austin” becomes the top guess")
    expect(sidebar(page)).not_to_contain_text("is on:")
    expect(main(page)).not_to_contain_text("Boston")


def test_a_saved_stack_is_opened_again_and_a_wrong_file_is_explained(page, tmp_path):
    file = tmp_path / "edits.json"
    page.goto("/edits")
    expect(finding(page)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Open a JSON file").click()
    file.write_text("no json at all")
    page.locator('input[type="file"]').set_input_files(file)
    expect(main(page).get_by_role("alert")).to_contain_text("The edits are not JSON")
    settled(page)
    if not page.locator('input[type="file"]').count():
        page.get_by_role("button", name="Open a JSON file").click()
    fact = {"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Dallas"}
    file.write_text(json.dumps([fact]))
    page.locator('input[type="file"]').set_input_files(file)
    expect(sidebar(page)).to_contain_text("1 edit is on")
    expect(field(page, "Prompt")).to_have_value("The capital of Texas is")
