"""Links that prove: every view has one, and it opens the page that proves with its fields filled in."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.test_pages import ROOT, sentences, unescaped, visit
from tests.patience import SECONDS

DRINK = {"prompt": "When Mary and John went to the store, John gave a drink to", "target": " Mary", "foil": " John"}
ABLATION = "pages/intervene/ablation.py"


@pytest.mark.parametrize(
    ("page", "state", "leads"),
    [
        ("logit_lens", {}, [("patching", {}), ("ablation", {"to-site": "mlp_out"})]),
        ("attention", {"layer": 1, "head": 2}, [("ablation", {"to-site": "head", "to-layer": "1", "to-head": "2"})]),
        ("heads", {"layer": 1, "head": 0}, [("ablation", {"to-site": "head", "to-layer": "1", "to-head": "0"})]),
        ("attribution", {"layer": 3, "head": 0}, [("ablation", {"to-site": "head", "to-layer": "3", "to-head": "0"})]),
        (
            "input_attribution",
            {},
            [("ablation", {"to-site": "position", "to-layer": "0", "to-token": "2", "to-mode": "mean"})],
        ),
        (
            "input_attribution",
            {"players": "span", "spans": "2-4, 6"},
            [
                (
                    "ablation",
                    {"to-site": "position", "to-layer": "0", "to-token": "4", "to-also": "L0P3", "to-mode": "mean"},
                )
            ],
        ),
        (
            "features",
            {"feature": 539},
            [
                ("steering", {"to-sae": "blocks.2.hook_resid_pre", "to-feature": "539"}),
                (
                    "ablation",
                    {"to-site": "feature", "to-sae": "blocks.2.hook_resid_pre", "to-feature": "539"},
                ),
                (
                    "ablation",
                    {"to-site": "feature", "to-sae": "blocks.2.hook_resid_pre", "to-feature": "978"},
                ),
            ],
        ),
        (
            "neurons",
            {"layer": 1, "neuron": 21},
            [("ablation", {"to-site": "neuron", "to-layer": "1", "to-neuron": "21"})],
        ),
    ],
    ids=["logit lens", "attention", "heads", "attribution", "words", "words together", "features", "neurons"],
)
def test_every_view_leads_to_its_proof(page, state, leads):
    from urllib.parse import parse_qsl

    app = visit(f"pages/look/{page}.py", **DRINK, **state)
    links = [link.proto for link in app.get("page_link") if link.proto.label.startswith("Prove it: ")]
    found = [(link.page, dict(parse_qsl(link.query_string))) for link in links]
    assert found == leads


def arrive(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    app.run()
    app.switch_page(ABLATION)
    for name, value in query.items():
        app.query_params[name.replace("_", "-")] = value
    return app.run()


def test_what_a_link_brings_stands_in_the_fields_and_under_their_own_names():
    app = arrive(to_site="mlp_out", to_layer="2")
    assert not app.exception and not app.error
    assert app.segmented_control(key="site").value == "mlp_out" and app.number_input(key="layer").value == 2
    assert "MLP 2" in app.header[1].value
    assert app.query_params["layer"] == "2" and app.query_params["site"] == "mlp_out"
    assert not any(key.startswith("to-") for key in app.query_params)
    app.number_input(key="layer").set_value(1).run()
    assert "MLP 1" in app.header[1].value
    app.run()
    assert app.number_input(key="layer").value == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"to_layer": "-1"}, "layer=-1, which is not a whole number from 0 up"),
        ({"to_layer": "x"}, "layer=x, which is not a whole number from 0 up"),
        ({"to_site": ""}, "site=, which is not known here; showing heads"),
        ({"to_keep": "1"}, "to-keep=1, which is not known here"),
    ],
)
def test_a_link_that_says_nothing_sensible_is_passed_over_and_named(query, said):
    app = arrive(**query)
    assert not app.exception and app.number_input(key="layer").value is None
    assert app.segmented_control(key="site").value == "head"
    assert f"The link asks for {said}" in unescaped(sentences(app))
