"""Ablation against plain transformers with plain torch hooks, its identities, and what it says."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.ablation import ablation
from mi_core.analyses.attribution import attribution
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.models.loading import load
from mi_core.text.sentences import SENTENCES
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import plain

PROMPT = " the cat sat on the dog, é"
REFERENCE = " the dog sat on\n\n the cat, the dog, the cat sat on the dog"
NAMES = "When Mary and John went to the store, John gave a drink to"
HF_SITE = {"head": "z", "attn_out": "attn_out", "mlp_out": "mlp_out"}


class ByHand:
    """What replaces each activation, from the definition, and the value measured in transformers."""

    def __init__(self, model, hf, found, reference=REFERENCE, at="all") -> None:
        self.hf, self.found, self.site = hf, found, HF_SITE[found.site]
        self.where = slice(found.pos, found.pos + 1) if at == "pos" else slice(None)
        ids, bos = found.tokens.ids, int(found.tokens.has_bos)
        own = activations(hf, ids, self.site)
        lines = [model.tokens(line).ids for line in reference.splitlines() if line]
        others = [[each[bos:] for each in activations(hf, line, self.site)] for line in lines]
        self.put = []
        for layer, x in enumerate(own):
            new = torch.zeros_like(x)
            if found.mode == "mean":
                new[:] = torch.cat([other[layer] for other in others]).mean(0)
            if found.mode == "resample":
                for pos in range(len(x)):
                    new[pos] = others[0][layer][max(0, len(others[0][layer]) - (len(x) - pos))]
            if found.mode != "zero":
                new[:bos] = x[:bos]
            self.put.append(new)

    def edit(self, layer, head):
        place = (self.where,) if head < 0 else (self.where, head)
        return self.site, layer, lambda x: x.__setitem__(place, self.put[layer][place])

    def logits(self, *components):
        edits = [self.edit(layer, head) for layer, head in components]
        return run_edited(self.hf, self.found.tokens.ids, edits)[self.found.pos]

    def value(self, logits):
        foil = self.found.target.foil_id
        return float(logits[self.found.target.token_id] - (0 if foil is None else logits[foil]))


@pytest.mark.parametrize("mode", ["zero", "mean", "resample"])
@pytest.mark.parametrize("site", ["head", "attn_out", "mlp_out"])
def test_every_component_equals_a_hook_written_by_hand(architecture, tiny_model, hf_model, site, mode):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", foil="dog", site=site, mode=mode, reference=REFERENCE)
    hand = ByHand(model, hf, found)
    before = plain(hf, found.tokens.ids).logits[-1]
    assert found.baseline == found.plain == pytest.approx(hand.value(before), abs=1e-4)
    p = before.double().log_softmax(-1)
    for index, where in enumerate(zip(found.component_layers, found.component_heads, strict=True)):
        after = hand.logits(where)
        q = after.double().log_softmax(-1)
        assert found.value[index] == pytest.approx(hand.value(after), abs=1e-4)
        assert found.change[index] == pytest.approx(hand.value(after) - hand.value(before), abs=2e-4)
        assert found.probability[index] == pytest.approx(float(q[found.target.token_id].exp()), abs=1e-5)
        assert found.kl[index] == pytest.approx(float((p.exp() * (p - q)).sum() / np.log(2)), rel=1e-3, abs=1e-5)
    assert len(found.components) == (12 if site == "head" else 3)
    assert np.abs(found.change).max() > 0.01
    assert all(check.passed for check in found.checks) and found.checks[0].tolerance == 0


@pytest.mark.parametrize("settings", [{"at": "pos"}, {"pos": 3}, {"prepend_bos": True}, {"pos": 2, "at": "pos"}])
def test_positions_and_bos(tiny_model, hf_model, settings):
    model, hf = tiny_model("llama"), hf_model("llama")
    found = ablation(model, PROMPT, target="cat", mode="zero", **settings)
    hand = ByHand(model, hf, found, at=settings.get("at", "all"))
    for value, *where in zip(found.value, found.component_layers, found.component_heads, strict=True):
        assert value == pytest.approx(hand.value(hand.logits(where)), abs=1e-4)


@pytest.mark.parametrize("mode", ["mean", "resample"])
def test_a_bos_token_keeps_what_it_has(mini, hf_model, mode):
    found = ablation(mini, NAMES, target="Mary", foil="John", mode=mode, reference="He went home.\nShe likes it.")
    assert found.tokens.has_bos
    hand = ByHand(mini, hf_model("loupe-mini"), found, "He went home.\nShe likes it.")
    for value, *where in zip(found.value, found.component_layers, found.component_heads, strict=True):
        assert value == pytest.approx(hand.value(hand.logits(where)), abs=1e-3)


def test_the_default_reference_is_a_few_everyday_sentences(mini):
    given = ablation(mini, NAMES, reference="\n".join(SENTENCES))
    np.testing.assert_array_equal(ablation(mini, NAMES).value, given.value)


def test_some_out_in_every_run(architecture, tiny_model, hf_model):
    """The baseline of the others is the run without `also`."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = ablation(model, PROMPT, target="cat", site="head", mode="zero", also=("L1H2", "l0h1"))
    hand = ByHand(model, hf, found)
    out = [(1, 2), (0, 1)]
    assert found.also == ("L1H2", "L0H1")
    assert found.baseline == pytest.approx(hand.value(hand.logits(*out)), abs=1e-4)
    assert found.plain == pytest.approx(hand.value(plain(hf, found.tokens.ids).logits[-1]), abs=1e-4)
    for value, change, *where in zip(
        found.value, found.change, found.component_layers, found.component_heads, strict=True
    ):
        assert value == pytest.approx(hand.value(hand.logits(*out, where)), abs=1e-4)
        assert change == pytest.approx(value - found.baseline, abs=1e-5)
    assert found.change[found.components.index("L1H2")] == pytest.approx(0, abs=1e-4)
    table = found.tables()["baseline"]
    assert table["without"].tolist() == ["nothing", "L1H2 + L0H1"]
    assert "With L1H2 and L0H1 out" in found.reading().sentences[0]


def test_components_of_other_kinds_can_be_out_too(tiny_model, hf_model):
    model, hf = tiny_model("gpt2"), hf_model("gpt2")
    found = ablation(model, PROMPT, target="cat", mode="zero", layer=2, head=1, also=("MLP 0", "attention 1"))
    edits = [("mlp_out", 0, lambda x: x.zero_()), ("attn_out", 1, lambda x: x.zero_())]
    expected = run_edited(hf, found.tokens.ids, edits)[-1, found.target.token_id]
    assert found.baseline == pytest.approx(float(expected), abs=1e-4)
    assert found.components == ("L2H1",)


# Direct effects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["head", "attn_out", "mlp_out"])
def test_the_direct_effect_of_zero_is_the_attribution(architecture, tiny_model, site):
    model = tiny_model(architecture)
    found = ablation(model, PROMPT, target="cat", foil="dog", site=site, mode="zero")
    table = attribution(model, PROMPT, target="cat", foil="dog").tables()["contributions"]
    kinds = {"head": ["head"], "attn_out": ["head", "attn_bias"], "mlp_out": ["mlp"]}[site]
    by = ["layer", "head"] if site == "head" else ["layer"]
    expected = table[table.kind.isin(kinds)].groupby(by)["contribution"].sum()
    np.testing.assert_allclose(found.direct, expected.to_numpy(), rtol=1e-3, atol=1e-3)


def test_in_the_last_layer_only_the_norm_reacts(tiny_model):
    """With the last MLP out, the final residual differs by its write: the change follows from norm and direction."""
    model = tiny_model("llama")
    found = ablation(model, PROMPT, target="cat", foil="dog", site="mlp_out", mode="zero", layer=2)
    tokens = model.tokens(PROMPT)
    acts = model.run(tokens, ["blocks.2.hook_resid_post", "blocks.2.hook_mlp_out"])
    last, write = acts["blocks.2.hook_resid_post"][-1], acts["blocks.2.hook_mlp_out"][-1]
    norm = model.final_norm
    predicted = found.plain * float(norm.scale(last[None]) / norm.scale((last - write)[None]))
    predicted -= float(found.direct[0]) * float(norm.scale(last[None]) / norm.scale((last - write)[None]))
    assert found.value[0] == pytest.approx(predicted, abs=1e-3)


def test_heads_that_do_not_explain_attention_have_no_direct_effect(tiny_folder):
    model = load(str(tiny_folder("llama")))
    model.bridge.blocks[1].attn.o.original_component.register_forward_hook(lambda module, args, out: out.sin())
    found = ablation(model, PROMPT, target="cat", mode="zero")
    assert np.isnan(found.direct).tolist() == [layer == 1 for layer in found.component_layers]
    assert found.reading().title


@settings(max_examples=10, deadline=None)
@given(
    prompt=st.text("abcde THE.\n", min_size=1, max_size=30).filter(str.strip),
    site=st.sampled_from(["head", "attn_out", "mlp_out"]),
    mode=st.sampled_from(["zero", "mean", "resample"]),
    data=st.data(),
)
def test_its_checks_hold_for_any_prompt(mini, prompt, site, mode, data):
    pos = data.draw(st.integers(0, len(mini.tokens(prompt)) - 1))
    found = ablation(mini, prompt, site=site, mode=mode, pos=pos, at=data.draw(st.sampled_from(["all", "pos"])))
    assert all(check.passed for check in found.checks) and found.checks[0].error == 0
    assert found.reading().title and (found.kl >= 0).all()


def test_a_component_replaced_by_itself_changes_nothing(mini):
    """The reference prompt being the prompt itself, a resample is its own activation."""
    found = ablation(mini, NAMES, mode="resample", reference=NAMES)
    np.testing.assert_allclose(found.change, 0, atol=1e-4)
    np.testing.assert_allclose(found.direct, 0, atol=1e-4)


# Words, tables, errors ----------------------------------------------------------------------------------------------


def test_the_table_keeps_its_columns(mini):
    table = ablation(mini, NAMES, site="mlp_out").tables()["effects"]
    columns = ["component", "layer", "head", "value", "change", "direct", "foretold"]
    columns += ["probability", "probability_change", "kl"]
    assert list(table.columns) == columns and (table["foretold"] == -table["direct"]).all()
    assert table["component"].tolist() == [f"MLP {layer}" for layer in range(4)] and table["head"].isna().all()


def test_the_reading_names_the_worst_knockout_and_self_repair(mini):
    found = ablation(mini, NAMES, target="Mary", foil="John")
    worst = int(found.change.argmin())
    title, sentences = found.reading().title, found.reading().sentences
    fallen = "the logit difference of “·Mary” − “·John” falls most"
    assert title.startswith(f"Without {found.components[worst]}, {fallen}")
    healed = (found.direct > 0.1) & (np.abs(found.change) < found.direct / 2)
    assert healed.any() and "self-repair" in sentences[-1]
    named = sentences[-1].split()[0]
    assert healed[found.components.index(named)]


def test_progress_leaves_no_hook_when_it_stops_the_sweep(mini):
    held = hooks_left(mini)

    def stop(done, total, partial=None):
        assert hooks_left(mini) == held
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablation(mini, NAMES, progress=stop)
    assert hooks_left(mini) == held


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"layer": 4}, "There is no layer 4", "layer"),
        ({"layer": 1, "head": 4}, "There is no head 4", "head"),
        ({"head": 1}, "A head belongs to a layer", "layer"),
        ({"site": "mlp_out", "head": 1}, "mlp_out has no heads", "head"),
        ({"site": "word"}, "“word” is no place to ablate: use head, attn_out, mlp_out", "site"),
        ({"mode": "half"}, "“half” is no way to ablate", "mode"),
        ({"at": "first"}, "“first” is no choice of positions", "at"),
        ({"also": ("head 3",)}, "“head 3” is no component: write L3H0", "also"),
        ({"also": ("L9H0",)}, "There is no layer 9", "also"),
        ({"reference": "a\n" * 65}, "There are 65 reference prompts", "reference"),
        ({"reference": "word " * 600}, "tokens long", "reference"),
        ({"pos": 15}, "There is no position 15", "pos"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        ablation(mini, NAMES, **chosen)
    assert caught.value.field == field


def test_on_the_command_line(mini, capsys):
    words = ["--prompt", NAMES, "--target", "Mary", "--site", "head", "--mode", "zero", "--also", "L3H0"]
    assert main(["ablation", *words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["effects"]
    found = ablation(mini, NAMES, target="Mary", mode="zero", also=("L3H0",))
    assert [row["value"] for row in rows] == pytest.approx(found.value.tolist(), abs=1e-4)
    assert {"component", "layer", "head", "value", "change"} <= set(rows[0])
