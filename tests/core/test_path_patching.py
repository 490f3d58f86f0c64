"""Path patching against a plain loop of whole runs in transformers, its identities, and what it says."""

import json

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mi_core.analyses._index import bound
from mi_core.analyses.attribution import attribution
from mi_core.analyses.patching import patching
from mi_core.analyses.path_patching import path_patching, planned
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.interventions import restart
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import attention_of, blocks, d_head, final_norm, plain, unembed, w_o

CLEAN = " the cat sat on the dog on"
CORRUPTED = " the cat sat the the cat on"
ASK = {"corrupted": CORRUPTED, "target": "cat", "foil": "dog"}
MARY = "When Mary and John went to the store, John gave a drink to"
JOHN = "When Mary and John went to the store, Mary gave a drink to"


def projection(hf, layer, input, head):
    """The module that makes a head's queries, keys or values, and which of its outputs they are."""
    kind, size, which = hf.config.model_type, d_head(hf), "qkv".index(input)
    attention = attention_of(hf, layer)
    if kind == "gpt2":
        return attention.c_attn, slice(
            which * hf.config.n_embd + head * size, which * hf.config.n_embd + (head + 1) * size
        )
    if kind == "gpt_neox":
        return attention.query_key_value, slice((3 * head + which) * size, (3 * head + which + 1) * size)
    shared = 1 if input == "q" else hf.config.num_attention_heads // hf.config.num_key_value_heads
    return getattr(attention, f"{input}_proj"), slice(head // shared * size, (head // shared + 1) * size)


class ByHand:
    """Two whole runs of transformers per path, with everything but the path put back by hand."""

    def __init__(self, hf, found) -> None:
        self.hf, self.found = hf, found
        ids = [found.tokens.ids, found.corrupted_tokens.ids]
        self.ends = [self.value(plain(hf, each).logits) for each in ids]
        sent, self.ids = ids if found.direction == "denoise" else ids[::-1]
        sites = ("z", "attn_out", "mlp_out")
        self.source, self.base = ({site: activations(hf, each, site) for site in sites} for each in (sent, self.ids))

    def value(self, logits):
        target, row = self.found.target, logits[self.found.pos]
        return float(row[target.token_id] - (0 if target.foil_id is None else row[target.foil_id]))

    def edits(self, site, layer, head):
        """The sender as in the other run; every other head, in every layer, as it was; MLPs too where they are held."""

        def put(value, place=slice(None)):
            return lambda x: x.__setitem__(place, value[place])

        layers = range(self.hf.config.num_hidden_layers)
        held = [("z", each, put(self.base["z"][each])) for each in layers]
        if self.found.mlps == "freeze":
            held += [("mlp_out", each, put(self.base["mlp_out"][each])) for each in layers]
        kept = [edit for edit in held if edit[:2] != (site, layer)]
        if site != "head":
            return [*kept, (site, layer, put(self.source[site][layer]))]
        return [*kept, ("z", layer, put(self.source["z"][layer], (slice(None), head)))]

    def path(self, site, layer, head):
        edits = self.edits(site, layer, head)
        if self.found.receiver == "logits":
            return self.value(run_edited(self.hf, self.ids, edits))
        at, to = map(int, self.found.receiver[1:].split("H"))
        module, place = projection(self.hf, at, self.found.input, to)
        arrived = []
        keep = module.register_forward_hook(lambda module, args, out: arrived.append(out[..., place].clone()))
        run_edited(self.hf, self.ids, edits)
        keep.remove()

        def receive(module, args, out):
            out = out.clone()
            out[..., place] = arrived[0]
            return out

        put = module.register_forward_hook(receive)
        try:
            return self.value(run_edited(self.hf, self.ids, []))
        finally:
            put.remove()

    def paths(self):
        places = zip(self.found.component_layers, self.found.component_heads, strict=True)
        return np.array([self.path(self.found.site, *place) for place in places])


@pytest.mark.parametrize("mlps", ["recompute", "freeze"])
@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize("to", ["logits", "q", "k", "v"])
def test_every_path_equals_the_loop(architecture, tiny_model, hf_model, to, direction, mlps):
    model = tiny_model(architecture)
    receiver = {"receiver": "logits"} if to == "logits" else {"receiver": "L2H3", "input": to}
    found = path_patching(model, CLEAN, direction=direction, mlps=mlps, **receiver, **ASK)
    hand = ByHand(hf_model(architecture), found)
    assert [found.clean, found.corrupted] == pytest.approx(hand.ends, abs=1e-4)
    expected = hand.paths()
    np.testing.assert_allclose(found.value, expected, atol=1e-4)
    gap = hand.ends[0] - hand.ends[1]
    np.testing.assert_allclose(found.restored, (expected - hand.ends[1]) / gap, atol=2e-4 / abs(gap))
    assert found.components == tuple(f"L{layer}H{head}" for layer in range(3) for head in range(4))
    assert all(check.passed for check in found.checks) and len(found.checks) == 3, found.checks
    assert np.ptp(found.value[: 12 if to == "logits" else 8]) > 1e-3
    if to != "logits":
        assert (found.moved[8:] == 0).all(), "a layer that is not before the receiver sends it nothing"


@pytest.mark.parametrize("mlps", ["recompute", "freeze"])
@pytest.mark.parametrize("site", ["attn_out", "mlp_out"])
@pytest.mark.parametrize("receiver", ["logits", "L2H1", "L1H2"])
def test_whole_layers_send_too(architecture, tiny_model, hf_model, receiver, site, mlps):
    found = path_patching(tiny_model(architecture), CLEAN, receiver=receiver, site=site, mlps=mlps, **ASK)
    assert found.components == tuple(f"{'MLP' if site == 'mlp_out' else 'attention'} {layer}" for layer in range(3))
    np.testing.assert_allclose(found.value, ByHand(hf_model(architecture), found).paths(), atol=1e-4)


@pytest.mark.parametrize("receiver", ["logits", "L3H0", "L1H2"])
def test_every_path_of_the_built_in_model(mini, hf_model, receiver):
    found = path_patching(mini, MARY, corrupted=JOHN, receiver=receiver)
    np.testing.assert_allclose(found.value, ByHand(hf_model("loupe-mini"), found).paths(), atol=1e-3)


def test_another_position_and_bos(tiny_model, hf_model):
    found = path_patching(tiny_model("gemma2"), CLEAN, receiver="L2H0", input="k", pos=-2, prepend_bos=True, **ASK)
    assert found.tokens.has_bos and found.pos == len(found.tokens) - 2
    np.testing.assert_allclose(found.value, ByHand(hf_model("gemma2"), found).paths(), atol=1e-4)


def test_without_restarts_the_numbers_are_the_same(architecture, tiny_model, monkeypatch):
    model, ask = tiny_model(architecture), {"receiver": "L2H1", "input": "v", **ASK}
    fast, held = path_patching(model, CLEAN, **ask), hooks_left(model)

    def broken(*args):
        raise TypeError("missing argument")

    monkeypatch.setattr(restart.Call, "repeat", broken)
    slow = path_patching(model, CLEAN, **ask)
    np.testing.assert_allclose(fast.value, slow.value, atol=1e-5)
    assert (len(fast.checks), len(slow.checks)) == (3, 2) and hooks_left(model) == held


# Identities ---------------------------------------------------------------------------------------------------------


def added_to_the_answer(hf, found, layer, head):
    """The other run's write less this run's, added to the last residual stream: final norm and unembedding by hand."""
    sent, own = (plain(hf, tokens.ids) for tokens in (found.tokens, found.corrupted_tokens))
    o = own.o[layer][found.pos]
    size = d_head(hf)
    change = (sent.z[layer] - own.z[layer])[found.pos, head] @ w_o(hf, layer)[head * size : (head + 1) * size]
    if hf.config.model_type == "gemma2":
        norm = blocks(hf)[layer].post_attention_layernorm
        change = norm(o + change) - norm(o)
    row = unembed(hf, final_norm(hf)(own.resid[-1][found.pos] + change))
    return float(row[found.target.token_id] - row[found.target.foil_id])


def test_with_everything_held_a_path_to_the_logits_is_the_direct_effect(architecture, tiny_model, hf_model):
    found = path_patching(tiny_model(architecture), CLEAN, mlps="freeze", **ASK)
    for value, layer, head in zip(found.value, found.component_layers, found.component_heads, strict=True):
        assert value == pytest.approx(added_to_the_answer(hf_model(architecture), found, layer, head), abs=1e-4)


def test_heads_of_the_last_layer_are_ranked_as_attribution_ranks_what_they_add_in_each_run(mini):
    """A path to the logits is the change of a direct effect, but for the final norm's scale, which moves with it."""
    found = path_patching(mini, MARY, corrupted=JOHN, target=" Mary", foil=" John", mlps="freeze", direction="noise")
    parts = []
    for prompt in (MARY, JOHN):
        table = attribution(mini, prompt, target=" Mary", foil=" John").tables()["contributions"]
        parts.append(table.query("kind == 'head' and layer == 3")["contribution"].to_numpy(float))
    change = found.value[12:] - found.clean
    assert np.argsort(change).tolist() == np.argsort(parts[1] - parts[0]).tolist()


def test_swapping_the_prompts_turns_the_paths_around(mini):
    ask = {"receiver": "L3H0", "input": "v", "target": " Mary", "foil": " John"}
    one = path_patching(mini, MARY, corrupted=JOHN, **ask)
    other = path_patching(mini, JOHN, corrupted=MARY, direction="noise", **ask)
    np.testing.assert_allclose(one.value, other.value, atol=1e-4)
    np.testing.assert_allclose(one.moved, other.moved, atol=1e-4)


def test_all_that_a_head_sends_goes_through_its_paths_and_its_direct_one(mini):
    """A head of the last layer has only its path to the logits: patching the head does the same."""
    ask = {"corrupted": JOHN, "target": " Mary", "foil": " John"}
    paths, patches = path_patching(mini, MARY, **ask), patching(mini, MARY, site="head", **ask)
    np.testing.assert_allclose(paths.value[12:], patches.value[3], atol=1e-4)
    assert np.abs(paths.value[:12] - patches.value[:3].ravel()).max() > 0.5


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_nothing_is_none_and_everything_is_the_other_run(mini, data):
    words = [" the", " cat", " Paris", " to", " Mary", "."]
    clean = data.draw(st.lists(st.sampled_from(words), min_size=3, max_size=8))
    corrupted = data.draw(st.lists(st.sampled_from(words), min_size=len(clean), max_size=len(clean)))
    assume(clean != corrupted and len(mini.tokens("".join(clean))) == len(mini.tokens("".join(corrupted))))
    layer = data.draw(st.integers(1, 4))
    asked = {
        "receiver": "logits" if layer == 4 else f"L{layer}H{data.draw(st.integers(0, 3))}",
        "direction": data.draw(st.sampled_from(["denoise", "noise"])),
        "mlps": data.draw(st.sampled_from(["recompute", "freeze"])),
    }
    try:
        found = path_patching(
            mini, "".join(clean), corrupted="".join(corrupted), **asked, target=" dog", foil=" horse"
        )  # fmt: skip
    except InputError as refused:  # prompts that by chance are answered alike are told apart from the rest
        assume("there is nothing to bring back" not in refused.message)
        raise
    nothing, everything = found.checks[:2]
    assert nothing.error < 1e-3 and everything.error < 1e-3
    assert (found.moved[layer * 4 :] == 0).all()
    assert np.isfinite(found.moved).all() and found.reading().title


# Receivers ----------------------------------------------------------------------------------------------------------


def test_by_itself_the_input_that_carries_most_is_taken(mini):
    each = {name: path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0", input=name) for name in "qkv"}
    auto = path_patching(mini, MARY, corrupted=JOHN, receiver="l3h0")
    assert auto.receiver == "L3H0" and auto.whole == pytest.approx(each["q"].whole)
    largest = max("qkv", key=lambda name: abs(each[name].whole["qkv".index(name)] - auto.corrupted))
    assert auto.input == largest
    np.testing.assert_array_equal(auto.value, each[largest].value)
    assert np.abs(each["q"].value - each["v"].value).max() > 0.1


@pytest.mark.parametrize(("input", "shared"), [("q", ()), ("k", ("L2H2",)), ("v", ("L2H2",))])
def test_heads_that_share_keys_and_values_receive_together(tiny_model, input, shared):
    model = tiny_model("llama")
    found = path_patching(model, CLEAN, receiver="L2H3", input=input, **ASK)
    assert found.shared_with == shared
    said = "L2H3 shares its" in " ".join(found.reading().sentences)
    assert said == bool(shared)
    if shared:
        other = path_patching(model, CLEAN, receiver="L2H2", input=input, **ASK)
        np.testing.assert_array_equal(found.value, other.value)


def test_one_layer_of_senders(mini):
    ask = {"corrupted": JOHN, "receiver": "L3H0", "input": "v"}
    all_of_them, one = path_patching(mini, MARY, **ask), path_patching(mini, MARY, layer=1, **ask)
    assert one.components == ("L1H0", "L1H1", "L1H2", "L1H3")
    np.testing.assert_allclose(one.value, all_of_them.value[4:8], atol=1e-5)


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"receiver": "L9H0"}, "There is no layer 9", "receiver"),
        ({"receiver": "L2H7"}, "There is no head 7", "receiver"),
        ({"receiver": "MLP 2"}, "“MLP 2” cannot receive: write logits, or a head such as L2H0", "receiver"),
        ({"receiver": ""}, "cannot receive", "receiver"),
        ({"receiver": "L0H1"}, "No head comes before L0H1", "receiver"),
        ({"receiver": "L2H1", "layer": 2}, "Layer 2 does not come before L2H1: choose a layer from 0 to 1", "layer"),
        ({"receiver": "L1H1", "layer": 3}, "Layer 3 does not come before L1H1: choose layer 0", "layer"),
        ({"layer": 9}, "There is no layer 9", "layer"),
        ({"input": "z"}, "“z” is no input of a head: use auto, q, k or v", "input"),
        ({"site": "z"}, "“z” is no place", "site"),
        ({"mlps": "off"}, "use recompute or freeze", "mlps"),
        ({"direction": "up"}, "“up” is no direction", "direction"),
        ({"corrupted": MARY}, "Both prompts are the same", "corrupted"),
        ({"corrupted": MARY + " him"}, "15 and 16 tokens long and must be equally long", "corrupted"),
        ({"pos": 5}, "Both prompts give the same", "corrupted"),
    ],
)
def test_bad_input_gets_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        path_patching(mini, MARY, **{"corrupted": JOHN} | chosen)
    assert caught.value.field == field


# Words, tables, doors -----------------------------------------------------------------------------------------------


def test_the_circuit_that_moves_the_name_can_be_walked_backwards(mini):
    """Who speaks to the answer, who feeds that head, and so on to the first layer."""
    ask = {"corrupted": JOHN, "target": " Mary", "foil": " John"}
    walk = []
    receiver = "logits"
    while receiver[:2] != "L0":
        found = path_patching(mini, MARY, receiver=receiver, **ask)
        strongest = found.components[int(np.abs(found.moved).argmax())]
        assert found.reading().title.startswith(strongest)
        walk.append((receiver, found.input, strongest, float(found.moved.max())))
        receiver = strongest
    assert [(to, input) for to, input, _, _ in walk] == [("logits", ""), *((step[2], "v") for step in walk[:-1])]
    assert len(walk) > 1 and walk[0][2].startswith("L3") and all(share > 0.1 for *_, share in walk)


def test_the_reading(mini):
    found = path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0", target=" Mary", foil=" John")
    best = int(found.moved.argmax())
    title, sentences = found.reading().title, found.reading().sentences
    share = f"{found.moved[best]:.1%}"
    feeds = f"{found.components[best]} feeds L3H0’s values most, of all heads"
    assert title == f"{feeds}: its path carries {share} of the difference"
    assert f"{found.clean:+.2f} in your prompt" in sentences[0]
    assert sentences[1].startswith(f"Strongest paths: {found.components[best]} ({share})")
    assert sentences[2].startswith("All that reaches L3H0’s values moves")
    none = path_patching(mini, MARY, corrupted=JOHN, receiver="L2H0", input="q", target=" Mary", foil=" John")
    assert none.reading().title == "No single path to L2H0’s queries carries the difference"


def test_tables_are_tidy(mini):
    found = path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0")
    table = found.tables()["effects"]
    assert list(table.columns) == ["component", "layer", "head", "value", "restored", "moved"]
    row = table[table.component == "L1H2"].iloc[0]
    assert (row.layer, row["head"], row.moved) == (1, 2, pytest.approx(found.moved[6]))
    mlps = path_patching(mini, MARY, corrupted=JOHN, site="mlp_out").tables()["effects"]
    assert mlps["head"].isna().all() and len(mlps) == 4
    prompts = found.tables()["prompts"]
    assert prompts[prompts.differs][["clean", "corrupted"]].values.tolist() == [[" John", " Mary"]]


def test_on_the_command_line(mini, capsys):
    words = ["path-patching", "--prompt", MARY, "--corrupted", JOHN, "--receiver", "L3H0", "--input", "v"]
    assert main([*words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["effects"]
    found = path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0", input="v")
    assert [row["moved"] for row in rows] == pytest.approx(found.moved.tolist(), abs=1e-4)
    assert main(["path-patching", "--prompt", MARY, "--corrupted", JOHN, "--receiver", "L9H9"]) == 2
    assert "There is no layer 9" in capsys.readouterr().err


def test_what_is_planned_is_what_is_run(mini):
    for receiver, n in (("logits", 18), ("L2H1", 10)):
        ids, cells = planned(mini, **bound("path_patching", {"prompt": MARY, "corrupted": JOHN, "receiver": receiver}))
        assert ids == mini.tokens(JOHN).ids and len(cells) == n
        assert {one.layer for cell in cells for one in cell} == set(range(4 if receiver == "logits" else 2))


def test_progress_counts_both_runs_of_every_path_and_a_stop_leaves_nothing(mini):
    held, before, told = hooks_left(mini), mini.run(mini.tokens(MARY)).logits, []

    def progress(done, total, partial=None):
        told.append((done, total))
        assert hooks_left(mini) == held

    path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0", progress=progress)
    assert told == sorted(told) and told[-1] == (28, 28) and {total for _, total in told} == {28}

    def stop(done, total, partial=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        path_patching(mini, MARY, corrupted=JOHN, receiver="L3H0", progress=stop)
    assert hooks_left(mini) == held and torch.equal(mini.run(mini.tokens(MARY)).logits, before)
