"""A sparse autoencoder on a toy model's activations finds its features, and random directions do not."""

import numpy as np
import pytest
import torch

from mi_core.analyses.superposition import superposition
from mi_core.analyses.unpacking import FOUND, unpacking
from mi_core.errors import InputError
from mi_core.labs.dictionary import DictionaryTraining, random_dictionaries
from mi_core.labs.toy_model import ToyModel
from tests.sentences import faults


@pytest.fixture(scope="module")
def pentagon():
    return unpacking(density=0.05)


def test_the_pentagon_is_found_again(pentagon):
    assert pentagon.fits.all() and (pentagon.best > 0.99).all()
    assert pentagon.reading().title == "All 5 features that fit are found again in the activations alone"
    assert all(check.passed for check in pentagon.checks) and not faults(pentagon)


def test_it_is_the_best_start_that_is_unpacked(pentagon):
    toy = superposition(density=0.05)
    np.testing.assert_array_equal(pentagon.W, toy.W[toy.best])


def test_cosines_and_the_control_against_numpy(pentagon):
    true = pentagon.W / np.linalg.norm(pentagon.W, axis=0)
    np.testing.assert_allclose(pentagon.cosine, (pentagon.directions @ true).T, atol=1e-6)
    random = np.random.default_rng(0).normal(size=(4000, 10, 2))
    random /= np.linalg.norm(random, axis=-1, keepdims=True)
    best = (random @ true).max(1)
    assert pentagon.random_cosine.mean() == pytest.approx(best.mean(), abs=0.02)
    assert pentagon.random_found.mean() == pytest.approx((best >= FOUND).mean(), abs=0.08)
    means = pentagon.tables()["mean"].set_index("directions")
    assert means["cosine"]["learned"] == pytest.approx(pentagon.best.mean())
    assert means["cosine"]["random"] == pytest.approx(pentagon.random_cosine.mean())


def test_in_more_dimensions_chance_is_far_behind():
    """On arrows that were not trained, so that nothing but the autoencoder is tested."""
    toy = ToyModel(n_features=12, n_hidden=6, density=0.05)
    arrows = torch.nn.functional.normalize(torch.randn(6, 12, generator=torch.Generator().manual_seed(1)), dim=0)
    training = DictionaryTraining(toy, arrows, 24)
    assert list(training.train())[-1] == 1000
    assert (training.directions @ arrows).amax(0).mean() > 0.95
    assert (random_dictionaries(24, 6, 0) @ arrows).amax(-2).mean() < 0.8


def test_where_no_feature_fits_there_is_nothing_to_find():
    with pytest.raises(InputError, match="No feature fits, so there is nothing to find") as told:
        unpacking(steps=1, starts=1, n_features=100, n_hidden=1)
    assert told.value.field == "steps"
