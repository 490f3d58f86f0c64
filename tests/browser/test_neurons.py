"""The neurons' page as a person uses it: a bar is followed, and its neuron knocked out."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled

FACT = "prompt=The+capital+of+Texas+is&target=+Austin&foil=+Dallas"


def test_a_neuron_is_followed_from_its_bar_and_then_knocked_out(page):
    page.goto(f"/neurons?{FACT}")
    expect(finding(page)).to_contain_text("neuron 250 of layer 0")
    settled(page)
    charts(page).first.locator("svg .mark-rect.role-mark path").nth(2).click()
    expect(main(page).get_by_role("heading", level=2).nth(1)).to_contain_text("Neuron 21 of layer 1")
    expect(field(page, "Layer")).to_have_value("1")
    expect(field(page, "Neuron")).to_have_value("21")
    in_address(page, "neuron", "21")
    settled(page)
    page.get_by_role("link", name="Prove it: knock this neuron out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ablation")
    expect(page.get_by_role("radio", name="neurons")).to_be_checked()
    expect(main(page)).to_contain_text("Without neuron 21 of layer 1")
    expect(field(page, "Neuron")).to_have_value("21")
