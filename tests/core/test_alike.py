"""CKA against a computation from its definition, and what it must not see."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.metrics.alike import cka_by_dimensions, linear_cka


def vectors(seed: int, n: int = 30, d: int = 7) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(n, d)))


def hsic_by_loops(k: np.ndarray, other: np.ndarray) -> float:
    """Song et al. 2012, equation 5, as a sum over pairs, triples and quadruples of different rows."""
    n, total = len(k), 0.0
    for i in range(n):
        for j in range(n):
            if j == i:
                continue
            total += k[i, j] * other[i, j] / (n * (n - 1))
            for q in range(n):
                if q in (i, j):
                    continue
                total -= 2 * k[i, j] * other[i, q] / (n * (n - 1) * (n - 2))
                for r in range(n):
                    if r not in (i, j, q):
                        total += k[i, j] * other[q, r] / (n * (n - 1) * (n - 2) * (n - 3))
    return total


def test_plain_is_the_normalised_hsic_of_centred_grams():
    x, y = vectors(1).numpy(), vectors(2, d=5).numpy() + vectors(1).numpy()[:, :5]
    centre = np.eye(30) - 1 / 30
    k, other = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    expected = np.trace(k @ other) / np.sqrt(np.trace(k @ k) * np.trace(other @ other))
    assert linear_cka(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, abs=1e-12)
    assert cka_by_dimensions(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, abs=1e-12)


def test_debiased_is_the_unbiased_estimate_from_its_definition():
    x, y = vectors(3, n=9).numpy(), vectors(4, n=9, d=3).numpy()
    k, other = x @ x.T, y @ y.T
    expected = hsic_by_loops(k, other) / np.sqrt(hsic_by_loops(k, k) * hsic_by_loops(other, other))
    assert linear_cka(torch.tensor(x), torch.tensor(y), debiased=True) == pytest.approx(expected, abs=1e-9)


def test_few_tokens_are_alike_by_chance_and_the_debiased_estimate_is_not():
    plain, debiased = (
        np.mean([linear_cka(vectors(i, d=200), vectors(100 + i, d=200), debiased=way) for i in range(20)])
        for way in (False, True)
    )
    assert plain > 0.8 and abs(debiased) < 0.05


@given(st.integers(0, 1_000), st.floats(0.01, 100), st.booleans())
def test_turning_stretching_and_shifting_change_nothing(seed, scale, debiased):
    x, y = vectors(seed), vectors(seed + 1)
    turned = torch.linalg.qr(vectors(seed + 2, n=7))[0]
    other = scale * y @ turned + 3.0
    assert linear_cka(x, other, debiased=debiased) == pytest.approx(linear_cka(x, y, debiased=debiased), abs=1e-9)
    assert linear_cka(x, y, debiased=debiased) == pytest.approx(linear_cka(y, x, debiased=debiased), abs=1e-12)
    assert linear_cka(y, other, debiased=debiased) == pytest.approx(1, abs=1e-9)


def test_vectors_that_are_all_the_same_are_alike_to_nothing():
    assert np.isnan(linear_cka(torch.ones(6, 3), vectors(0, n=6)))
    assert np.isnan(cka_by_dimensions(torch.ones(6, 3), vectors(0, n=6)))
