"""Links that people send: of former days, mistyped, cut off on the way; and the address while choosing."""

import re
from typing import Any

from playwright.sync_api import WebSocketRoute, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.screen import field, fill, finding, go, in_address, main, settled, until


def chosen(page, option: str):
    """That an option is the chosen one of its field."""
    expect(page.get_by_role("radio", name=option, exact=True)).to_be_checked()


def pick(page, option: str):
    page.get_by_role("radio", name=option, exact=True).click()


def test_a_former_word_shows_what_it_always_showed_and_the_next_choice_has_a_word_of_today(page):
    page.goto("/ablation?site=attention+layers&mode=nothing+%28zero%29&layer=2")
    expect(finding(page)).to_contain_text("Without attention")
    chosen(page, "attention layers")
    expect(main(page)).not_to_contain_text("The link")
    settled(page)
    pick(page, "MLPs")
    expect(finding(page)).to_contain_text("Without MLP")
    in_address(page, "site", "mlp_out")
    in_address(page, "layer", "2")
    other = page.url
    page.reload()
    chosen(page, "MLPs")
    expect(finding(page)).to_contain_text("Without MLP")
    settled(page)
    assert page.url == other


def test_what_a_link_asks_for_in_vain_is_named_and_the_page_stands(page):
    page.goto("/ablation?site=bogus&layer=2&prompt=The%20capital%20of%20Japan%2&%3Ci%3Ex%3C/i%3E=1&target=%E4%B")
    expect(finding(page)).to_contain_text("Without L")
    chosen(page, "heads")
    expect(field(page, "Layer")).to_have_value("2")
    expect(field(page, "Prompt")).to_have_value("The capital of Texas is")
    expect(field(page, "Answer")).to_have_value("")
    note = main(page).get_by_text("The link asks for site=bogus, which is not known here; showing heads.")
    expect(note).to_contain_text("prompt=The·capital·of·Japan%2, which is damaged")
    expect(note).to_contain_text("<i>x</i>=1, which is not known here")
    expect(note).to_contain_text("1 more of its values is left out too.")
    settled(page)
    pick(page, "MLPs")
    in_address(page, "site", "mlp_out")
    expect(finding(page)).to_contain_text("Without MLP")
    settled(page)
    expect(main(page)).not_to_contain_text("bogus")
    in_address(page, "layer", "2")


def test_options_picked_in_a_hurry_all_stay_and_stand_in_the_address(page):
    page.goto("/patching?corrupted=The+capital+of+France+is")
    expect(finding(page)).to_be_visible()
    settled(page)
    pick(page, "what is needed")
    page.get_by_text("Fast estimate").click()
    pick(page, "what suffices")
    pick(page, "what is needed")
    field(page, "One patch, with everything it does").fill("L1@4")
    page.keyboard.press("Enter")
    in_address(page, "direction", "noise")
    in_address(page, "estimate", "true")
    in_address(page, "cell", "L1@4")
    settled(page)
    chosen(page, "what is needed")


def test_an_address_that_arrives_late_undoes_no_later_choice(page):
    held: list[tuple[WebSocketRoute, Any]] = []
    holding = False

    def through(browser: WebSocketRoute) -> None:
        server = browser.connect_to_server()
        server.on_message(lambda said: held.append((browser, said)) if holding else browser.send(said))

    def is_held() -> bool:
        page.wait_for_timeout(0)
        return any(ForwardMsg.FromString(said).HasField("page_info_changed") for _, said in held)

    page.route_web_socket(re.compile("_stcore/stream"), through)
    page.goto("/ablation?site=mlp_out")
    expect(finding(page)).to_contain_text("Without MLP")
    settled(page)
    pick(page, "attention layers")
    in_address(page, "site", "attn_out")
    settled(page)
    holding = True
    pick(page, "MLPs")
    until(page, is_held)
    pick(page, "attention layers")
    page.wait_for_timeout(500)
    holding = False
    for browser, said in held:
        browser.send(said)
    settled(page)
    in_address(page, "site", "attn_out")
    chosen(page, "attention layers")


def test_back_takes_back_a_choice_and_forward_makes_it_again(page):
    page.goto("/ablation")
    expect(finding(page)).to_contain_text("Without L")
    settled(page)
    pick(page, "MLPs")
    expect(finding(page)).to_contain_text("Without MLP")
    in_address(page, "site", "mlp_out")
    settled(page)
    pick(page, "attention layers")
    in_address(page, "site", "attn_out")
    expect(finding(page)).to_contain_text("Without attention")
    settled(page)
    page.go_back()
    expect(finding(page)).to_contain_text("Without MLP")
    chosen(page, "MLPs")
    settled(page)
    page.go_back()
    expect(finding(page)).to_contain_text("Without L")
    chosen(page, "heads")
    settled(page)
    page.go_forward()
    expect(finding(page)).to_contain_text("Without MLP")
    chosen(page, "MLPs")


def test_a_choice_is_there_again_after_other_pages_and_so_is_its_word(page):
    page.goto("/ablation?site=mlp_out&layer=1")
    expect(finding(page)).to_contain_text("Without MLP")
    go(page, "Attention")
    expect(page).not_to_have_url(re.compile("site="))
    go(page, "Ablation")
    expect(finding(page)).to_contain_text("Without MLP")
    in_address(page, "site", "mlp_out")


def test_a_proof_link_arrives_under_its_own_words(page):
    page.goto("/attention?layer=1&head=2")
    expect(finding(page)).to_contain_text("L1H2")
    settled(page)
    page.get_by_role("link", name=re.compile("Prove it: knock out L1H2")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ablation")
    expect(field(page, "Layer")).to_have_value("1")
    expect(field(page, "Head")).to_have_value("2")
    in_address(page, "layer", "1")
    in_address(page, "head", "2")
    in_address(page, "site", "head")
    expect(page).not_to_have_url(re.compile("to-"))
    settled(page)
    fill(page, "Head", "0")
    in_address(page, "head", "0")
    expect(main(page).get_by_role("heading", level=2).nth(1)).to_contain_text("L1H0")
