"""A knockout beside chance, in a real browser: switched on, seen, drawn anew, kept in the address."""

from playwright.sync_api import expect

from tests.browser.screen import charts, field, in_address, main, settled


def test_a_knockout_is_compared_with_chance_and_the_address_keeps_it(page):
    page.goto("/ablation?prompt=When+Mary+and+John+went+to+the+store,+John+gave+a+drink+to")
    settled(page)
    before = charts(page).count()
    main(page).get_by_text("Beside chance").click()
    heading = main(page).get_by_role("heading", name="Knocking out L0H3 moves the logit of")
    expect(heading).to_contain_text("more than chance")
    expect(main(page)).to_contain_text("It moves further than 20 of 20 random directions and than 3 of 3 other heads")
    expect(main(page)).to_contain_text("This comparison with chance takes about")
    settled(page)
    assert charts(page).count() == before + 1
    in_address(page, "chance", "true")
    drawn = main(page).get_by_text("Random directions of that size").inner_text()
    seed = field(page, "Seed of chance")
    seed.fill("5")
    seed.press("Enter")
    in_address(page, "chance_seed", "5")
    expect(main(page)).not_to_contain_text(drawn)
    page.reload()
    expect(heading).to_be_visible()
    expect(field(page, "Seed of chance")).to_have_value("5")
    expect(main(page)).not_to_contain_text(drawn)
