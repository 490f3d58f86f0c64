"""The page Attribution graph: what is shown of it, a picked node and line, groups, pins, and what is refused."""

import pytest

from tests.pages.test_pages import unescaped, visit

PAGE = "pages/intervene/attribution_graph.py"


def found(app) -> str:
    assert not app.exception and not app.error
    return unescaped(app.header[0].value)


def shown(app) -> str:
    return unescaped("\n".join(box.value for kind in (app.markdown, app.caption, app.info) for box in kind))


def test_it_opens_on_what_the_exchanged_word_brings_and_says_how_far_to_trust_it():
    app = visit(PAGE)
    assert found(app).startswith("“·Austin” − “·Paris” gains +17.32 logits; L4F99")
    assert "agree with the measured fall" in shown(app)


def test_one_prompt_alone_says_what_it_is_not():
    app = visit(PAGE, alone=True)
    assert found(app).startswith("“·Austin” comes to")
    assert "not what would happen" in shown(app)


@pytest.mark.parametrize(("basis", "names"), [("component", "L0H3"), ("neuron", "L1H3")])
def test_it_is_made_of_heads_too(basis, names):
    assert "carries most" in found(visit(PAGE, nodes_of=basis))


def test_a_picked_node_shows_what_comes_in_and_goes_out_and_a_line_what_was_measured():
    app = visit(PAGE, part="L4F99@5")
    said = shown(app).replace("**", "")
    assert "L4F99 (often in facts) at “·is” (position 5) is worth +2.49 logits to the answer" in said
    assert "without it the answer falls by +2.00" in said and "What comes in: +2.49 logits in all" in said
    app = visit(PAGE, part="L4F99@5 → answer")
    assert "Measured: where the answer alone no longer meets it, it falls by +2.00" in shown(app)
    app = visit(PAGE, part="L3F480@5 → L4F99@5")
    assert "Measured: where L4F99@5 alone no longer meets it, the answer falls by" in shown(app)
    app = visit(PAGE, part="L9F1@2")
    assert "is not in this graph" in unescaped(app.info[0].value)


def test_groups_are_suggested_made_of_pins_and_refused_where_they_are_none():
    app = visit(PAGE, pinned=["L4F99@5", "L4F625@5"])
    button = next(one for one in app.button if one.label == "Group what is pinned")
    button.click().run()
    assert app.text_area(key="groups").value == "group 1: L4F99@5, L4F625@5"
    found(app)
    next(one for one in app.button if one.label == "Suggest groups").click().run()
    found(app)
    app.text_area(key="groups").set_value("no group at all").run()
    assert not app.exception and "is no group" in unescaped(app.error[0].value)
    app.text_area(key="groups").set_value("mine: L9F9@9").run()
    found(app)
    assert "This graph has no L9F9@9" in shown(app)


def test_a_model_without_autoencoders_says_what_to_choose_instead(tiny_folder):
    app = visit(
        PAGE, model=str(tiny_folder("gpt2")), prompt=" the cat sat on the dog on", nodes_of="feature",
        corrupted=" the cat sat the the cat on", target="cat", foil="dog",
    )  # fmt: skip
    assert not app.exception and "choose heads and MLPs" in unescaped(app.error[0].value)
