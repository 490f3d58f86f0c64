"""The toy model of superposition against a plain loop, and against what theory says of its shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.superposition import superposition
from mi_core.errors import InputError
from mi_core.labs import geometry, toy_model
from mi_core.labs.importance import importances
from mi_core.labs.toy_model import ToyModel, ToyTraining
from tests.sentences import faults


def plain_loss(arrows, bias, x, importance):
    """``Σ Iᵢ (xᵢ − ReLU(Wᵀ W x + b)ᵢ)²``, a number at a time."""
    total = 0.0
    for row in x:
        hidden = [sum(w * value for w, value in zip(dimension, row, strict=True)) for dimension in arrows]
        for i, value in enumerate(row):
            out = max(sum(arrows[k][i] * hidden[k] for k in range(len(hidden))) + bias[i], 0.0)
            total += importance[i] * (value - out) ** 2
    return total / len(x)


def test_the_loss_is_that_of_a_plain_loop():
    training = ToyTraining(ToyModel(n_features=4, n_hidden=2, density=0.4, importance="0.8^i", starts=3, seed=5))
    rows = training.held_out[:30]
    bias = torch.randn(3, 1, 4)
    found = toy_model.losses(training.W, bias, rows, training.importance)
    importance = [0.8**i for i in range(4)]
    expected = [plain_loss(W.tolist(), b[0].tolist(), rows.tolist(), importance)
                for W, b in zip(training.W.detach(), bias, strict=True)]  # fmt: skip
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-5)


def test_training_is_adam_on_each_start_by_itself(monkeypatch):
    """The starts, trained at once, against one loop for each with a gradient worked out by hand."""
    toy = ToyModel(n_features=4, n_hidden=2, density=0.5, steps=5, starts=2, seed=3)
    training = ToyTraining(toy)
    begun, samples, drawn = training.W.detach().clone(), [], ToyModel.samples
    monkeypatch.setattr(ToyModel, "samples", lambda *asked: samples.append(drawn(*asked)) or samples[-1])
    assert list(training.train()) == [0, 1, 2, 3, 4, 5]
    for start in range(2):
        W, b = begun[start].double().numpy(), np.zeros(4)
        moments = [np.zeros((2, *one.shape)) for one in (W, b)]
        for step, x in enumerate(samples):
            x = x.double().numpy()
            z = x @ W.T @ W + b
            slope = 2 * (np.maximum(z, 0) - x) * (z > 0) / len(x)
            down = W @ (x.T @ slope)
            rate = toy_model.LEARNING_RATE * (1 + np.cos(np.pi * step / 5)) / 2
            for value, grad, moment in ((W, down + W @ slope.T @ x, moments[0]), (b, slope.sum(0), moments[1])):
                moment[:] = 0.9 * moment[0] + 0.1 * grad, 0.999 * moment[1] + 0.001 * grad**2
                first, second = moment[0] / (1 - 0.9 ** (step + 1)), moment[1] / (1 - 0.999 ** (step + 1))
                value -= rate * first / (np.sqrt(second) + 1e-8)
        np.testing.assert_allclose(training.W[start].detach(), W, atol=1e-4)
        np.testing.assert_allclose(training.b[start, 0].detach(), b, atol=1e-4)


def test_samples_are_as_dense_as_asked_and_hold_one_where_one_must_be():
    rows = ToyModel(density=0.2).samples(20_000, torch.Generator().manual_seed(0))
    assert (rows > 0).float().mean() == pytest.approx(0.2, abs=0.01)
    assert rows[rows > 0].mean() == pytest.approx(0.5, abs=0.01) and rows.max() < 1
    some = ToyModel(density=0.001).samples(500, torch.Generator().manual_seed(0), present=True)
    assert (some > 0).any(-1).all()


def test_a_pentagon_where_features_are_rare():
    result = superposition(density=0.05)
    arrows = result.W[result.best]
    assert result.kept == 5 and geometry.regular(arrows)
    np.testing.assert_allclose(result.dimensionality[result.best], 0.4, atol=0.01)
    assert result.dimensionality[result.best].sum() == pytest.approx(2, abs=0.01)
    np.testing.assert_allclose(geometry.gaps(arrows), 72, atol=2)
    assert result.reading().title == "All 5 features fit into 2 dimensions, 72° apart"
    assert all(check.passed for check in result.checks) and len(result.checks) == 3
    assert not faults(result)


def test_two_pairs_at_a_density_between_and_two_features_where_all_are_dense():
    pairs = superposition(density=0.3)
    kept = geometry.fitting(pairs.W)[pairs.best]
    assert kept.sum() == 4
    np.testing.assert_allclose(pairs.dimensionality[pairs.best][kept], 0.5, atol=0.02)
    np.testing.assert_allclose(geometry.gaps(pairs.W[pairs.best]), 90, atol=3)
    dense = superposition(density=1.0, importance="0.7^i")
    np.testing.assert_allclose(dense.dimensionality[dense.best], [1, 1, 0, 0, 0], atol=0.02)
    assert dense.reading().title == "2 of 5 features fit into 2 dimensions"
    assert not faults(pairs) and not faults(dense)


def test_the_same_seed_gives_the_same_numbers_and_another_others():
    asked = {"steps": 20, "starts": 2}
    first, again, other = (superposition(seed=seed, **asked) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.path, again.path)
    np.testing.assert_array_equal(first.loss, again.loss)
    assert np.abs(first.W - other.W).max() > 0.1


def test_it_tells_what_there_is_so_far():
    told = []
    result = superposition(steps=50, progress=lambda done, total, partial: told.append((done, total, partial)))
    assert [done for done, *_ in told] == result.steps.tolist() and {total for _, total, _ in told} == {50}
    for done, _, partial in told:
        shots = (result.steps <= done).sum()
        np.testing.assert_array_equal(partial.path, result.path[:shots])
    assert {"features", "starts", "path"} <= set(told[0][2].tables())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 4))
def test_dimensions_against_numpy_for_any_arrows(seed, hidden, more):
    arrows = np.random.default_rng(seed).normal(size=(1, hidden, hidden + more))
    W, D = arrows[0], geometry.dimensionality(arrows)[0]
    for i in range(W.shape[1]):
        unit = W[:, i] / np.linalg.norm(W[:, i])
        assert D[i] == pytest.approx((W[:, i] @ W[:, i]) / sum((unit @ W[:, j]) ** 2 for j in range(W.shape[1])))
    assert D.sum() <= hidden + 1e-9
    np.testing.assert_allclose(geometry.interference(arrows)[0], W.T @ W)


@pytest.mark.parametrize("corners", [3, 4, 5, 8])
def test_regular_shapes_take_up_all_dimensions(corners):
    turn = 2 * np.pi * np.arange(corners) / corners
    arrows = 1.1 * np.stack([np.cos(turn), np.sin(turn)])
    np.testing.assert_allclose(geometry.dimensionality(arrows[None])[0], 2 / corners)
    assert geometry.regular(arrows) and not geometry.regular(np.column_stack([arrows, arrows[:, 0] + arrows[:, 1]]))
    np.testing.assert_allclose(geometry.gaps(arrows), 360 / corners)
    assert not geometry.regular(np.stack([arrows[0], 0 * arrows[1]])), "one dimension is not reached"


def test_a_feature_that_is_given_up_has_no_dimension():
    np.testing.assert_array_equal(geometry.dimensionality(np.array([[[1.0, 0.0], [0.0, 0.0]]])), [[1, 0]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("equal", [1, 1, 1]), (" 0.5^i ", [1, 0.5, 0.25]), ("3, 2,1", [3, 2, 1]), ("1 0 2", [1, 0, 2])],
)
def test_importances_are_read(text, expected):
    np.testing.assert_allclose(importances(text, 3), expected)


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"n_features": 1}, "n_features", "Features must be from 2 to 100"),
        ({"n_hidden": 0}, "n_hidden", "Dimensions must be from 1 to 20"),
        ({"n_hidden": 6}, "n_hidden", "5 features need no more than 5 dimensions"),
        ({"density": 0.0}, "density", "Density must be from 0.001 to 1"),
        ({"density": float("nan")}, "density", "Density must be"),
        ({"steps": 0}, "steps", "Steps must be from 1 to 20,000"),
        ({"starts": 9}, "starts", "Starts must be from 1 to 8"),
        ({"seed": -1}, "seed", "Seed must be from 0 to 10,000"),
        ({"importance": "much"}, "importance", "“much” is no importance: write equal"),
        ({"importance": "1, 2"}, "importance", "These are 2 importances for 5 features"),
        ({"importance": "1,1,1,1,-1"}, "importance", "Importances are from 0 to 1,000"),
        ({"importance": "0,0,0,0,0"}, "importance", "one at least is above 0"),
        ({"importance": "nan,1,1,1,1"}, "importance", "Importances are from 0 to 1,000"),
    ],
)
def test_bad_input_gets_a_sentence(asked, field, said):
    with pytest.raises(InputError, match=said) as told:
        superposition(**asked)
    assert told.value.field == field
