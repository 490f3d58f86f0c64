"""Models that several test files steer and edit."""

import functools
from shutil import copytree

import pytest

from mi_core.models import hooks
from tests.core.sae_folders import save_sae


@pytest.fixture(scope="session")
def with_sae(tiny_folder, tmp_path_factory):
    """with_sae(name): the tiny model of that architecture with an SAE at resid_post of its block 0."""
    from mi_core.models.loading import load

    @functools.cache
    def open_model(name: str):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("sae") / name)
        save_sae(folder, hooks.resid_post(0), "topk")
        return load(str(folder))

    return open_model
