"""What every result promises of its own arrays and columns."""

from __future__ import annotations

import copy
import dataclasses
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jaxtyping import Float

from mi_core.analyses._index import find_analysis
from mi_core.result import UNITS, check_axes, same_length, units_of, within

PROMPT = "The capital of Texas is"
SEVEN = ("predict", "logit_lens", "attention", "attribution", "features", "feature", "tokens")


@pytest.fixture(scope="module", params=SEVEN)
def result(request, mini):
    more = {"feature": 3} if request.param == "feature" else {}
    return find_analysis(request.param)(mini, PROMPT, **more)


def test_every_field_says_what_it_holds(result):
    import ast
    import inspect

    (kind,) = ast.parse(inspect.getsource(type(result))).body
    for field, after in zip(kind.body, kind.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(after, ast.Expr) and isinstance(after.value.value, str), ast.unparse(field)


def test_arrays_of_another_length_are_no_result(result):
    for name, hint in get_type_hints(type(result)).items():
        if not hasattr(hint, "dim_str"):
            continue
        value = getattr(result, name)
        for at, axis in enumerate(hint.dim_str.split()):
            if axis in ("pos", "query_pos", "component", "stage", "near"):
                with pytest.raises(ValueError, match=" along "):
                    check(result, name, value.take(range(value.shape[at] - 1), at))
        with pytest.raises(ValueError, match=f"{name} has shape"):
            check(result, name, value[None])


def check(result, name: str, value: np.ndarray) -> None:
    """What a result of its own checks when it is made with another value in a field."""
    other = copy.copy(result)
    object.__setattr__(other, name, value)
    other.__post_init__()


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("predict", "top_probabilities"),
        ("predict", "guess_probability"),
        ("logit_lens", "target_probability"),
        ("attention", "pattern"),
        ("attention", "rollout"),
        ("features", "densities"),
    ],
)
def test_probabilities_are_shares(mini, name, field):
    result = find_analysis(name)(mini, PROMPT)
    for wrong in (-0.01, 1.01):
        with pytest.raises(ValueError, match=f"{field} holds a number that is not from 0 to 1"):
            dataclasses.replace(result, **{field: np.full_like(getattr(result, field), wrong)})


@dataclasses.dataclass(frozen=True)
class Shares:
    """Numbers that should be shares."""

    values: Float[np.ndarray, "*any"]


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=st.floats(-2, 2, width=32) | st.just(np.nan)))
def test_shares(values):
    known = [value for value in values.ravel().tolist() if value == value]
    if all(-1e-5 <= value <= 1 + 1e-5 for value in known):
        within(Shares(values), 0, 1, "values")
    elif any(value < -1.1e-5 or value > 1 + 1.1e-5 for value in known):
        with pytest.raises(ValueError, match="Shares.values"):
            within(Shares(values), 0, 1, "values")


def test_same_length():
    same_length(Shares(np.zeros(3)), "values")
    pair = Pair(np.zeros((2, 1)), np.zeros(3))
    with pytest.raises(ValueError, match="Pair holds fields of unequal length: {'one': 2, 'two': 3}"):
        same_length(pair, "one", "two")


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two arrays that share an axis."""

    one: Float[np.ndarray, "pos k"]
    two: Float[np.ndarray, " pos"]


@given(*[st.integers(0, 3)] * 3, st.booleans())
def test_axes(pos, k, other, known):
    pair = Pair(np.zeros((pos, k)), np.zeros(other))
    lengths = {"k": 2} if known else {}
    if pos == other and (k == 2 or not known):
        check_axes(pair, **lengths)
    else:
        with pytest.raises(ValueError, match="along (pos|k)"):
            check_axes(pair, **lengths)


def test_every_measured_column_has_a_unit(result):
    for name, frame in result.tables().items():
        measured = {column for column in frame if frame[column].dtype.kind == "f"}
        assert measured <= set(units_of(result, {name: frame})[name]), name


def test_a_results_own_units_come_first(mini):
    weighted = find_analysis("attention")(mini, PROMPT, weighted=True)
    units = units_of(weighted, weighted.tables())
    assert units["pattern"] == units["strongest"] == {"weight": "norm of what is moved"}
    assert units["rollout"] == {"weight": UNITS["weight"]} == {"weight": "share of attention"}
