"""Checkpoints as models: by an @ behind the name, from a folder, from the hub's cache, and none that is not there."""

import json
import shutil

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file

from mi_core.errors import Absent, InputError
from mi_core.jobs.request import Request
from mi_core.models import catalogue, checkpoints, loading
from mi_core.models.checkpoints import Checkpoint
from tests.core.checkpoint_folders import as_revisions, earlier, with_checkpoints

MINI = catalogue.find("loupe-mini").folder
PROMPT = " the cat sat on"


def test_a_name_and_its_revision(tmp_path):
    assert checkpoints.parted("loupe-mini@2500") == ("loupe-mini", "2500")
    assert checkpoints.parted("EleutherAI/pythia-70m@step1000") == ("EleutherAI/pythia-70m", "step1000")
    assert checkpoints.parted("loupe-mini") == ("loupe-mini", "")
    assert checkpoints.parted("/home/a@b/model") == ("/home/a@b/model", "")
    called_so = tmp_path / "model@2"
    called_so.mkdir()
    assert checkpoints.parted(str(called_so)) == (str(called_so), "")


@pytest.mark.parametrize(
    ("revision", "step"),
    [("2500", 2500), ("step1000", 1000), ("checkpoint-12", 12), ("stage1-step5000-tokens21B", 5000), ("main", None),
     ("v2.0", None)],
)  # fmt: skip
def test_the_step_that_a_revision_names(revision, step):
    assert checkpoints.step_of(revision) == step


def test_the_last_of_the_series_is_the_shipped_model_bit_for_bit(mini):
    series = checkpoints.series("loupe-mini@2500")
    steps = [
        row["step"] for row in json.loads((MINI / "checkpoints" / "scores.json").read_text("utf-8"))["checkpoints"]
    ]
    assert [one.step for one in series] == steps and series[-1] == Checkpoint(15000, "loupe-mini")
    assert loading.locate("loupe-mini@15000") == loading.locate("loupe-mini") == MINI
    assert loading.fingerprint(loading.locate("loupe-mini@15000")) == mini.fingerprint
    assert {one.model: checkpoints.bits(one.model) for one in series[-2:]} == {"loupe-mini@12000": 16, "loupe-mini": 32}


def test_a_checkpoint_opens_as_a_model_with_its_own_weights_and_checks(mini, hf_model):
    model = loading.load("loupe-mini@2500")
    assert model.id == "loupe-mini@2500" and model.fingerprint != mini.fingerprint and model.opening.errors
    plain = hf_model("loupe-mini")
    own = {name: weight.float() for name, weight in load_file(MINI / "checkpoints" / "step_2500.safetensors").items()}
    weights = dict(plain.state_dict()) | own | {"lm_head.weight": own["transformer.wte.weight"]}
    tokens = model.tokens("The capital of Texas is")
    logits = torch.func.functional_call(plain, weights, (torch.tensor([tokens.ids]),)).logits[0, -1]
    torch.testing.assert_close(model.run(tokens).logits[-1], logits, atol=1e-4, rtol=0)
    assert all(parameter.dtype == torch.float32 for parameter in model.hf_model.parameters())


def test_a_folder_of_one_s_own_and_what_its_results_are_kept_by(tiny_folder, tmp_path):
    folder = with_checkpoints(tiny_folder("neox"), tmp_path / "neox", (3, 12))
    assert [one.step for one in checkpoints.series(str(folder))] == [3, 12]
    model = loading.load(f"{folder}@3")
    weight = model.hf_model.get_input_embeddings().weight
    assert torch.equal(weight, earlier(folder, 3)["gpt_neox.embed_in.weight"].float())
    assert checkpoints.opened(Checkpoint(3, f"{folder}@3"), model) is model
    kept = checkpoints.stamp(str(folder))
    shutil.copy(folder / "checkpoints" / "step_3.safetensors", folder / "checkpoints" / "step_12.safetensors")
    assert checkpoints.stamp(str(folder)) != kept
    assert torch.equal(loading.load(f"{folder}@12").hf_model.get_input_embeddings().weight, weight)


def test_revisions_of_the_hub_that_are_on_this_machine(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    as_revisions(tiny_folder("neox"), tmp_path, "tiny/series", (512, 1000))
    assert checkpoints.series("tiny/series") == (
        Checkpoint(512, "tiny/series@step512"), Checkpoint(1000, "tiny/series@step1000"),
    )  # fmt: skip
    model = loading.load("tiny/series@step512")
    weight = model.hf_model.get_input_embeddings().weight
    assert torch.equal(weight, earlier(tiny_folder("neox"), 512)["gpt_neox.embed_in.weight"].float())
    with pytest.raises(Absent, match="These have to be fetched first: tiny/series@step2000") as caught:
        checkpoints.chosen("tiny/series", (512, 2000))
    with pytest.raises(InputError, match="tiny/series@step2000 is not on this machine and downloads are switched off"):
        caught.value.fetch(lambda *told: None)


def test_what_is_not_there_gets_a_sentence(tiny_folder, tmp_path):
    with pytest.raises(InputError, match="loupe-mini has no checkpoint 7: choose one of 0, 1100, 2250") as caught:
        loading.load("loupe-mini@7")
    assert caught.value.field == "model"
    with pytest.raises(InputError, match="has no checkpoints beside its weights: leave “@7” out"):
        loading.load(f"{tiny_folder('gpt2')}@7")
    with pytest.raises(InputError, match="There are no checkpoints of .* on this machine"):
        checkpoints.chosen(str(tiny_folder("gpt2")))
    with pytest.raises(InputError, match="There is no model “loupe-mnii@7”: did you mean loupe-mini"):
        loading.load("loupe-mnii@7")
    damaged = with_checkpoints(tiny_folder("gpt2"), tmp_path / "damaged", (1,))
    (damaged / "checkpoints" / "scores.json").write_text('{"checkpoints": [{}]}')
    with pytest.raises(InputError, match="scores.json is damaged"):
        checkpoints.series(str(damaged))


def test_a_cache_that_cannot_be_written_to_gets_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written to, and a checkpoint is opened from there"):
        loading.locate("loupe-mini@2500")


def test_it_is_asked_for_like_any_model():
    request = Request.of("predict", "loupe-mini@2500", prompt="The capital of Texas is")
    assert "--model loupe-mini@2500" in request.as_command() and "'loupe-mini@2500'" in request.as_python()
