"""How well estimates agree with measurements, and where a mean along a way is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.attribution.legendre import legendre
from mi_core.metrics.agreement import agreement


def test_only_what_was_measured_counts():
    estimated, measured = np.array([1.0, 2.0, 3.0, 100.0]), np.array([2.0, 4.0, 6.0, np.nan])
    assert agreement(estimated, measured) == pytest.approx(1)
    assert agreement(estimated, -measured) == pytest.approx(-1)
    assert agreement(estimated[:, None], measured[:, None]) == pytest.approx(1)


@pytest.mark.parametrize("measured", [[1.0, 2.0, np.nan, np.nan], [1.0, 1.0, 1.0, 1.0], [np.nan] * 4])
def test_where_nothing_can_be_said_it_is_nan(measured):
    assert np.isnan(agreement(np.array([1.0, 2.0, 3.0, 4.0]), np.array(measured)))


@given(st.integers(1, 12), st.integers(0, 23))
def test_means_of_polynomials_are_exact(points, degree):
    share, weight = legendre(points)
    assert ((share > 0) & (share < 1)).all() and weight.sum() == pytest.approx(1)
    if degree < 2 * points:
        assert (weight * share**degree).sum() == pytest.approx(1 / (degree + 1))
