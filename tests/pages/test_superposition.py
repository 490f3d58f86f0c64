"""The superposition lab: one-click experiments, a prediction before its answer, starts, and bad input."""

from tests.pages.test_links import follow
from tests.pages.test_pages import sentences, unescaped, visit

LAB = "pages/understand/superposition.py"
PENTAGON = {"density": "0.05", "importance": "equal"}


def said(app) -> str:
    return unescaped("\n".join(box.value for box in app.markdown))


def titles(app) -> str:
    return "\n".join(chart.proto.spec for chart in app.get("vega_lite_chart"))


def test_it_asks_before_it_tells_and_then_shows_both():
    app = visit(LAB)
    assert unescaped(app.header[0].value) == "2 of 5 features fit into 2 dimensions"
    assert "Predict first" in said(app) and "fit.**" not in said(app)
    app.segmented_control(key="fit_guess").set_value("4").run()
    assert not app.exception and not app.error
    assert unescaped(app.header[0].value) == "All 5 features fit into 2 dimensions, 72° apart"
    assert "0.40 of a dimension to itself" in said(app) and "2.00 of 2 dimensions" in said(app)
    assert "You said 4: **5 fit.**" in said(app)
    app.segmented_control(key="fit_guess").set_value("5").run()
    assert "As you said: **5 fit.**" in said(app)
    app.button(key="try-Dense").click().run()
    assert unescaped(app.header[0].value) == "2 of 5 features fit into 2 dimensions" and "fit.**" not in said(app)
    assert "What this does not show" in said(app)


def test_a_link_carries_the_seed_and_another_beginning_is_the_next():
    app = follow("superposition", PENTAGON | {"seed": "7", "learning_steps": "50", "start": "2"})
    assert not app.exception and not app.error and "The link" not in sentences(app)
    assert app.number_input(key="seed").value == 7 and app.number_input(key="start").value == 2
    assert "Start 2. Circle" in titles(app)
    app.button(key="restart").click().run()
    assert app.number_input(key="seed").value == 8 and app.query_params["seed"] == "8"


def test_a_start_and_a_dimension_that_are_not_there_are_named():
    app = follow("superposition", {"learning_steps": "50", "starts": "2", "start": "5", "hidden": "3"})
    assert not app.exception and not app.error
    assert "There are starts 1 to 2; showing" in unescaped(sentences(app))
    assert "There are dimensions 1 to 2; showing 1." in unescaped(sentences(app))


def test_more_dimensions_have_no_arrows_but_all_else():
    app = follow(
        "superposition", PENTAGON | {"n_features": "6", "n_hidden": "3", "learning_steps": "50", "unpack": "true"}
    )
    assert not app.exception and not app.error and len(app.header) == 2
    assert "Features as arrows" not in titles(app)
    for title in ("What each feature has to itself", "What each feature adds to each", "What dimension 1 stands for"):
        assert title in titles(app)


def test_what_was_packed_is_found_again_beside_the_control():
    app = follow("superposition", PENTAGON | {"unpack": "true"})
    assert [unescaped(box.value) for box in app.header][1:] == [
        "All 5 features that fit are found again in the activations alone"
    ]
    assert "random directions would reach" in said(app) and "random directions" in titles(app)


def test_bad_input_is_a_sentence_and_stays():
    app = follow("superposition", {"importance": "1, 2"})
    assert not app.exception and not app.header
    assert "These are 2 importances for 5 features" in unescaped(app.error[0].value)
    assert app.text_input(key="importance").value == "1, 2"
    app.button(key="repair-importance").click().run()
    assert app.header and app.text_input(key="importance").value == "equal"
    app.number_input(key="n_hidden").set_value(9).run()
    assert "5 features need no more than 5 dimensions" in unescaped(app.error[0].value)
