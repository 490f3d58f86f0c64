"""The catalogue against sae_lens' own list of public SAEs, and what it says of unknown ids."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from mi_core.errors import InputError
from mi_core.models import catalogue


def test_ids():
    ids = [entry.id for entry in catalogue.entries()]
    assert ids[0] == catalogue.DEFAULT == "loupe-mini"
    assert len(ids) == len(set(ids))
    assert {"gpt2-small", "pythia-70m", "tinystories-33m", "gemma-2-2b", "llama-3.2-1b", "qwen3-0.6b"} <= set(ids)


def test_every_entry_has_one_place_and_a_description():
    for entry in catalogue.entries():
        assert (entry.hub_id is None) != (entry.folder is None)
        assert entry.title and entry.licence and entry.description.endswith(".")
        assert entry.folder is None or (entry.folder / "config.json").is_file()
        for sae in entry.saes:
            assert sae.folder is None or (sae.folder / "cfg.json").is_file()


def test_public_saes_are_as_sae_lens_lists_them():
    """Names, Neuronpedia ids and centring; every SAE of gpt2-small-res-jb is there."""
    (home,) = find_spec("sae_lens").submodule_search_locations
    releases = yaml.load((Path(home) / "pretrained_saes.yaml").read_text(), Loader=getattr(yaml, "CSafeLoader", None))
    for entry in catalogue.entries():
        for sae in (sae for sae in entry.saes if sae.release):
            release = releases[sae.release]
            listed = {listed["id"]: listed for listed in release["saes"]}
            assert sae.neuronpedia in (None, listed[sae.sae_id].get("neuronpedia"))
            boot = (release.get("config_overrides") or {}).get("model_from_pretrained_kwargs", {})
            assert sae.centred == boot.get("center_writing_weights", False)
            assert sae.hook == sae.sae_id or sae.sae_id.startswith(f"layer_{sae.hook.split('.')[1]}/")
    ours = {sae.sae_id for sae in catalogue.find("gpt2-small").saes}
    assert ours == {listed["id"] for listed in releases["gpt2-small-res-jb"]["saes"]}


def test_unknown_id_suggests_the_closest():
    with pytest.raises(InputError, match="There is no model “gpt2-smal”: did you mean gpt2-small") as caught:
        catalogue.find("gpt2-smal")
    assert caught.value.suggestion == "gpt2-small"
    assert caught.value.field == "model"


def test_unknown_id_without_a_close_one():
    with pytest.raises(InputError, match="choose loupe-mini, .* or a model folder") as caught:
        catalogue.find("zzz")
    assert caught.value.suggestion is None
