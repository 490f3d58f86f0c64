"""The lens over steps and layers, against plain transformers with each checkpoint's weights."""

import shutil

import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import constants

from mi_core.analyses.lens_timeline import lens_timeline
from mi_core.analyses.logit_lens import logit_lens
from mi_core.editing.overlay import edited
from mi_core.errors import InputError
from mi_core.models.loading import load
from tests.core.checkpoint_folders import as_revisions, with_checkpoints
from tests.core.plain_reference import plain
from tests.sentences import faults

PROMPT, FACT = " the cat sat on", "The capital of Texas is"
DRINK = "When Mary and John went to the store, John gave a drink to"


def hf_checkpoint(folder, step):
    """Plain transformers, from a folder where the checkpoint's weights take the place of the model's, in 32 bits."""
    own = shutil.copytree(folder, folder.with_name(f"own {step}"))
    shutil.copy(folder / "checkpoints" / f"step_{step}.safetensors", own / "model.safetensors")
    return transformers.AutoModelForCausalLM.from_pretrained(
        own, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def test_every_checkpoint_ends_as_plain_transformers_does(architecture, tiny_folder, tmp_path):
    folder = with_checkpoints(tiny_folder(architecture), tmp_path / "series", (5, 40))
    found = lens_timeline(load(str(folder)), PROMPT, target=" dog")
    assert list(found.steps) == [5, 40] and all(check.passed for check in found.checks)
    for row, step in enumerate((5, 40)):
        with torch.no_grad():
            own = hf_checkpoint(folder, step)(torch.tensor([found.tokens.ids])).logits[0, -1].softmax(-1).numpy()
        assert found.target_probability[row, -1] == pytest.approx(own[found.target.token_id], abs=1e-4)
        assert found.probability[row, -1] == pytest.approx(own.max(), abs=1e-4)
        assert found.target_rank[row, -1] == (own > own[found.target.token_id]).sum() + 1
    assert not faults(found)


def test_layers_are_read_through_the_checkpoint_s_own_norm_and_unembedding(mini, tiny_folder, tmp_path):
    folder = with_checkpoints(tiny_folder("gpt2"), tmp_path / "series", (5,))
    found = lens_timeline(load(str(folder)), PROMPT, target=" dog")
    model = hf_checkpoint(folder, 5)
    resid = torch.stack(plain(model, found.tokens.ids).resid)[:, -1]
    own = model.lm_head(model.transformer.ln_f(resid)).softmax(-1)[:, found.target.token_id]
    np.testing.assert_allclose(found.target_probability[0], own.detach(), atol=1e-4)


def test_the_step_at_which_it_became_true(mini):
    found = lens_timeline(mini, DRINK)
    assert found.reading().title == "“·Mary” is the top guess from step 4,000 on"
    assert "It was so at step 2,500 already, and was lost again." in found.reading().sentences
    true = found.tables()["became_true"]
    assert list(true["step"].dropna()) == [15000, 8000, 4000] and not faults(found)
    last = found.tables()["lens"].query("layer == 4").set_index("step")
    assert (last["target_rank"] == 1)[4000:].all() and last["target_rank"][3500] > 1
    never = lens_timeline(mini, DRINK, target="John")
    assert never.reading().title.startswith("“·John” is not the top guess at step 15,000: it stands at rank")
    assert not faults(never)


def test_the_last_column_is_the_shipped_model_s_own_lens(mini):
    found, lens = lens_timeline(mini, FACT), logit_lens(mini, FACT)
    np.testing.assert_array_equal(found.target_probability[-1], lens.target_probability[:, -1])
    np.testing.assert_array_equal(found.target_rank[-1], lens.target_rank[:, -1])
    checks = {check.name: check for check in found.checks}
    assert checks["the last column equals the logit lens of loupe-mini"].error == 0


def test_partial_results_and_chosen_steps(mini):
    told = []
    found = lens_timeline(mini, FACT, steps=(3000, 0, 15000), progress=lambda *step: told.append(step))
    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert [list(partial.steps) for _, _, partial in told] == [[15000], [0, 15000], [0, 3000, 15000]]
    assert all(partial.reading().title for _, _, partial in told) and list(found.steps) == [0, 3000, 15000]
    early = lens_timeline(load("loupe-mini@3000"), FACT, steps=(0, 3000))
    np.testing.assert_array_equal(early.target_probability, found.target_probability[:2])
    assert early.model == "loupe-mini"


def test_a_public_series_by_its_revisions(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    as_revisions(tiny_folder("neox"), tmp_path, "tiny/series", (8, 512))
    found = lens_timeline(load("tiny/series@step512"), PROMPT)
    assert found.model == "tiny/series" and found.models == ("tiny/series@step8", "tiny/series@step512")
    assert all(check.passed for check in found.checks)


def test_what_cannot_be_looked_at_gets_a_sentence(mini, tiny_model):
    with pytest.raises(InputError, match="There are no checkpoints of .*: name the steps to fetch") as caught:
        lens_timeline(tiny_model("llama"), PROMPT)
    assert caught.value.field == "steps"
    with pytest.raises(InputError, match="loupe-mini has no checkpoint 7: choose one of 0, 1100") as caught:
        lens_timeline(mini, FACT, steps=(7,))
    assert caught.value.field == "steps"
    changed = edited(mini, [{"kind": "orthogonalise", "direction": "token: Austin"}])
    with pytest.raises(InputError, match="Edits are made in one model, and a training has many"):
        lens_timeline(changed, FACT)
