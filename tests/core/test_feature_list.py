"""Lists of features: SAEs by hand on plain transformers, notes of our own, and what is hidden counted one by one."""

import functools
import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from mi_core.analyses.feature_effects import feature_effects
from mi_core.analyses.feature_list import feature_list
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from tests.core.plain_reference import plain
from tests.core.sae_folders import save_sae, topk_encode, weights_of

PROMPT, HOOK = " the cat sat on the dog, é", hooks.resid_post(0)
NOTES = [
    {"feature": i, "density": i / 50, "label": f"about {'cats' if i % 3 else 'dogs'}", "confidence": 1.0}
    for i in range(48)
]


@pytest.fixture(scope="module")
def described(tiny_folder, tmp_path_factory):
    """described(name): the tiny model of that architecture with an SAE whose features have labels and densities."""

    @functools.cache
    def open_model(name: str):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("list") / name)
        (save_sae(folder, HOOK, "topk") / "features.json").write_text(json.dumps({"features": NOTES}))
        return load(str(folder))

    return open_model


def encoded(model, hf, tokens) -> np.ndarray:
    """[pos, feature] By hand."""
    x = plain(hf, tokens.ids).resid[1].detach()
    return topk_encode(x, weights_of(Path(model.id) / "saes" / HOOK), 6).numpy()


def test_what_is_listed_is_the_largest_of_the_prompt_or_token(architecture, described, hf_model):
    model = described(architecture)
    for over in ("prompt", "token"):
        found = feature_list(model, PROMPT, over=over, top_k=48)
        start = int(found.tokens.has_bos)
        values = encoded(model, hf_model(architecture), found.tokens)[start:]
        values = values if over == "prompt" else values[-1:]
        table = found.tables()["features"]
        assert set(found.features) == set(np.flatnonzero(values.any(0))) and found.n_wanted == len(found.features)
        np.testing.assert_allclose(table["activation"], values.max(0)[found.features], rtol=1e-3)
        assert (np.diff(table["activation"]) <= 0).all()
        assert table["n_tokens"].tolist() == (values[:, found.features] > 0).sum(0).tolist()
        if over == "prompt":
            assert table["pos"].tolist() == (values.argmax(0)[found.features] + start).tolist()
        assert all(check.passed for check in found.checks)


def test_effects_are_those_of_feature_effects(architecture, described):
    model, asked = described(architecture), {"target": "cat", "foil": "dog"}
    for over in ("prompt", "token"):
        found = feature_list(model, PROMPT, over=over, sort="effect", top_k=5, **asked)
        every = feature_effects(model, PROMPT, top_k=48, **asked)
        effects = every.estimate.sum(1) if over == "prompt" else every.estimate[:, found.pos]
        known = dict(zip(every.features.tolist(), effects.tolist(), strict=True))
        best = sorted(known, key=lambda number: -abs(known[number]))[:5]
        assert found.features.tolist() == best
        np.testing.assert_allclose(found.effects, [known[number] for number in best], rtol=1e-4)
        assert len(found.checks) == 2 and all(check.passed for check in found.checks)


def test_dense_features_and_other_labels_are_hidden_and_counted(described):
    model = described("gpt2")
    every = feature_list(model, PROMPT, over="prompt", sort="density", top_k=48)
    assert (np.diff(every.densities) > 0).all()
    few = feature_list(model, PROMPT, over="prompt", sort="density", top_k=48, max_density=0.5, search="DOGS")
    kept = [number for number in every.features if number <= 25 and number % 3 == 0]
    dense = sum(number > 25 for number in every.features)
    assert few.features.tolist() == kept
    assert (few.hidden_dense, few.hidden_search) == (dense, len(every.features) - dense - len(kept))
    said = " ".join(few.reading().sentences)
    assert f"{dense} active on more than 50.0% of all tokens and" in said and "without “DOGS” in the label" in said
    silent = [number for number in range(0, 48, 3) if number not in every.features]
    assert few.n_silent == len(silent) and f"#{silent[0]} about dogs" in said
    number = int(every.features[0])
    assert feature_list(model, PROMPT, over="prompt", search=f"#{number}").features.tolist() == [number]


def test_the_first_token_can_be_left_out_where_there_is_no_start_token(described, hf_model):
    model = described("neox")
    every = feature_list(model, PROMPT, over="prompt", prepend_bos=False, top_k=48)
    found = feature_list(model, PROMPT, over="prompt", prepend_bos=False, top_k=48, first_token=False)
    values = encoded(model, hf_model("neox"), every.tokens)
    assert set(found.features) == set(np.flatnonzero(values[1:].any(0)))
    assert found.hidden_first == len(every.features) - len(found.features)
    with_start = feature_list(model, PROMPT, over="prompt", prepend_bos=True, first_token=False)
    assert with_start.hidden_first == 0


def test_what_is_not_known_is_said(with_sae):
    model = with_sae("gpt2")
    found = feature_list(model, PROMPT, max_density=0.1)
    assert len(found.features) and found.reading().sentences == (
        "This autoencoder says nothing of how often its features fire, so none is hidden for that.",
    )
    nothing = feature_list(model, PROMPT, search="cats")
    assert nothing.reading().title.startswith("No feature to list is active on")
    assert "has no labels to search" in nothing.reading().sentences[1]
    with pytest.raises(InputError, match="does not say how often its features fire") as caught:
        feature_list(model, PROMPT, sort="density")
    assert caught.value.field == "sort"
    with pytest.raises(InputError, match="max_density is 0: choose a share above 0") as caught:
        feature_list(model, PROMPT, max_density=0)
    assert caught.value.field == "max_density"


def test_a_local_sae_that_names_its_page_links_to_it_and_others_do_not(with_sae, tiny_folder, tmp_path):
    """`neuronpedia_id` of sae_lens' own metadata; what is no such id makes no link."""
    assert feature_list(with_sae("gpt2"), PROMPT).urls[0] == ""
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    config = save_sae(folder, HOOK, "topk") / "cfg.json"
    written = json.loads(config.read_text())
    for named, link in (("tiny/0-res", "https://www.neuronpedia.org/tiny/0-res/"), ("../x?y", ""), (["a/b"], "")):
        config.write_text(json.dumps(written | {"metadata": written["metadata"] | {"neuronpedia_id": named}}))
        found = feature_list(load(str(folder)), PROMPT)
        assert found.urls[0] == (f"{link}{found.features[0]}" if link else "")
