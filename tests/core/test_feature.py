"""One SAE feature: its activations by hand, its neighbours, and what is known of it."""

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from mi_core.analyses import feature as module
from mi_core.analyses.feature import feature
from mi_core.analyses.features import features
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.saes import loading as saes
from mi_core.saes.notes import notes
from tests.core.sae_folders import k_of, save_sae, standard_encode, topk_encode, weights_of

MINI_SAE = Path(__file__).parents[2] / "models/loupe-mini/saes/blocks.2.hook_resid_pre"
K = k_of(MINI_SAE)
REVIEW = "This movie was wonderful. I loved the story. The acting was"


@pytest.fixture(scope="module")
def described(tiny_folder, tmp_path_factory):
    """A tiny Llama with an SAE whose features are described; feature 3 has two contexts."""
    folder = copytree(tiny_folder("llama"), tmp_path_factory.mktemp("sae") / "llama")
    sae = save_sae(folder, hooks.resid_pre(1))
    known = {"rule": "by hand", "confidence": 0.5, "max_activation": 8.0}
    rows = [{"feature": i, "label": f"number {i}", "density": i / 100, **known} for i in range(48) if i != 5]
    contexts = [
        {"tokens": [" the", " cat"], "activations": [0.0, 7.5], "peak": 1},
        {"tokens": [" dog"], "activations": [2.0], "peak": 0},
    ]
    (sae / "features.json").write_text(json.dumps({"label_rule": "Counted.", "features": rows}))
    (sae / "contexts.json").write_text(json.dumps({"features": {"3": contexts}}))
    return load(str(folder))


def test_activations_of_the_built_in_model(mini, hf_model):
    w = weights_of(MINI_SAE)
    result = feature(mini, REVIEW, feature=757)
    ids = torch.tensor([result.tokens.ids])
    x = hf_model("loupe-mini")(ids, output_hidden_states=True).hidden_states[2][0]
    expected = topk_encode(x, w, k=K)[:, 757]
    np.testing.assert_allclose(result.activations[1:], expected[1:], atol=1e-3)
    assert np.isnan(result.activations[0])
    assert result.skipped_pos == (0,)
    assert expected[1:].max() > 1
    assert all(check.passed for check in result.checks)


def test_activations_of_every_architecture(architecture, tiny_folder, hf_model, tmp_path):
    folder = copytree(tiny_folder(architecture), tmp_path / architecture)
    save_sae(folder, hooks.resid_pre(1))
    w = weights_of(folder / "saes" / hooks.resid_pre(1))
    model = load(str(folder))
    tokens = model.tokens(" the cat sat on", prepend_bos=False)
    ids = torch.tensor([tokens.ids])
    encoded = standard_encode(hf_model(architecture)(ids, output_hidden_states=True).hidden_states[1][0], w)
    strongest = int(encoded.amax(0).argmax())
    result = feature(model, " the cat sat on", feature=strongest, sae=hooks.resid_pre(1), prepend_bos=False)
    np.testing.assert_allclose(result.activations, encoded[:, strongest], atol=1e-3, rtol=1e-4)
    assert result.skipped_pos == ()


def test_agrees_with_the_features_of_the_prompt(mini):
    table = features(mini, REVIEW, top_k=K).tables()["features"]
    wanted = int(table.feature.mode()[0])
    over_prompt = feature(mini, REVIEW, feature=wanted).tables()["activations"].set_index("pos").activation
    mine = table[table.feature == wanted].set_index("pos").activation
    np.testing.assert_allclose(over_prompt[mine.index], mine, atol=1e-4)
    assert (over_prompt.drop(mine.index).dropna() == 0).all()


def test_chunks_change_nothing(mini, monkeypatch):
    whole = feature(mini, REVIEW, feature=757)
    monkeypatch.setattr(module, "POSITIONS_AT_ONCE", 3)
    np.testing.assert_allclose(feature(mini, REVIEW, feature=757).activations, whole.activations, atol=1e-4)


def test_nearest_features_by_cosine(described):
    w = weights_of(Path(described.id) / "saes" / hooks.resid_pre(1))["W_dec"]
    result = feature(described, " the cat", feature=3)
    unit = torch.nn.functional.normalize(w, dim=-1)
    cosines = unit @ unit[3]
    cosines[3] = -2
    expected = cosines.topk(5)
    assert result.nearest_ids.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(result.nearest_cosines, expected.values, atol=1e-5)
    assert result.nearest_labels == tuple("" if i == 5 else f"number {i}" for i in expected.indices.tolist())


def test_what_is_known_of_it(described):
    result = feature(described, " the cat", feature=3)
    assert (result.label, result.rule, result.confidence) == ("number 3", "by hand", 0.5)
    assert result.label_rule == "Counted."
    assert (result.density, result.max_activation) == (0.03, 8.0)
    assert result.neuronpedia is None
    table = result.tables()["contexts"]
    assert table.values.tolist() == [
        [0, 0, " the", 0.0, False],
        [0, 1, " cat", 7.5, True],
        [1, 0, " dog", 2.0, True],
    ]
    assert len(feature(described, " the cat", feature=3, top_k=1).contexts) == 1
    shares = result.tables()["activations"]
    np.testing.assert_allclose(shares.share_of_max, shares.activation / 8.0)


def test_a_feature_of_which_nothing_is_known(described):
    result = feature(described, " the cat", feature=5)
    assert (result.label, result.rule, result.contexts) == ("", "", ())
    assert np.isnan([result.confidence, result.density, result.max_activation]).all()
    assert result.tables()["contexts"].empty


def test_damaged_descriptions_are_the_same_as_none(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("qwen3"), tmp_path / "qwen3")
    sae = save_sae(folder, hooks.resid_pre(2))
    (sae / "features.json").write_text('{"features": [')
    (sae / "contexts.json").write_text("[]")
    result = feature(load(str(folder)), " the cat", feature=1, sae=hooks.resid_pre(2))
    assert (result.label, result.contexts) == ("", ())


def test_promoted_tokens_by_hand(mini, hf_model):
    w, hf = weights_of(MINI_SAE), hf_model("loupe-mini")
    result = feature(mini, REVIEW, feature=757, top_k=6)
    row = w["W_dec"][757] / w["W_dec"][757].norm()
    effects = ((row - row.mean()) * hf.transformer.ln_f.weight) @ hf.lm_head.weight.T
    effects = effects - effects.mean()
    np.testing.assert_allclose(result.promotion.promoted_effects[0], effects.topk(6).values, rtol=1e-3)
    np.testing.assert_allclose(result.promotion.suppressed_effects[0], -(-effects).topk(6).values, rtol=1e-3)
    table = result.tables()["promoted"]
    assert table.direction.tolist() == ["promoted"] * 6 + ["suppressed"] * 6


def test_the_built_in_descriptions_agree_with_what_is_computed(mini):
    """A shipped context, read again: the same activations, and none above the largest that is recorded."""
    result = feature(mini, REVIEW, feature=757)
    assert result.label or result.nearest_label
    assert 0 < result.density < 1
    assert 0 < result.confidence <= 1
    context = result.contexts[0]
    assert context.activations[context.peak] == pytest.approx(result.max_activation, abs=1e-3)
    assert np.nanmax(result.activations) <= result.max_activation * 1.2
    assert result.tables()["contexts"].query("is_peak").activation.tolist() == sorted(
        (each.activations[each.peak] for each in result.contexts), reverse=True
    )


def test_readings(mini, described):
    reading = feature(mini, REVIEW, feature=757).reading()
    assert reading.title.startswith("Feature 757")
    assert "fires most on “" in reading.title
    assert "number 3" in feature(described, " the cat", feature=3).reading().title
    silent = next(result for i in range(1024) if (result := feature(mini, "Hello", feature=i)).activations[-1] == 0)
    assert "is silent on this prompt" in silent.reading().title


@pytest.mark.parametrize("number", [-1, 1024, 10**9])
def test_feature_out_of_range(mini, number):
    with pytest.raises(InputError, match=f"no feature {number}: this SAE has features 0 to 1023") as caught:
        feature(mini, REVIEW, feature=number)
    assert caught.value.field == "feature"


def test_bad_top_k(mini):
    with pytest.raises(InputError, match="choose a number from 1 to 100") as caught:
        feature(mini, REVIEW, feature=1, top_k=0)
    assert caught.value.field == "top_k"


def test_a_context_begins_and_ends_with_whole_characters(tiny_folder, tmp_path):
    """A token at an end of the stored window may hold a part of a character: the middle, and the peak, stay."""
    folder = copytree(tiny_folder("qwen3"), tmp_path / "qwen3")
    sae = save_sae(folder, hooks.resid_pre(2))
    tokens = ["\ufffd", "\ufffdnig", " ist", "\ufffd", " kl", "ein", "\ufffd"]
    rows = [{"tokens": tokens, "activations": [1.0, 2, 3, 4, 5, 6, 7], "peak": 4}]
    rows.append({"tokens": ["\ufffd", " a"], "activations": [9.0, 0.0], "peak": 0})
    (sae / "contexts.json").write_text(json.dumps({"features": {"3": rows}}))
    first, second = feature(load(str(folder)), " the cat", feature=3).contexts
    assert first.tokens == (" ist", "\ufffd", " kl", "ein") and first.activations == (3, 4, 5, 6)
    assert first.tokens[first.peak] == " kl"
    assert second.tokens == ("\ufffd", " a") and second.peak == 0


def test_a_label_that_fits_less_than_half_is_not_shown_as_its_meaning(mini):
    """Every built-in autoencoder's file, against what is made of it."""
    for entry in saes.available("loupe-mini"):
        rows = json.loads((entry.folder / "features.json").read_text())["features"]
        book = notes(entry)
        for row in rows:
            note, fits = book.of(row["feature"]), row["confidence"] >= 0.5 or row["density"] == 0
            assert (note.label, note.nearest) == ((row["label"], "") if fits else ("", row["label"]))
    weak = next(row["feature"] for row in rows if 0 < row["confidence"] < 0.2)
    found = feature(mini, "The capital of Texas is", feature=weak, sae=entry.name)
    assert "(" not in found.reading().title and found.nearest_label
