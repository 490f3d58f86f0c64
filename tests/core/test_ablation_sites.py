"""Ablation of neurons, SAE features and positions, against hooks written by hand in plain transformers."""

import functools
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.ablation import knockout
from mi_core.ablation.component import component
from mi_core.analyses import ablation as module
from mi_core.analyses._index import bound
from mi_core.analyses.ablation import ablation, planned
from mi_core.analyses.attribution import attribution
from mi_core.errors import InputError
from mi_core.interventions.intervention import run_with
from mi_core.interventions.sweep import sweep
from mi_core.metrics.metric import Metrics
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.saes.loading import load_sae
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import plain
from tests.core.sae_folders import CENTRED, save_sae, standard_encode, topk_encode, weights_of

PROMPT = " the cat sat on the dog, é"
REFERENCE = " the dog sat on\n the cat, the dog, the cat sat on the dog"
NAMES = "When Mary and John went to the store, John gave a drink to"


def value_of(found, logits):
    foil = found.target.foil_id
    return float(logits[-1, found.target.token_id] - (0 if foil is None else logits[-1, foil]))


def replaced(model, hf, site, layer, mode, own, bos):
    """What the definition puts in place of `own` [pos, d]; a start token keeps what it has but for zero."""
    if mode == "zero":
        return torch.zeros_like(own)
    others = [activations(hf, model.tokens(line).ids, site)[layer][bos:] for line in REFERENCE.splitlines()]
    if mode == "mean":
        new = torch.cat(others).mean(0).expand(len(own), -1).clone()
    else:
        new = torch.stack([others[0][max(0, len(others[0]) - len(own) + pos)] for pos in range(len(own))])
    new[:bos] = own[:bos]
    return new


# Neurons ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["zero", "mean", "resample"])
def test_every_neuron_of_a_layer_equals_a_hook_written_by_hand(architecture, tiny_model, hf_model, mode):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", foil="dog", site="neuron", layer=1, mode=mode, reference=REFERENCE)
    ids = found.tokens.ids
    new = replaced(model, hf, "post", 1, mode, activations(hf, ids, "post")[1], int(found.tokens.has_bos))
    assert len(found.components) == new.shape[-1] == model.n_neurons(1)
    for neuron in range(0, len(found.components), 9):
        edit = ("post", 1, lambda x, n=neuron: x.__setitem__((slice(None), n), new[:, n]))
        assert found.value[neuron] == pytest.approx(value_of(found, run_edited(hf, ids, [edit])), abs=1e-4)
        assert found.components[neuron] == f"L1N{neuron}"
    assert np.abs(found.change).max() > 1e-3
    assert all(check.passed for check in found.checks) and found.checks[0].error == 0


def test_neurons_and_the_bias_write_what_the_mlp_writes(architecture, tiny_model):
    """Zeroed one by one, their direct effects and the bias's add up to the MLP's share of the answer."""
    model = tiny_model(architecture)
    found = ablation(model, PROMPT, target="cat", foil="dog", site="neuron", layer=2, mode="zero")
    table = attribution(model, PROMPT, target="cat", foil="dog").tables()["contributions"]
    whole = float(table[(table.kind == "mlp") & (table.layer == 2)]["contribution"].iloc[0])
    silent = ablation(model, PROMPT, target="cat", foil="dog", site="mlp_out", layer=2, mode="zero")
    assert float(silent.direct[0]) == pytest.approx(whole, abs=1e-3)
    assert float(found.direct.sum()) + _bias_effect(model, found) == pytest.approx(whole, abs=2e-3)


def _bias_effect(model, found) -> float:
    """What the last projection's bias and the norm after it write towards the answer, by linearity at 0 and 1."""
    layer, pos = 2, found.pos
    acts = model.run(found.tokens, [hooks.mlp_value(layer), hooks.mlp_out(layer), hooks.resid_post(layer)])
    last = acts[hooks.resid_post(layer)][pos]
    norm = model.final_norm
    reader = norm.pull_back(found.target.direction(model)) / norm.scale(last[None])[0]
    bias, post = model.mlp_bias(layer), model.mlp_post_norm(layer)
    if post is not None:
        scale = post.scale(acts[hooks.mlp_value(layer)][pos])
        bias = post.linear(bias) / scale + post.bias
    return float(bias @ reader)


def test_a_single_neuron_and_its_column(mini):
    one = ablation(mini, NAMES, site="neuron", layer=2, neuron=168, mode="zero")
    every = ablation(mini, NAMES, site="neuron", layer=2, mode="zero")
    assert one.components == ("L2N168",) and len(every.components) == 512
    assert one.value[0] == pytest.approx(every.value[168], abs=1e-4)
    assert every.tables()["effects"]["neuron"].tolist() == list(range(512))
    assert "neuron" in every.reading().title and "of layer 2" in every.reading().title


# Positions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["zero", "mean", "resample"])
def test_every_position_equals_a_hook_written_by_hand(architecture, tiny_model, hf_model, mode):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", site="position", mode=mode, reference=REFERENCE)
    ids = found.tokens.ids
    own = activations(hf, ids, "resid_pre")
    bos = int(found.tokens.has_bos)
    put = [replaced(model, hf, "resid_pre", layer, mode, own[layer], bos) for layer in range(3)]
    assert len(found.components) == 3 * len(ids)
    places = zip(found.component_layers, found.component_numbers, found.value, strict=True)
    for layer, pos, value in list(places)[::4]:
        edit = ("resid_pre", layer, lambda x, at=pos, new=put[layer]: x.__setitem__(at, new[at]))
        assert value == pytest.approx(value_of(found, run_edited(hf, ids, [edit])), abs=1e-4)
    elsewhere = np.array(found.component_numbers) != found.pos
    assert (found.direct[elsewhere] == 0).all() and np.abs(found.change[elsewhere]).max() > 0.01
    assert all(check.passed for check in found.checks)


def test_the_word_that_tells_is_what_matters(mini):
    found = ablation(mini, "The capital of Texas is", target="Austin", foil="Paris", site="position", layer=0)
    earlier = found.change[:-1]  # the last token holds the question itself
    assert found.tokens.texts[int(earlier.argmin())] == " Texas"
    table = found.tables()["effects"]
    assert table["token"].tolist() == list(found.tokens.texts) and table["pos"].tolist() == list(range(6))


# Features -----------------------------------------------------------------------------------------------------------

KINDS = {
    "standard": {},
    "centred": {"kwargs": CENTRED},
    "topk": {"kind": "topk"},
    "layer_norm": {"normalize": "layer_norm"},
    "rescaled": {"normalize": "constant_norm_rescale"},
}


@pytest.fixture(scope="module")
def with_sae(tiny_folder, tmp_path_factory):
    """with_sae(name, kind): the tiny model of that architecture with such an SAE at resid_pre of its block 1."""

    @functools.cache
    def open_model(name: str, kind: str = "standard"):
        folder = copytree(tiny_folder(name), tmp_path_factory.mktemp("sae") / f"{name}-{kind}")
        save_sae(folder, hooks.resid_pre(1), **KINDS[kind])
        return load(str(folder))

    return open_model


def by_hand(kind: str, x: torch.Tensor, w: dict, feature: int) -> torch.Tensor:
    """What the feature writes into each position of `x` [pos, d_model]."""
    row = w["W_dec"][feature]
    if kind == "topk":
        return topk_encode(x, w, 6)[:, feature, None] * row / row.norm()
    if kind == "centred":
        return standard_encode(x - x.mean(-1, keepdim=True), w)[:, feature, None] * row
    if kind == "layer_norm":
        seen = x - x.mean(-1, keepdim=True)
        spread = seen.std(-1, keepdim=True)
        return standard_encode(seen / (spread + 1e-5), w)[:, feature, None] * row * spread
    if kind == "rescaled":
        shrink = x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)
        return standard_encode(x * shrink, w)[:, feature, None] * row / shrink
    return standard_encode(x, w)[:, feature, None] * row


def feature_edit(kind, w, bos, *features):
    def edit(x):
        seen = x[bos:].clone()  # a start token is not read
        x[bos:] -= sum(by_hand(kind, seen, w, feature) for feature in features)

    return ("resid_pre", 1, edit)


def weights(model):
    return weights_of(Path(model.id) / "saes" / hooks.resid_pre(1))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_feature_equals_its_term_taken_off_by_hand(with_sae, hf_model, kind):
    model, hf = with_sae("gpt2", kind), hf_model("gpt2")
    found = ablation(model, PROMPT, target="cat", foil="dog", site="feature", mode="zero")
    assert len(found.components) > 5 and np.abs(found.change).max() > 0.01
    for index in range(0, len(found.components), 3):
        edit = feature_edit(kind, weights(model), int(found.tokens.has_bos), found.component_numbers[index])
        expected = value_of(found, run_edited(hf, found.tokens.ids, [edit]))
        assert found.value[index] == pytest.approx(expected, abs=1e-4)
    assert all(check.passed for check in found.checks) and found.checks[0].error == 0


def test_features_on_every_architecture(architecture, with_sae, hf_model):
    model, hf = with_sae(architecture), hf_model(architecture)
    w = weights(model)
    found = ablation(model, PROMPT, target="cat", site="feature", mode="zero", also=("L0H1",))
    head = ("z", 0, lambda x: x.__setitem__((slice(None), 1), 0))
    assert found.baseline == pytest.approx(value_of(found, run_edited(hf, found.tokens.ids, [head])), abs=1e-4)
    for index in range(0, len(found.components), 4):
        edits = [head, feature_edit("standard", w, int(found.tokens.has_bos), found.component_numbers[index])]
        expected = value_of(found, run_edited(hf, found.tokens.ids, edits))
        assert found.value[index] == pytest.approx(expected, abs=1e-4), "read in the run without the head"


def test_features_that_are_out_are_read_in_each_run(with_sae, hf_model):
    """Two of one SAE together, and a head before it in each run: what the features write is what they then hold."""
    model, hf = with_sae("llama"), hf_model("llama")
    w = weights(model)
    first, second = ablation(model, PROMPT, target="cat", site="feature").component_numbers[:2]
    out = (f"feature {first}", f"feature {second}")
    heads = ablation(model, PROMPT, target="cat", layer=0, mode="zero", also=out)
    assert heads.also == out
    both = feature_edit("standard", w, int(heads.tokens.has_bos), first, second)
    base = value_of(heads, run_edited(hf, heads.tokens.ids, [both]))
    assert heads.baseline == pytest.approx(base, abs=1e-4)
    for head in range(4):
        silenced = ("z", 0, lambda x, h=head: x.__setitem__((slice(None), h), 0))
        expected = value_of(heads, run_edited(hf, heads.tokens.ids, [silenced, both]))
        assert heads.value[head] == pytest.approx(expected, abs=1e-4)
    third = ablation(model, PROMPT, target="cat", site="feature", mode="zero", also=out)
    index = next(i for i, number in enumerate(third.component_numbers) if number not in (first, second))
    edit = feature_edit("standard", w, int(third.tokens.has_bos), first, second, third.component_numbers[index])
    assert third.value[index] == pytest.approx(value_of(third, run_edited(hf, third.tokens.ids, [edit])), abs=1e-4)


def test_a_feature_that_is_silent_changes_nothing(mini):
    active = set(ablation(mini, NAMES, site="feature", mode="zero").component_numbers)
    silent = next(number for number in range(1024) if number not in active)
    found = ablation(mini, NAMES, site="feature", feature=silent, mode="zero")
    assert found.peaks == (0.0,) and found.direct[0] == 0
    np.testing.assert_allclose(found.change, 0, atol=1e-4)
    np.testing.assert_allclose(found.kl, 0, atol=1e-6)


def test_all_features_the_bias_and_the_error_are_the_activation(mini):
    """What all active features write is what decode gives beyond its bias."""
    from mi_core.ablation.feature_writes import FeatureWrites, active

    sae = load_sae(mini)
    tokens = mini.tokens(NAMES)
    x = mini.run(tokens, [sae.hook])[sae.hook]
    writes = FeatureWrites(sae, tuple(one.number for one in active(sae, x).features))
    written = writes.amounts(x) @ writes.directions
    bias = sae.decode(torch.zeros(len(x), sae.d_sae), x)
    np.testing.assert_allclose(written + bias, sae.decode(sae.encode(x), x), atol=1e-4)


def test_after_the_last_block_only_the_norm_reacts(mini):
    """There a feature's effect is its term gone from what the norm reads; its direct effect, that at a held scale."""
    hook = "blocks.3.hook_resid_post"
    found = ablation(mini, NAMES, target="Mary", foil="John", site="feature", mode="zero", sae=hook)
    sae, x = load_sae(mini, hook), mini.run(found.tokens, [hook])[hook][-1:]
    encoded, norm, direction = sae.encode(x)[0], mini.final_norm, found.target.direction(mini)
    assert np.abs(found.direct).max() > 0.5
    for feature, value, direct in zip(found.component_numbers, found.value, found.direct, strict=True):
        left = x - encoded[feature] * sae.W_dec[feature]
        assert value == pytest.approx(float(norm.apply(left)[0] @ direction), abs=1e-4)
        held = (norm.linear(x) - norm.linear(left)) / norm.scale(x)
        assert direct == pytest.approx(float(held[0] @ direction), abs=1e-4)
    table = found.tables()["effects"]
    assert {"feature", "label", "activation"} <= set(table) and (table["activation"].diff().dropna() <= 0).all()


def test_only_the_strongest_are_measured_and_the_rest_is_said(mini, monkeypatch):
    from mi_core.ablation import feature_writes

    monkeypatch.setattr(feature_writes, "MOST", 7)
    found = ablation(mini, NAMES, site="feature", mode="zero")
    assert len(found.components) == 7 and found.left_out > 10
    assert f"{found.left_out} weaker features were left out" in found.reading().sentences[-1]


# Identities, plans, errors ------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_its_checks_hold_for_any_prompt(mini, data):
    prompt = data.draw(st.text("abcde THE.\n", min_size=1, max_size=20).filter(str.strip))
    site = data.draw(st.sampled_from(["neuron", "feature", "position"]))
    mode = data.draw(st.sampled_from(["zero", "mean", "resample"]))
    layer = data.draw(st.integers(0, 3))
    found = ablation(mini, prompt, site=site, mode=mode, layer=None if site == "feature" else layer)
    assert all(check.passed for check in found.checks) and found.checks[0].error == 0
    assert found.reading().title and (found.kl >= 0).all()
    if mode == "resample":  # another prompt's own activation, from the very same prompt
        same = ablation(mini, prompt, site=site, mode=mode, layer=layer, reference=prompt.replace("\n", " "))
        if "\n" not in prompt:
            np.testing.assert_allclose(same.change, 0, atol=2e-4)


@pytest.mark.parametrize("site", ["head", "neuron", "feature", "position", "mlp_out"])
def test_the_plan_is_what_is_swept(mini, site):
    chosen = {"site": site, "layer": 2 if site == "neuron" else None, "also": ("L1H1",), "target": "Mary"}
    ids, cells = planned(mini, **bound("ablation", {"prompt": NAMES, **chosen}))
    found = ablation(mini, NAMES, **chosen)
    assert len(cells) == len(found.components) and len(ids) == found.pos + 1
    some = [0, len(cells) - 1]
    baseline = mini.run(found.tokens).logits[-1]
    again = sweep(mini, ids, [cells[i] for i in some], Metrics(found.target, baseline)).values[:, 0]
    np.testing.assert_allclose(again, found.value[some], atol=1e-4)


def test_a_sweep_that_is_interrupted_leaves_no_hook(mini):
    held = hooks_left(mini)

    def stop(done, total, partial=None):
        raise KeyboardInterrupt

    for site in ("neuron", "feature", "position"):
        with pytest.raises(KeyboardInterrupt):
            ablation(mini, NAMES, site=site, layer=1, also=("feature 115",), progress=stop)
    assert hooks_left(mini) == held


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"site": "neuron"}, "Neurons belong to a layer", "layer"),
        ({"site": "neuron", "layer": 1, "neuron": 512}, "There is no neuron 512 in layer 1", "neuron"),
        ({"site": "neuron", "layer": 4}, "There is no layer 4", "layer"),
        ({"site": "neuron", "neuron": 3}, "A neuron belongs to a layer", "layer"),
        ({"site": "head", "neuron": 3}, "head has no neurons", "neuron"),
        ({"site": "feature", "feature": 1024}, "There is no feature 1024", "feature"),
        ({"site": "feature", "sae": "blocks.9.hook_resid_pre"}, "There is no SAE at", "sae"),
        ({"site": "position", "token": 15}, "There is no token 15", "token"),
        ({"site": "position", "at": "pos"}, "its own place only", "at"),
        ({"site": "mlp_out", "token": 2}, "mlp_out has no tokens: leave the token out, or choose", "token"),
        ({"also": ("L2N512",)}, "There is no neuron 512 in layer 2", "also"),
        ({"also": ("feature 4000",)}, "There is no feature 4000", "also"),
        ({"also": ("L1H9",)}, "There is no head 9", "also"),
        ({"also": ("L1P40",)}, "There is no token 40", "also"),
    ],
)  # fmt: skip
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        ablation(mini, NAMES, **chosen)
    assert caught.value.field == field


def test_features_without_an_sae_get_a_sentence(tiny_model):
    with pytest.raises(InputError, match="There is no SAE for") as caught:
        ablation(tiny_model("gpt2"), PROMPT, site="feature")
    assert caught.value.field == "sae"
    assert module.ablation is ablation


# Set to a number, or to the mean ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [0.0, 2.5])
def test_a_feature_set_to_a_number_equals_that_much_of_its_direction_by_hand(with_sae, hf_model, kind, number):
    model, hf, w = with_sae("gpt2", kind), hf_model("gpt2"), weights(with_sae("gpt2", kind))
    found = ablation(model, PROMPT, target="cat", site="feature", mode="set", set_to=number)
    for index in range(0, len(found.components), 5):
        feature, bos = found.component_numbers[index], int(found.tokens.has_bos)

        def edit(x, feature=feature, bos=bos):
            seen = x[bos:].clone()
            x[bos:] += number * of_one(kind, seen, w, feature) - by_hand(kind, seen, w, feature)

        expected = value_of(found, run_edited(hf, found.tokens.ids, [("resid_pre", 1, edit)]))
        assert found.value[index] == pytest.approx(expected, abs=2e-4)
    assert all(check.passed for check in found.checks) and np.abs(found.change).max() > 0.01


def of_one(kind: str, x: torch.Tensor, w: dict, feature: int) -> torch.Tensor:
    """What an activation of 1 writes."""
    row = w["W_dec"][feature]
    if kind == "layer_norm":
        return row * (x - x.mean(-1, keepdim=True)).std(-1, keepdim=True)
    if kind == "rescaled":
        return row * x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
    return row / row.norm() if kind == "topk" else row


@pytest.mark.parametrize("mode", ["mean", "resample"])
def test_a_feature_at_what_it_is_elsewhere_equals_it_by_hand(with_sae, hf_model, mode):
    model, hf = with_sae("gpt2"), hf_model("gpt2")
    w, reference = weights(model), " the dog sat on the mat, the cat sat on the dog\n the cat"
    found = ablation(model, PROMPT, target="cat", site="feature", mode=mode, reference=reference)
    bos = int(found.tokens.has_bos)
    seen = [plain(hf, model.tokens(line).ids).resid[1][bos:] for line in reference.splitlines()]
    n = len(found.tokens) - bos
    for index in range(0, len(found.components), 5):
        feature = found.component_numbers[index]
        amounts = [standard_encode(x, w)[:, feature] for x in seen]
        put = torch.cat(amounts).mean().expand(n) if mode == "mean" else amounts[0][-n:]

        def edit(x, put=put, feature=feature):
            x[bos:] += (put - standard_encode(x[bos:], w)[:, feature])[:, None] * w["W_dec"][feature]

        expected = value_of(found, run_edited(hf, found.tokens.ids, [("resid_pre", 1, edit)]))
        assert found.value[index] == pytest.approx(expected, abs=2e-4)


def test_a_neuron_set_to_a_number_equals_a_hook_written_by_hand(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", site="neuron", layer=1, neuron=5, mode="set", set_to=-1.5)
    edit = ("post", 1, lambda x: x.__setitem__((slice(None), 5), -1.5))
    expected = value_of(found, run_edited(hf, found.tokens.ids, [edit]))
    assert found.value[0] == pytest.approx(expected, abs=1e-4)
    assert found.reading().title.startswith("With neuron 5 of layer 1 set to -1.5, ")


@settings(deadline=None, max_examples=8)
@given(number=st.floats(-5, 20, width=32))
def test_a_feature_that_is_set_holds_that_number_when_all_is_read_again(mini, number):
    """One feature of a text: the difference that it makes to the stream is its direction, times what it lacked."""
    sae = load_sae(mini, None)
    tokens = mini.tokens(NAMES)
    x = mini.run(tokens, [sae.hook])[sae.hook]
    feature = int(sae.encode(x[1:]).amax(0).argmax())
    ready = knockout.prepare(
        mini, tokens, {sae.hook: x}, [component(mini, f"feature {feature}", "also", len(tokens))], "set", "",
        set_to=number, between=lambda: None,
    )  # fmt: skip
    out = [component(mini, f"feature {feature}", "also", len(tokens))]
    changed = run_with(mini, tokens, ready.together(out), [sae.hook])[sae.hook]
    wanted = (number - sae.encode(x)[1:, feature])[:, None] * sae.W_dec[feature]
    torch.testing.assert_close((changed - x)[1:], wanted, atol=1e-4, rtol=1e-4)
    assert torch.equal(changed[0], x[0]), "a start token is left to itself"


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"site": "head", "mode": "set", "set_to": 1.0}, "L0H0 is more than one number", "mode"),
        ({"site": "feature", "mode": "set", "set_to": 1.0, "also": ("MLP 0",)}, "MLP 0 is more than one", "mode"),
        ({"site": "feature", "mode": "set"}, "Say what number the activation is set to", "set_to"),
        ({"site": "feature", "mode": "set", "set_to": float("nan")}, "Say what number", "set_to"),
        ({"site": "feature", "mode": "zero", "set_to": 2.0}, "A value of 2 is for mode set", "set_to"),
    ],
)
def test_what_cannot_be_set_gets_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        ablation(mini, NAMES, **chosen)
    assert caught.value.field == field
