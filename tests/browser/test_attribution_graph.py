"""An answer as a graph, in a real browser: a line is clicked, the graph is taken away and opened again."""

import json

from playwright.sync_api import expect

from tests.browser.screen import charts, field, finding, in_address, main, settled


def test_a_line_is_clicked_and_the_address_keeps_it(page):
    page.goto("/attribution_graph")
    expect(finding(page)).to_contain_text("“·Austin” − “·Paris” gains +17.32 logits")
    settled(page)
    node = charts(page).first.locator("svg .mark-symbol.role-mark path").first
    node.scroll_into_view_if_needed()
    box = node.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(field(page, "One node or line")).not_to_have_value("")
    settled(page)
    name = field(page, "One node or line").input_value()
    in_address(page, "part", name)
    expect(main(page)).to_contain_text("logits to the answer")
    page.reload()
    expect(field(page, "One node or line")).to_have_value(name)


def test_the_graph_is_taken_away_and_opens_again_as_the_same_picture(page):
    page.goto("/attribution_graph?part=L4F99@5&groups=facts:+L4F99@5,+L4F306@5")
    expect(finding(page)).to_contain_text("“·Austin”")
    settled(page)
    main(page).get_by_text("The graph as a file").click()
    with page.expect_download() as saved:
        main(page).get_by_role("button", name="Graph (JSON)").click()
    held = json.loads(saved.value.path().read_text("utf-8"))
    assert held["about"]["prompt"] == "The capital of Texas is"
    assert "facts" in [node["name"] for node in held["nodes"]]
    with page.expect_download() as theirs:
        main(page).get_by_role("button", name="For Neuronpedia (JSON)").click()
    graph = json.loads(theirs.value.path().read_text("utf-8"))
    assert len(graph["nodes"]) == len(held["nodes"]) and len(graph["links"]) == len(held["edges"])
    main(page).locator("input[type=file]").last.set_input_files(
        {"name": "graph.json", "mimeType": "application/json", "buffer": saved.value.path().read_bytes()}
    )
    expect(charts(page)).to_have_count(2)
    settled(page)
    marks = [chart.locator("svg .mark-symbol.role-mark path").count() for chart in charts(page).all()]
    assert marks[0] == marks[1] > 20
    main(page).locator("input[type=file]").last.set_input_files(
        {"name": "graph.json", "mimeType": "application/json", "buffer": b"{}"}
    )
    expect(main(page)).to_contain_text("This is no graph that Loupe saved")
