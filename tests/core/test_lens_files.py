"""Files of lenses: whose they are, what is refused, and published ones in their own formats."""

from shutil import copytree

import pytest
import torch
from huggingface_hub import constants

from mi_core.errors import Absent, InputError
from mi_core.lenses import files
from mi_core.lenses.formats import read
from mi_core.models import catalogue
from mi_core.models.loading import load
from tests.core.lens_folders import random_maps, save_lens


@pytest.fixture
def model(tiny_folder, tmp_path):
    return load(str(copytree(tiny_folder("llama"), tmp_path / "llama")))


def folder_of(model):
    from pathlib import Path

    return Path(model.id)


@pytest.mark.parametrize(
    ("kind", "maps", "said"),
    [
        ("tuned", lambda m: random_maps(m.d_model + 1, range(m.n_layers), True), "was made for streams"),
        ("tuned", lambda m: random_maps(m.d_model, range(m.n_layers + 1), True), "belongs to another model"),
        ("tuned", lambda m: random_maps(m.d_model, range(1, m.n_layers), True), "belongs to another model"),
        ("jacobian", lambda m: random_maps(m.d_model, range(m.n_layers - 1), False), "belongs to another model"),
        ("tuned", lambda m: {"layers.0.weight": torch.full((m.d_model, m.d_model), torch.nan)}, "damaged"),
        ("tuned", lambda m: {"something": torch.zeros(1)}, "holds “something”, which is no part of a lens"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(model, kind, maps, said):
    save_lens(folder_of(model), kind, maps(model))
    with pytest.raises(InputError, match=said) as caught:
        files.open_lens(model, kind)
    assert caught.value.field == "source"


def test_a_file_that_is_none_is_refused(model):
    (folder_of(model) / "tuned_lens.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="cannot be read as a lens"):
        files.open_lens(model, "tuned")


def test_the_key_of_results_changes_with_the_file(model):
    before = files.stamp(model.id, model.fingerprint)
    save_lens(folder_of(model), "tuned", random_maps(model.d_model, range(model.n_layers), True))
    assert files.stamp(model.id, model.fingerprint) != before


def test_a_published_tuned_lens_is_read_without_its_unembedding(tmp_path):
    maps = {f"{layer}.{part}": torch.randn(*shape) for layer in range(3) for part, shape in SHAPES.items()}
    torch.save(maps | {"unembedding.weight": torch.randn(9, 4)}, tmp_path / "params.pt")
    state, _ = read(tmp_path / "params.pt", "tuned")
    assert set(state) == {(layer, part) for layer in range(3) for part in SHAPES}
    assert torch.equal(state[1, "weight"], maps["1.weight"])


SHAPES = {"weight": (4, 4), "bias": (4,)}


def test_a_published_jacobian_lens_is_counted_from_the_blocks_passed(tmp_path):
    from transformer_lens.tools.analysis.jacobian_lens import JacobianLens

    matrices = {layer: torch.randn(4, 4) for layer in range(3)}
    JacobianLens(matrices, n_prompts=7, d_model=4).save(str(tmp_path / "lens.pt"), dtype=torch.float32)
    state, about = read(tmp_path / "lens.pt", "jacobian")
    assert set(state) == {(layer, "weight") for layer in (1, 2, 3)}
    assert torch.equal(state[1, "weight"], matrices[0]) and about == {"texts": "7", "first_pos": "16"}


class Runs:
    """What unpickling would call."""

    def __reduce__(self):
        return (print, ("it ran",))


@pytest.mark.parametrize("kind", ["tuned", "jacobian"])
def test_a_file_that_would_run_code_is_refused(tmp_path, kind, capsys):
    torch.save({"0.weight": Runs(), "J": Runs()}, tmp_path / "params.pt")
    with pytest.raises(InputError, match="cannot be read as a lens"):
        read(tmp_path / "params.pt", kind)
    assert "it ran" not in capsys.readouterr().out


def test_other_content_of_a_published_file_is_refused(tmp_path):
    torch.save({"0.weight": torch.zeros(4, 4), "note": "hello"}, tmp_path / "params.pt")
    with pytest.raises(InputError, match="holds “note”"):
        read(tmp_path / "params.pt", "tuned")


def test_a_published_lens_is_fetched_first(monkeypatch, tmp_path, tiny_folder):
    entry = catalogue.LensEntry("tuned", "owner/lenses", "lens/tiny/params.pt", 1000, "space")
    known = catalogue.Entry("tiny", "Tiny", "", "", 1, 0, 0, folder=tiny_folder("llama"), lenses=(entry,))
    monkeypatch.setattr(catalogue, "entries", lambda: (known,))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert list(files.available("tiny", "tuned")) == ["published"]
    with pytest.raises(Absent, match="has to be downloaded first"):
        files.open_lens(load("tiny"), "tuned")
    with pytest.raises(InputError, match="could not be fetched: check the network"):
        files.fetch(entry, "tuned", lambda *_: None)
