"""SAEs: what is listed without torch, and numbers equal to the arrays in the file multiplied by hand."""

import json
import subprocess
import sys
from shutil import copytree
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from mi_core.analyses.ablation import ablation
from mi_core.analyses.features import features
from mi_core.errors import Absent, InputError
from mi_core.models import hooks
from mi_core.models.catalogue import SaeEntry
from mi_core.models.loading import load
from mi_core.models.model import Model
from mi_core.saes import loading as saes
from mi_core.saes import notes
from tests.core.sae_folders import CENTRED, save_sae, standard_encode, topk_encode, weights_of

PROMPT = " the cat sat on the dog"


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory):
    """The tiny GPT-2 with four SAEs of different kinds."""
    folder = copytree(tiny_folder("gpt2"), tmp_path_factory.mktemp("sae") / "gpt2")
    save_sae(folder, hooks.resid_pre(1))
    save_sae(folder, hooks.resid_post(1), "topk")
    save_sae(folder, hooks.resid_pre(2), kwargs=CENTRED)
    save_sae(folder, hooks.mlp_out(0), normalize="layer_norm")
    return folder


@pytest.fixture(scope="module")
def model(folder) -> Model:
    return load(str(folder))


@pytest.fixture(scope="module")
def hidden(folder, model, hf_model) -> tuple:
    """Plain transformers: the residual stream after each block, [pos, d_model]."""
    ids = torch.tensor([model.tokens(PROMPT).ids])
    return tuple(states[0] for states in hf_model("gpt2")(ids, output_hidden_states=True).hidden_states)


def test_lists_a_folders_saes_in_the_order_of_the_computation(folder):
    found = saes.available(str(folder))
    assert [entry.hook for entry in found] == [
        "blocks.0.hook_mlp_out",
        "blocks.1.hook_resid_pre",
        "blocks.1.hook_resid_post",
        "blocks.2.hook_resid_pre",
    ]
    assert [entry.centred for entry in found] == [False, False, False, True]


def test_lists_the_public_saes_of_gpt2():
    found = saes.available("gpt2-small")
    assert [entry.hook for entry in found][:2] == ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"]
    assert all(entry.centred and entry.release == "gpt2-small-res-jb" for entry in found)
    assert saes.pick("gpt2-small").hook == "blocks.6.hook_resid_pre"


def test_listing_imports_no_torch():
    code = (
        "import sys; from mi_core.saes.loading import available; available('gpt2-small'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_folder_that_may_not_be_opened_is_not_looked_into(folder, tmp_path, monkeypatch):
    assert saes.available(str(folder))
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", str(tmp_path))
    assert saes.available(str(folder)) == ()


def test_unreadable_configurations_are_passed_over(tmp_path):
    for name, text in {"a": "{", "b": "[]", "c": '{"metadata": {"hook_name": "nowhere"}}'}.items():
        (tmp_path / "saes" / name).mkdir(parents=True)
        (tmp_path / "saes" / name / "cfg.json").write_text(text)
    assert saes.available(str(tmp_path)) == ()


def test_encode_equals_the_arithmetic_of_the_file(model, folder, hidden):
    w = weights_of(folder / "saes" / hooks.resid_pre(1))
    sae = saes.load_sae(model, hooks.resid_pre(1))
    torch.testing.assert_close(sae.encode(hidden[1]), standard_encode(hidden[1], w), atol=1e-4, rtol=1e-5)
    assert (sae.encode(hidden[1]) > 0).any()


def test_top_k_equals_the_arithmetic_of_the_file(model, folder, hidden):
    w = weights_of(folder / "saes" / hooks.resid_post(1))
    sae = saes.load_sae(model, hooks.resid_post(1))
    encoded = sae.encode(hidden[2])
    torch.testing.assert_close(encoded, topk_encode(hidden[2], w, k=6), atol=1e-3, rtol=1e-5)
    assert (encoded > 0).sum(-1).max() <= 6


def test_centring_reads_what_a_model_with_centred_writing_weights_computes(model, folder, hf_model):
    """Subtract the mean over d_model from every matrix that writes, as the SAE's authors did to their model."""
    import copy

    centred = copy.deepcopy(hf_model("gpt2"))
    body = centred.transformer
    body.wte.weight.data = body.wte.weight - body.wte.weight.mean(-1, keepdim=True)
    body.wpe.weight.data = body.wpe.weight - body.wpe.weight.mean(-1, keepdim=True)
    for block in body.h:
        for writer in (block.attn.c_proj, block.mlp.c_proj):
            writer.weight.data = writer.weight - writer.weight.mean(-1, keepdim=True)
            writer.bias.data = writer.bias - writer.bias.mean()
    tokens = model.tokens(PROMPT)
    states = centred(torch.tensor([tokens.ids]), output_hidden_states=True).hidden_states[2][0]
    w = weights_of(folder / "saes" / hooks.resid_pre(2))

    raw = model.run(tokens, [hooks.resid_pre(2)])[hooks.resid_pre(2)]
    sae = saes.load_sae(model, hooks.resid_pre(2))
    torch.testing.assert_close(sae.encode(raw), standard_encode(states, w), atol=2e-3, rtol=1e-4)
    assert (standard_encode(raw, w) - standard_encode(states, w)).abs().max() > 0.1


@pytest.mark.parametrize(
    "hook", [hooks.mlp_out(0), hooks.resid_pre(1), hooks.resid_post(1), hooks.resid_pre(2)], ids=lambda hook: hook[7:]
)
@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), size=st.floats(0.01, 100))
def test_reconstruction_plus_error_is_the_activation(hook, seed, size, model):
    sae = saes.load_sae(model, hook)
    x = torch.randn(3, model.d_model, generator=torch.Generator().manual_seed(seed)) * size + size
    features = sae.encode(x)
    reconstruction = sae.decode(features, x)
    error = x - reconstruction
    torch.testing.assert_close(sae.decode(sae.encode(x), x) + error, x, atol=1e-5 * max(size, 1), rtol=1e-5)
    if sae.centred:
        w = sae.inner.state_dict()
        expected = features @ w["W_dec"] + w["b_dec"] + x.mean(-1, keepdim=True)
        torch.testing.assert_close(reconstruction, expected, atol=1e-4, rtol=1e-4)


def test_directions_are_what_one_unit_of_activation_writes(model):
    x = torch.zeros(1, model.d_model)
    for hook in (hooks.resid_pre(1), hooks.resid_post(1), hooks.resid_pre(2)):
        sae = saes.load_sae(model, hook)
        ids = [0, 7, sae.d_sae - 1]
        written = [
            sae.decode(torch.eye(sae.d_sae)[feature][None], x) - sae.decode(torch.zeros(1, sae.d_sae), x)
            for feature in ids
        ]
        torch.testing.assert_close(sae.directions(ids), torch.cat(written), atol=1e-5, rtol=1e-5)


def test_layers(model):
    assert saes.load_sae(model, hooks.resid_pre(1)).residual_layer == 1
    assert saes.load_sae(model, hooks.resid_post(1)).residual_layer == 2
    assert saes.load_sae(model, hooks.mlp_out(0)).residual_layer == 1
    assert saes.load_sae(model, hooks.mlp_out(0)).layer == 0


def test_opened_saes_are_bounded_in_bytes(model, monkeypatch):
    size = (2 * 32 * 48 + 32 + 48) * 4
    saes._loaded.clear()
    monkeypatch.setattr(saes._loaded, "max_bytes", 2 * size)
    first = saes.load_sae(model, hooks.resid_pre(1))
    second = saes.load_sae(model, hooks.resid_post(1))
    assert saes.load_sae(model, hooks.resid_pre(1)).inner is first.inner
    saes.load_sae(model, hooks.resid_pre(2))
    assert saes.load_sae(model, hooks.resid_pre(1)).inner is first.inner
    assert saes.load_sae(model, hooks.resid_post(1)).inner is not second.inner


def _refused(model, hook=None, **changed) -> InputError:
    with pytest.raises(InputError) as caught:
        saes.load_sae(changed.get("instead", model), hook)
    assert caught.value.field == "sae"
    return caught.value


def test_unknown_hook(model):
    error = _refused(model, "blocks.9.hook_resid_pre")
    assert "no SAE at “blocks.9.hook_resid_pre”" in error.message
    assert error.suggestion == "blocks.1.hook_resid_post"


def test_model_without_saes(tiny_model):
    assert "There is no SAE for" in _refused(tiny_model("qwen3")).message


def test_a_public_sae_is_fetched_by_whoever_asks_not_by_opening_it():
    error = _refused(SimpleNamespace(id="gpt2-small", device="cpu"))
    assert isinstance(error, Absent)
    assert error.message.startswith("The SAE at blocks.6.hook_resid_pre has to be downloaded first")


def test_no_network():
    with pytest.raises(InputError, match="could not be fetched: check the network") as caught:
        saes.fetch(saes.pick("gpt2-small"), "cpu", lambda *step: None)
    assert caught.value.field == "sae"


def test_feature_out_of_range(model):
    sae = saes.load_sae(model, hooks.resid_pre(1))
    for feature in (-1, 48, True, 1.5):
        with pytest.raises(InputError, match=f"no feature {feature}: this SAE has features 0 to 47") as caught:
            sae.feature(feature)
        assert caught.value.field == "feature"
    assert sae.feature(47) == 47


@pytest.mark.parametrize(
    ("hook", "options", "spoil", "message"),
    [
        (hooks.resid_pre(1), {"d_in": 16}, None, "made for activations of width 16"),
        (hooks.z(1), {}, None, "cannot be read here"),
        ("blocks.7.hook_resid_pre", {}, None, "cannot be read here"),
        (hooks.resid_pre(1), {}, "delete", "has no weights"),
        (hooks.resid_pre(1), {}, "cut", "could not be opened"),
        (hooks.resid_pre(1), {}, "architecture", "could not be opened"),
    ],
)
def test_saes_that_cannot_be_used(tmp_path, model, hook, options, spoil, message):
    folder = save_sae(tmp_path, hook, **options)
    weights = folder / "sae_weights.safetensors"
    if spoil == "delete":
        weights.unlink()
    if spoil == "cut":
        weights.write_bytes(weights.read_bytes()[:200])
    if spoil == "architecture":
        config = json.loads((folder / "cfg.json").read_text())
        (folder / "cfg.json").write_text(json.dumps(config | {"architecture": "dream"}))
    assert message in _refused(Model(model.bridge, str(tmp_path), "tmp"), hook).message


def test_features_that_fire_in_both_directions_keep_their_signs(tiny_folder, tmp_path, hf_model):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    w = weights_of(save_sae(folder, hooks.resid_pre(1), "abstopk"))
    model = load(str(folder))
    result = features(model, PROMPT, top_k=6)
    ids = torch.tensor([result.tokens.ids])
    x = hf_model("gpt2")(ids, output_hidden_states=True).hidden_states[1][0]
    before = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    best = before.abs().topk(6).indices
    kept = [pos for pos in range(len(x)) if pos not in result.skipped_pos]
    assert result.feature_ids[kept].tolist() == best[kept].tolist()
    torch.testing.assert_close(
        torch.tensor(result.activations[kept]), before.gather(-1, best)[kept], atol=1e-4, rtol=1e-4
    )
    assert (result.activations[kept] < 0).any() and (result.n_active[kept] == 6).all()
    assert all(check.passed for check in result.checks)


def test_a_transcoder_is_refused_and_stops_no_other(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    save_sae(folder, hooks.resid_mid(1), "transcoder")
    model = load(str(folder))
    assert "is a transcoder: it computes another activation" in _refused(model).message
    save_sae(folder, hooks.z(2))
    save_sae(folder, hooks.resid_pre(0))
    save_sae(folder, hooks.resid_pre(2), d_in=16)
    assert saes.load_sae(model).hook == hooks.resid_pre(0)
    assert "is a transcoder" in _refused(model, hooks.resid_mid(1)).message


def test_several_at_one_hook_are_asked_for_by_name(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    hook = hooks.resid_pre(1)
    save_sae(folder, hook, name="one")
    save_sae(folder, hook, d_sae=96, name="nested/two")
    model = load(str(folder))
    assert {entry.name for entry in saes.available(model.id)} == {f"{hook}#one", hook}
    for name, size in {"one": 48, "nested/two": 96, f"{hook}#one": 48, f"{hook}#nested/two": 96}.items():
        assert features(model, PROMPT, sae=name).d_sae == size
        whole = ablation(model, PROMPT, site="feature", sae=name, feature=size - 1)
        assert whole.sae == saes.pick(model.id, name).name
        assert "no feature" in _out_of_range(model, name, size)


def _out_of_range(model, name: str, size: int) -> str:
    with pytest.raises(InputError) as caught:
        ablation(model, PROMPT, site="feature", sae=name, feature=size)
    return caught.value.message


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model.layers.3", hooks.resid_post(3)),
        ("transformer.h.3.mlp", hooks.mlp_out(3)),
        ("gpt_neox.layers.0.attention", hooks.attn_out(0)),
        ("layers.2.self_attn", hooks.attn_out(2)),
        (hooks.resid_pre(1), hooks.resid_pre(1)),
    ],
)
def test_modules_of_transformers_are_places_too(theirs, ours):
    assert saes.canonical(theirs) == ours


def test_an_sae_at_a_module_reads_what_the_module_returns(tiny_folder, tmp_path, hf_model):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    w = weights_of(save_sae(folder, "transformer.h.0.mlp"))
    model, kept = load(str(folder)), []
    hf = hf_model("gpt2")
    handle = hf.transformer.h[0].mlp.register_forward_hook(lambda module, args, out: kept.append(out[0]))
    hf(torch.tensor([model.tokens(PROMPT).ids]))
    handle.remove()
    sae = saes.load_sae(model)
    x = model.run(model.tokens(PROMPT), [sae.hook])[sae.hook]
    torch.testing.assert_close(sae.encode(x), standard_encode(kept[0], w), atol=1e-4, rtol=1e-4)


def test_centring_only_where_the_norm_centres(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("qwen3"), tmp_path / "qwen3")
    w = weights_of(save_sae(folder, hooks.resid_pre(1), kwargs=CENTRED))
    sae = saes.load_sae(load(str(folder)))
    x = torch.randn(3, 32) + 2
    torch.testing.assert_close(sae.encode(x), standard_encode(x, w), atol=1e-4, rtol=1e-4)
    assert not sae.centred and any("does not centre" in remark for remark in sae.remarks)


def test_what_a_reader_should_know_is_said(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    save_sae(folder, hooks.resid_pre(1), normalize="expected_average_only_in")
    said = " ".join(features(load(str(folder)), PROMPT).reading().sentences)
    assert "made for tiny, not for gpt2" in said
    assert "scaled by a factor that is not folded" in said
    assert "explained variance below 0" in said


def test_an_sae_of_no_numbers_is_damaged(tiny_folder, tmp_path):
    folder = copytree(tiny_folder("gpt2"), tmp_path / "gpt2")
    sae = save_sae(folder, hooks.resid_pre(1))
    w = weights_of(sae)
    w["W_dec"][3, 4] = float("nan")
    save_file(w, sae / "sae_weights.safetensors")
    assert "its weights hold values that are no numbers" in _refused(load(str(folder))).message


def test_neuronpedia_pages():
    entry = saes.pick("gpt2-small", "blocks.8.hook_resid_pre")
    assert notes.neuronpedia_url(entry, 42) == "https://www.neuronpedia.org/gpt2-small/8-res-jb/42"
    assert notes.neuronpedia_url(SaeEntry(hook="blocks.8.hook_resid_pre"), 42) is None
