"""What the charts of results show, against the results' own numbers."""

import numpy as np
import pytest

from charts import figures
from charts.ready import ready, with_rows
from mi_core.analyses.ablation import ablation
from mi_core.analyses.attention import attention
from mi_core.analyses.patching import patching
from mi_core.analyses.predict import predict

PAIR = {
    "prompt": "When Mary and John went to the store, John gave a drink to",
    "corrupted": "When Mary and John went to the store, Mary gave a drink to",
}
TINY = {"prompt": " the cat sat on the dog", "corrupted": " the dog sat on the dog"}


def drawn(figure):
    """The specification, and the rows of its first layer's frame."""
    spec = with_rows(ready(figure))
    return spec, spec["datasets"][spec["layer"][0].get("data", spec.get("data"))["name"]]


def colour(spec):
    return spec["layer"][0]["encoding"]["color"]


def test_an_estimate_shows_what_was_run_where_it_was_run(mini):
    result = patching(mini, **PAIR, site="attn_out", estimate=True)
    spec, rows = drawn(figures.patching(result))
    ran = ~np.isnan(result.exact)
    assert ran.any() and not np.allclose(result.restored[ran], result.exact[ran])
    shown = np.full(result.exact.shape, np.nan)
    for row in rows:
        shown[row["layer"], row["pos"]] = row[colour(spec)["field"]]
    assert np.allclose(shown[ran], result.exact[ran])
    assert np.allclose(shown[~ran], result.restored[~ran])


def test_keys_and_values_that_heads_share_are_called_so(tiny_model):
    spec, rows = drawn(figures.patching(patching(tiny_model("llama"), **TINY, site="k")))
    assert spec["layer"][0]["encoding"]["x"]["axis"]["title"] == "key-value head"
    assert len({row["head"] for row in rows}) == 2
    own, _ = drawn(figures.patching(patching(tiny_model("gpt2"), **TINY, site="k")))
    assert own["layer"][0]["encoding"]["x"]["axis"]["title"] == "head"


@pytest.mark.parametrize("which", [{}, {"layer": 1, "head": 2}])
def test_attention_draws_the_head_that_its_finding_names(mini, which):
    result = attention(mini, PAIR["prompt"], **which)
    spec, rows = drawn(figures.attention(result))
    ((layer, head),) = {(row["layer"], row["head"]) for row in rows}
    assert f"L{layer}H{head}" in result.reading().title and spec["title"]["text"] == [f"What L{layer}H{head} reads"]
    assert which in ({}, {"layer": layer, "head": head})
    for row in rows:
        assert row["weight"] == pytest.approx(result.pattern[layer, head, row["query_pos"], row["key_pos"]])


@pytest.mark.parametrize(
    ("measure", "range_"), [("change", "diverging"), ("probability_change", "diverging"), ("kl", "ramp")]
)
def test_only_what_can_be_negative_has_two_colours(mini, measure, range_):
    result = ablation(mini, PAIR["prompt"], site="head")
    spec, _ = drawn(figures.ablation(result, measure=measure))
    low, *_, high = colour(spec)["scale"]["domain"]
    assert colour(spec)["scale"]["range"] == range_ and colour(spec)["field"] == measure
    assert low == (0 if range_ == "ramp" else -high)


def test_the_command_line_s_title_replaces_the_page_s(mini):
    result = predict(mini, PAIR["prompt"])
    assert drawn(figures.predict(result))[0]["title"]["text"] == ["Best guesses for the next token"]
    assert drawn(figures.predict(result, title="Mary"))[0]["title"]["text"] == ["Mary"]


def test_every_analysis_with_a_figure_has_one_of_its_name():
    assert all(getattr(figures, name) is figure for name, figure in figures.FIGURES.items())
