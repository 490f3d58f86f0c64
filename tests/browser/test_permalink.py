"""A person copies a link, and another one sees the same picture."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import field, finding, in_address, main, settled

PAGES = {
    "logit_lens?follow=rank&pos=3&prompt=The+capital+of+Japan+is": r"\?v=1&fl=rank&i=3&p=The\+capital\+of\+Japan\+is$",
    "ablation?site=mlp_out&mode=zero": r"\?v=1&site=mlp_out&mode=zero$",
    "superposition?n_features=6&seed=3": r"\?v=1&nf=6&seed=3$",
}


def copied(page) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    return page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("address", PAGES)
def test_a_copied_link_is_short_and_shows_the_same_picture(page, visitor, address):
    page.goto(f"/{address}")
    expect(finding(page)).not_to_be_empty()
    settled(page)
    link, said = copied(page), finding(page).inner_text()
    assert re.search(PAGES[address], link), link
    other = visitor()
    other.goto(link)
    expect(finding(other)).to_have_text(said)
    settled(other)
    for pair in address.partition("?")[2].split("&"):
        assert pair in other.url
    assert "v=1" not in other.url


def test_a_long_link_is_packed_and_carries_even_what_no_address_holds(page, visitor):
    page.goto("/directions")
    settled(page)
    field(page, "Prompt").fill("A long way to go. " * 800)
    field(page, "Prompt").press("Enter")
    expect(page.get_by_text("This is too long for the address bar")).to_be_visible()
    settled(page)
    link = copied(page)
    assert len(link) < 1_500 and "?z=1." in link
    other = visitor()
    other.goto(link)
    expect(field(other, "Prompt")).to_have_value("A long way to go. " * 800)
    settled(other)
    assert "z=" not in other.url


def test_what_no_link_carries_is_said_and_without_a_clipboard_the_link_is_shown(page):
    page.goto("/probing?texts=file")
    page.locator("input[type=file]").set_input_files(
        {"name": "mine <b>.csv", "mimeType": "text/csv", "buffer": b"text,label\na,1\nb,2\n"}
    )
    settled(page)
    in_address(page, "texts", "file")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copy this link: It does not carry the file mine <b>.csv.")).to_be_visible()
    shown = page.get_by_label("The link")
    expect(shown).to_have_value(re.compile(r"/probing\?v=1&tx=file"))
    expect(shown).to_be_focused()
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    expect(main(page).get_by_role("heading", level=1)).to_have_text("Probing")
