"""The difference of two tables, row by row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.analyses.attention import attention
from mi_core.analyses.features import features
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.result import units_of
from mi_core.sharing.difference import compared, difference

TEXAS, FRANCE = "The capital of Texas is", "The capital of France is"
ROWS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", "=c", ""])), st.floats(-1e6, 1e6), min_size=1
)


def frame(rows: dict) -> pd.DataFrame:
    return pd.DataFrame([{"layer": layer, "token": token, "weight": value} for (layer, token), value in rows.items()])


@given(ROWS)
def test_a_table_less_itself_is_nothing(rows):
    found = compared(frame(rows), frame(rows), {"weight"})
    assert len(found.table) == len(rows) and not found.only_first and not found.only_second
    assert (found.table["weight_difference"] == 0).all()


@given(ROWS, ROWS)
def test_it_is_b_less_a_in_every_row_that_both_have(first, second):
    found = difference(frame(first), frame(second), ["layer", "token"], ["weight"])
    shared = first.keys() & second.keys()
    held = {(row.layer, row.token): row for row in found.table.itertuples()}
    assert held.keys() == shared
    for key, row in held.items():
        assert (row.weight_a, row.weight_b) == (first[key], second[key])
        assert row.weight_difference == second[key] - first[key]
    assert (found.only_first, found.only_second) == (len(first) - len(shared), len(second) - len(shared))


@given(ROWS, ROWS)
def test_swapping_the_two_turns_the_sign(first, second):
    one = difference(frame(first), frame(second), ["layer", "token"], ["weight"])
    other = difference(frame(second), frame(first), ["layer", "token"], ["weight"])
    keys = ["layer", "token"]
    a, b = (found.table.sort_values(keys)["weight_difference"].to_numpy() for found in (one, other))
    np.testing.assert_array_equal(a, -b)
    assert (one.only_first, one.only_second) == (other.only_second, other.only_first)


@pytest.mark.parametrize(
    ("analysis", "table", "keys"),
    [
        (predict, "predictions", ("token",)),
        (predict, "positions", ("pos",)),
        (logit_lens, "target", ("layer", "pos")),
        (logit_lens, "lens", ("layer", "pos", "prediction")),
        (attention, "pattern", ("layer", "head", "query_pos", "key_pos")),
        (features, "features", ("pos", "feature")),
    ],
)
def test_rows_of_real_results_are_named_by_what_they_are_of(mini, analysis, table, keys):
    first, second = (analysis(mini, prompt) for prompt in (TEXAS, FRANCE))
    tables, other = first.tables(), second.tables()[table]
    found = compared(tables[table], other, units_of(first, tables)[table])
    assert found.keys == keys
    column = found.measured[-1]
    pair = found.table[[*keys]].merge(tables[table], on=keys).merge(other, on=keys, suffixes=("_one", "_two"))
    assert len(pair) == len(found.table) > 0
    np.testing.assert_allclose(
        found.table[f"{column}_difference"], pair[f"{column}_two"] - pair[f"{column}_one"], atol=1e-6
    )
    assert not any(name.endswith("_id") for name in found.measured)


def test_texts_that_differ_stand_beside_each_other(mini):
    first, second = (predict(mini, prompt).tables()["positions"] for prompt in (TEXAS, FRANCE))
    table = compared(first, second, {"surprisal", "entropy", "probability"}).table
    assert {"token_a", "token_b"} <= set(table)
    assert table.loc[table["pos"] == 4, ["token_a", "token_b"]].values.tolist() == [[" Texas", " France"]]


def test_rows_that_nothing_tells_apart_are_matched_in_their_order():
    first, second = pd.DataFrame({"loss": [1.0, 2.0, 3.0]}), pd.DataFrame({"loss": [1.5, 2.0]})
    found = compared(first, second)
    assert found.table["loss_difference"].tolist() == [0.5, 0.0] and (found.only_first, found.only_second) == (1, 0)


def test_the_largest_difference_is_named_and_missing_numbers_are_none():
    first = pd.DataFrame({"token": ["a", "b", "c"], "weight": [0.0, 1.0, np.nan]})
    second = pd.DataFrame({"token": ["a", "b", "c"], "weight": [0.5, -1.0, 9.0]})
    most = compared(first, second).most("weight")
    assert most is not None and most["token"] == "b" and most["weight_difference"] == -2
    assert compared(first.iloc[2:], second.iloc[2:]).most("weight") is None
