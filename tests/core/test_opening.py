"""What Loupe sees and changes is compared with plain transformers when a model is opened: what differs is refused."""

import copy

import pytest
import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

from mi_core.analyses.ablation import ablation
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.patching import patching
from mi_core.analyses.predict import predict
from mi_core.editing.overlay import with_changes
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention, check
from mi_core.models import comparison, hooks, loading, opening
from mi_core.models.model import Model
from mi_core.models.plain import plain_copy
from mi_core.text.generation import generate
from tests.conftest import _tokenizer

PARALLEL = {"neox"}  # attention and MLP side by side: nothing in between
SHARED = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0}
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
         "max_position_embeddings": 64, **SHARED}  # fmt: skip
NEO = {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64,
       "attention_types": [[["global"], 2]], **SHARED}  # fmt: skip


@pytest.fixture
def bridged(tiny_folder):
    """bridged(name): a bridge, its plain copy, and the copies, not compared yet."""

    def make(name):
        hf_model = transformers.AutoModelForCausalLM.from_pretrained(
            tiny_folder(name), attn_implementation="eager", dtype=torch.float32, output_attentions=True
        ).eval()
        plain, copies = plain_copy(hf_model)
        bridge = TransformerBridge.boot_transformers(str(tiny_folder(name)), hf_model=hf_model)
        return Model(bridge, name, name), plain, copies

    return make


@pytest.fixture
def family(tmp_path):
    """family(model_type, **config): the folder of a tiny random model of that make."""

    def make(model_type, **config):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(model_type, **config), attn_implementation="eager"
        )
        for parameter in model.parameters():
            parameter.data.normal_(0, 0.3)
        folder = tmp_path / model_type
        model.save_pretrained(folder)
        _tokenizer().save_pretrained(folder)
        return str(folder)

    return make


def test_every_architecture_of_the_tests_is_its_plain_self(bridged, architecture):
    model, plain, copies = bridged(architecture)
    found = comparison.compare(model, plain, copies)
    assert set(found.errors) >= {"a short text", "a long text"}
    assert max(found.errors.values()) <= 1e-5
    assert set(found.unread) == ({"resid_mid"} if architecture in PARALLEL else set())
    assert set(found.unfelt) == {"resid_mid"}  # its hook is the way into a norm: the stream beside it goes on unchanged
    assert found.adds_up and found.mixes and found.cache_holds and found.logit_scale == 1


def test_the_plain_copy_shares_every_weight(tiny_folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder("llama"))
    plain, _ = plain_copy(model)
    pairs = zip(model.parameters(), plain.parameters(), strict=True)
    assert all(mine.data_ptr() == its.data_ptr() for mine, its in pairs)


# Bridges that were broken on purpose -----------------------------------------------------------------------------


class Deaf(torch.nn.Module):
    """Shows a hook point what passes, and passes it on whatever the hooks make of it."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def forward(self, x):
        self.point(x.clone())
        return x


def test_attention_that_ignores_a_changed_pattern_is_caught(bridged):
    model, plain, copies = bridged("llama")
    for block in model.bridge.blocks:
        attention = block.attn
        point = attention.hook_pattern
        del attention._modules["hook_pattern"]
        attention._modules["hook_pattern"] = Deaf(point)
    found = comparison.compare(model, plain, copies)
    assert "pattern" not in found.unread
    assert "attention patterns does not reach" in found.unfelt["pattern"]


def test_logits_that_are_twice_the_models_are_refused(bridged):
    model, plain, copies = bridged("llama")
    model.unembedding.register_forward_hook(lambda module, args, out: 2 * out)
    with pytest.raises(InputError, match=r"logits that are off by 100\.0% of the largest"):
        comparison.compare(model, plain, copies)


def test_a_dropped_bias_is_refused(bridged):
    model, plain, copies = bridged("gpt2")
    module = model.bridge.blocks[1].mlp.out.original_component
    module.bias = torch.nn.Parameter(torch.zeros_like(module.bias))
    with pytest.raises(InputError, match="cannot be looked into truthfully"):
        comparison.compare(model, plain, copies)


def test_rotary_positions_that_are_off_by_one_are_refused(bridged):
    model, plain, copies = bridged("llama")

    def shifted(module, args, out):
        return tuple(part.roll(1, dims=1) for part in out)

    next(m for m in model.hf_model.modules() if type(m).__name__ == "LlamaRotaryEmbedding").register_forward_hook(
        shifted
    )
    with pytest.raises(InputError, match="cannot be looked into truthfully"):
        comparison.compare(model, plain, copies)


@pytest.mark.parametrize("site", ["z", "v", "q", "k", "attn_out", "mlp_out", "post", "resid_pre", "resid_post"])
def test_a_hook_that_shows_other_numbers_makes_its_site_absent(bridged, site):
    model, plain, copies = bridged("llama")
    shown, hooked = [], model.hooked

    def doubling(functions):
        def twice(name, function):
            return lambda value, hook: function(value * 2 if name == hooks.SITES[site](1) else value, hook=hook)

        shown.append(functions)
        return hooked({name: twice(name, function) for name, function in functions.items()})

    model.hooked = doubling
    found = comparison.compare(model, plain, copies)
    assert shown and site in found.unread and site in found.unfelt


# Makes whose bridge errs -------------------------------------------------------------------------------------------


def test_a_make_whose_attention_does_not_feel_patterns_says_so_where_they_are_changed(family):
    model = loading.load(family("gpt_neo", **NEO))
    assert "pattern" in model.opening.unfelt and "pattern" not in model.opening.unread
    with pytest.raises(InputError, match="attention patterns does not reach") as refused:
        patching(model, " the cat sat", corrupted=" the dog sat", site="pattern")
    for chosen in ({"site": "key"}, {"also": ("L0H1@2→1",)}):
        with pytest.raises(InputError, match="attention patterns does not reach"):
            ablation(model, " the cat sat", **chosen)
    assert refused.value.field == "site"
    assert patching(model, " the cat sat", corrupted=" the dog sat", site="head").value.shape == (2, 4)


def test_scaled_logits_are_the_models_own_everywhere(family):
    folder = family("granite", **SMALL | {"num_key_value_heads": 2}, logits_scaling=4.0, residual_multiplier=0.5)
    model = loading.load(folder)
    assert model.opening.logit_scale == pytest.approx(0.25)
    lens = logit_lens(model, " the cat sat", top_k=3)
    assert all(check.passed for check in lens.checks)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        right = plain.eval()(torch.tensor([model.tokens(" the cat sat").ids])).logits[0, -1]
    assert lens.top_logits[-1, -1] == pytest.approx(right.topk(3).values.numpy(), abs=1e-4)


def test_a_head_between_the_last_layer_and_the_logits_refuses_the_lens_and_not_the_model(family):
    model = loading.load(family("modernbert-decoder", **SMALL | {"pad_token_id": 0}))
    assert model.opening.logit_scale is None
    assert predict(model, " the cat").top_probabilities[0] > 0
    with pytest.raises(InputError, match="more than a norm and an unembedding"):
        logit_lens(model, " the cat")


def test_text_of_a_make_whose_cache_gives_other_text_is_read_anew(family):
    folder = family("mpt", d_model=32, n_heads=4, n_layers=2, expansion_ratio=2, max_seq_len=64, **SHARED)
    model = loading.load(folder)
    assert not model.opening.cache_holds and model.n_ctx == 64
    ids = list(model.tokens(" the cat sat").ids)
    written = [step.ids[1] for step in generate(model, ids, 2, max_new_tokens=8)]
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    for token in written:
        with torch.no_grad():
            assert int(plain.eval()(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()) == token
        ids.append(token)


def test_attention_is_left_to_transformers_where_the_bridges_own_gives_other_numbers(family):
    folder = family("gpt2", n_positions=64, n_embd=32, n_layer=2, n_head=4, scale_attn_weights=False, **SHARED)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    for model in (loading.load(folder), loading.load(folder)):  # compared, and remembered
        assert model.opening.attention_left and "pattern" in model.opening.unfelt
        tokens = model.tokens(" the cat sat")
        for one in (model, with_changes(model, [], "edited")):
            with torch.no_grad():
                right = plain.eval()(torch.tensor([tokens.ids])).logits[0, -1]
            torch.testing.assert_close(one.run(tokens).logits[0], right, atol=1e-4, rtol=0)


# What is done with it ------------------------------------------------------------------------------------------------


def test_an_absent_site_is_refused_for_reading_and_for_changing(tiny_model):
    model = copy.copy(tiny_model("llama"))
    model.opening = opening.Opening(
        unread={"v": "its values are not its own"}, unfelt={"v": "its values are not its own"}
    )
    tokens = model.tokens(" the cat")
    with pytest.raises(InputError, match="Its values are not its own: choose another place"):
        model.run(tokens, [hooks.SITES["v"](0)])
    with pytest.raises(InputError, match="Its values are not its own"):
        check(model, [Intervention("v", 0, 0.0)])
    with pytest.raises(InputError, match="Its values are not its own"):
        list(generate(model, tokens.ids, 1, max_new_tokens=1, hooks={hooks.SITES["v"](0): lambda x, start: x}))
    assert logit_lens(model, " the cat").target_rank.shape[0] == 4


def test_what_was_found_is_remembered_by_fingerprint(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    folder = str(tiny_folder("gpt2"))
    first = loading.load(folder)
    monkeypatch.setattr(comparison, "compare", lambda *_: pytest.fail("compared again"))
    assert loading.load(folder).opening == first.opening
    (kept,) = (tmp_path / "openings").iterdir()
    kept.write_text("{")
    assert opening.remembered(first.fingerprint) is None
