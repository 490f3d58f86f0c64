"""The bigram lab's charts hold to Vega-Lite and to the numbers of their result."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charts import figures
from charts.backbone import _places
from charts.export import image
from charts.ready import ready, with_rows
from mi_core.analyses.bigram import bigram
from mi_core.analyses.bigram_ablation import bigram_ablation

FIGURES = {
    "grid": figures.bigram, "loss": figures.bigram_loss, "row": figures.bigram_row, "rules": figures.bigram_rules,
    "backbone": figures.bigram_backbone,
}  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return bigram()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("asked", [{}, {"steps": 0}, {"words": "ab ba"}], ids=str)
def test_every_chart_is_one_with_title_description_and_no_colours_of_one_theme(name, asked):
    spec = FIGURES[name](bigram(**asked)).to_dict(validate=True)
    assert spec["title"]["text"] and spec["description"]
    assert "config" not in spec or "range" not in spec["config"]
    assert image(ready(FIGURES[name](bigram(**asked))), "svg").startswith(b"<svg")


@pytest.mark.parametrize("cut", ["column", "nothing"])
def test_lengths_are_drawn_for_as_many_makers_as_there_are(cut):
    figure = figures.bigram_ablation(bigram_ablation(cut=cut))
    figure.to_dict(validate=True)
    rows = next(iter(with_rows(ready(figure))["datasets"].values()))
    assert len({row["maker"] for row in rows}) == (3 if cut == "column" else 2)


def test_the_grid_selects_a_letter_and_outlines_the_one_that_is_chosen(result):
    spec = with_rows(ready(figures.bigram(result, letter="q")))
    assert any(one.get("name") == "cell" and one["select"]["fields"] == ["letter"] for one in spec["params"])
    outlined = [rows for rows in spec["datasets"].values() if len(rows) == 1]
    assert [row["letter"] for rows in outlined for row in rows] == ["q"]
    columns = spec["usermeta"]["room"]["columns"]
    assert columns[0] == "a" and columns[-1] == "end" and len(columns) == 27


def test_the_row_of_a_letter_leaves_out_what_never_came(result):
    spec = json.dumps(with_rows(ready(figures.bigram_row(result, letter="q")))["datasets"])
    assert "44 of 44" in spec and "0 of 44" not in spec


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_no_two_discs_of_a_backbone_meet_and_each_stands_left_of_its_next_but_in_rounds(numbers):
    names = ["start", *"abcdefgh"][: len(numbers)]
    following = {name: [*names[1:], "end"][number % len(names)] for name, number in zip(names, numbers, strict=True)}
    places = _places(following)
    assert set(places) == {*following, *following.values()} and len(set(places.values())) == len(places)
    for letter, after in following.items():
        step = places[after][0] - places[letter][0]
        assert step == 1 or (step == 0 == places[letter][0])
