"""A prompt of one's own: applied by Enter, free of the last story, one step of the history; told when unknown."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.screen import ask, field, fill, finding, go, in_address, main, settled, sidebar, token

OHIO = "The capital of Ohio is"
DRINK = "Who gets the drink?"
# What an input method sends while a word is still being composed
COMPOSING = """box => box.dispatchEvent(new KeyboardEvent("keydown", {
  key: "Enter", code: "Enter", isComposing: true, bubbles: true, cancelable: true }))"""


def entries(page: Page) -> int:
    settled(page)
    return page.evaluate("history.length")


def story(page: Page):
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    settled(page)
    page.get_by_role("button", name=DRINK).click()
    expect(finding(page)).to_contain_text("“·Mary”")


def test_a_prompt_entered_before_the_page_is_all_there_is_applied(page):
    late = []
    page.route("**/static/js/Html.*", lambda route: late.append(route))  # what brings the page's own scripts
    page.goto("/logit_lens")
    ask(page, "The capital of Japan is")
    expect(field(page, "Prompt")).to_have_value("The capital of Japan is\n")
    for route in late:
        route.continue_()
    expect(finding(page)).to_contain_text("“·Tokyo”")
    expect(field(page, "Prompt")).to_have_value("The capital of Japan is")


def test_enter_applies_a_prompt_that_lets_go_of_the_story_and_back_brings_it_again(page):
    story(page)
    in_address(page, "foil", " John")
    settled(page)
    token(page, 4).click()
    expect(finding(page)).to_contain_text("After “·John”")
    box, before = field(page, "Prompt"), entries(page)
    box.fill(OHIO)
    box.evaluate(COMPOSING)
    box.press("Shift+Enter")
    expect(box).to_have_value(OHIO + "\n")
    settled(page)
    expect(finding(page)).to_contain_text("“·John”")
    box.press("Backspace")
    box.press("Enter")
    expect(finding(page)).to_contain_text("After “·is”, the model expects “·Columbus”")
    expect(box).to_have_value(OHIO)
    for label in ("Answer", "Compared with", "Position"):
        expect(field(page, label)).to_have_value("")
    expect(page).not_to_have_url(re.compile("target|foil|pos"))
    assert entries(page) == before + 1
    page.go_back()
    expect(finding(page)).to_contain_text("After “·John”")
    expect(field(page, "Compared with")).to_have_value(" John")
    settled(page)
    page.go_forward()
    expect(finding(page)).to_contain_text("“·Columbus”")
    expect(main(page)).not_to_contain_text("Mary")


def test_what_was_typed_by_hand_stays_and_is_named_until_it_is_let_go(page):
    page.goto("/patching?corrupted=The+capital+of+France+is")
    expect(finding(page)).to_be_visible()
    settled(page)
    fill(page, "Answer", "Dallas")
    in_address(page, "target", "Dallas")
    settled(page)
    ask(page, OHIO + " ")
    kept = main(page).get_by_text("Still followed from your former prompt: the answer “Dallas”.")
    expect(kept).to_be_visible()
    expect(main(page)).not_to_contain_text("France")
    expect(sidebar(page)).to_contain_text("The prompt ends with a space")
    settled(page)
    page.get_by_role("button", name="Take it away").click()
    expect(field(page, "Prompt")).to_have_value(OHIO)
    expect(sidebar(page)).not_to_contain_text("ends with")
    settled(page)
    go(page, "Start")
    expect(finding(page)).to_be_visible()
    expect(kept).to_be_visible()
    page.get_by_role("button", name="Let go").click()
    expect(kept).to_have_count(0)
    expect(field(page, "Answer")).to_have_value("")
    expect(page).not_to_have_url(re.compile("target"))


def test_one_act_is_one_step_of_the_history(page):
    page.goto("/")
    expect(finding(page)).to_contain_text("“·Austin”")
    at_first = entries(page)
    page.get_by_role("button", name=DRINK).click()
    expect(finding(page)).to_contain_text("“·Mary”")
    assert entries(page) == at_first + 1
    go(page, "Attention")
    assert entries(page) == at_first + 2
    page.get_by_role("link", name=re.compile("Prove it: knock out")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ablation")
    expect(field(page, "Head")).not_to_have_value("")
    assert entries(page) == at_first + 3
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Attention")
    settled(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("See inside a language model")
    expect(finding(page)).to_contain_text("“·Mary”")
    settled(page)
    page.go_back()
    expect(finding(page)).to_contain_text("“·Austin”")


def test_edits_travel_in_the_link_and_survive_a_reload(visitor, tmp_path):
    page, other = visitor(), visitor()
    page.goto("/edits")
    expect(finding(page)).to_contain_text("“·Boston”")
    page.get_by_role("button", name="Keep this edit").click()
    expect(sidebar(page)).to_contain_text("1 edit is on")
    go(page, "Lenses")
    expect(page).to_have_url(re.compile("[?&]edits=1"))
    page.reload()
    expect(finding(page)).to_contain_text("“·Boston” becomes the top guess")
    expect(sidebar(page)).to_contain_text("1 edit is on")
    other.goto(page.url)
    expect(finding(other)).to_contain_text("“·Boston” becomes the top guess")
    settled(other)
    sidebar(other).get_by_role("button", name="Undo last").click()
    expect(finding(other)).to_contain_text("“·Austin” becomes the top guess")
    expect(other).not_to_have_url(re.compile("edits="))
    settled(other)
    other.goto(re.sub(r"edits=[^&]{20}", "edits=1.", page.url))
    expect(finding(other)).to_contain_text("“·Austin” becomes the top guess")
    expect(main(other)).to_contain_text(
        re.compile(r"The link asks for edits=1\..*, which is damaged; it is left out\.")
    )
    go(page, "Edits")
    page.get_by_role("button", name="Open a JSON file").click()
    file, numbers = tmp_path / "edits.json", " ".join(f"{(n * 7919 % 10007) / 10007:.16f}" for n in range(1280))
    file.write_text(json.dumps([{"kind": "orthogonalise", "direction": "vector", "vector": numbers}]))
    page.locator('input[type="file"]').set_input_files(file)
    expect(sidebar(page)).to_contain_text("too long for the address bar")
    expect(page).not_to_have_url(re.compile("edits="))


def test_a_prompt_that_the_model_does_not_know_is_said_to_be_one(page):
    said = main(page).get_by_text(re.compile("has never seen"))
    page.goto("/logit_lens?prompt=Hola+amigo&target=Boston")
    expect(said).to_contain_text("never seen any of these words: “Hola” and “amigo”")
    expect(page.get_by_role("button", name="GPT-2 small knows more (0.6 GB, once)")).to_be_visible()
    settled(page)
    ask(page, "The capitol of Texas is")
    expect(said).to_contain_text("1 of these 5 words: “capitol”")
    settled(page)
    page.get_by_role("button", name="The capital of Japan is").click()
    expect(finding(page)).to_contain_text("“·Tokyo”")
    expect(said).to_have_count(0)
    expect(field(page, "Answer")).to_have_value("")
    go(page, "Start")
    for card in page.get_by_role("button").filter(has=page.locator("strong")).all():
        card.click()
        settled(page)
        expect(main(page)).not_to_contain_text(re.compile("never seen|hardly knows|Still followed"))
