"""Patching against a plain loop in transformers, the estimate against autograd, its identities, and what it says."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mi_core.analyses._index import bound
from mi_core.analyses.patching import CONFIRMED, patching, planned
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.interventions import sweep
from mi_core.patching import run as patch_run
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import plain

CLEAN = " the cat sat on the dog on"
CORRUPTED = " the cat sat the the cat on"
DRINK = "When Mary and John went to the store, John gave a drink to"
TEXAS, FRANCE = "The capital of Texas is", "The capital of France is"


SITES = ("resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern")
METRICS = ("logit_difference", "probability", "kl")


class ByHand:
    """One full forward pass of transformers per cell."""

    def __init__(self, model, hf, found) -> None:
        self.hf, self.found, self.n_layers = hf, found, model.n_layers
        ids = [found.tokens.ids, found.corrupted_tokens.ids]
        runs = [plain(hf, each) for each in ids]
        self.clean = runs[0].logits[found.pos].double().log_softmax(-1)
        self.ends = [self.value(run.logits) for run in runs]
        source, self.into = ids if found.direction == "denoise" else ids[::-1]
        self.plain_source, self.plain_base = runs if found.direction == "denoise" else runs[::-1]
        self.site = {"head": "z", "head_pos": "z", "pattern": "z"}.get(found.site, found.site)
        self.source = activations(hf, source, self.site)

    def value(self, logits):
        return float(self.measured(logits[self.found.pos]))

    def measured(self, row):
        target = self.found.target
        if self.found.metric == "logit_difference":
            return row[target.token_id] - (0 if target.foil_id is None else row[target.foil_id])
        log_probability = row.double().log_softmax(-1)
        if self.found.metric == "probability":
            return log_probability[target.token_id].exp()
        nats = torch.nn.functional.kl_div(log_probability, self.clean, log_target=True, reduction="sum")
        return nats / math.log(2)

    def place(self, cell):
        if self.found.site == "head_pos":
            return cell[2], cell[1]
        return (cell[1],) if self.site in ("resid_pre", "attn_out", "mlp_out") else (slice(None), cell[1])

    def put(self, cell):
        """What takes the cell's place; another pattern over the same values is another mix `z`."""
        layer = cell[0]
        if self.found.site == "pattern":
            return self.plain_source.attention[layer, cell[1]] @ self.plain_base.v[layer][:, cell[1]]
        return self.source[layer][self.place(cell)]

    def cell(self, *cell):
        edit = (self.site, cell[0], lambda x: x.__setitem__(self.place(cell), self.put(cell)))
        return self.value(run_edited(self.hf, self.into, [edit]))

    def cells(self):
        out = np.empty(self.found.value.shape)
        for cell in np.ndindex(out.shape):
            out[cell] = self.cell(*cell)
        return out


def shape_of(site, architecture, n_pos):
    heads = 2 if site in ("k", "v") and architecture not in ("gpt2", "neox") else 4
    return (3, *{"head_pos": (heads, n_pos)}.get(site, (n_pos if site.endswith(("pre", "out")) else heads,)))


def assert_equals_the_loop(model, hf, architecture, atol=1e-4, **ask):
    found = patching(model, CLEAN, corrupted=CORRUPTED, target="cat", foil="dog", **ask)
    hand = ByHand(model, hf, found)
    assert [found.clean, found.corrupted] == pytest.approx(hand.ends, abs=atol)
    assert found.value.shape == shape_of(found.site, architecture, len(found.tokens))
    expected = hand.cells()
    np.testing.assert_allclose(found.value, expected, atol=atol)
    gap = hand.ends[0] - hand.ends[1]
    np.testing.assert_allclose(found.restored, (expected - hand.ends[1]) / gap, atol=2 * atol / abs(gap))
    assert all(check.passed for check in found.checks), found.checks
    return found


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize("site", SITES)
def test_every_cell_equals_the_loop(architecture, tiny_model, hf_model, site, direction):
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = assert_equals_the_loop(model, hf, architecture, site=site, direction=direction)
    assert np.ptp(found.value) > 0.05


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize("metric", METRICS[1:])
def test_every_metric_equals_the_loop(architecture, tiny_model, hf_model, metric, direction):
    model, hf = tiny_model(architecture), hf_model(architecture)
    ask = {"site": "attn_out", "metric": metric, "direction": direction}
    atol = 1e-6 if metric == "probability" else 1e-4
    found = assert_equals_the_loop(model, hf, architecture, atol, **ask)
    assert np.ptp(found.value) > 100 * atol
    assert found.units.startswith({"probability": "probability", "kl": "bits"}[metric])


@pytest.mark.parametrize("site", ["q", "k", "v", "pattern", "head"])
def test_heads_equal_the_loop_one_would_write_with_the_bridge(architecture, tiny_model, site):
    """At the hooks as TransformerLens names them: with rotary positions, queries and keys before their rotation."""
    model = tiny_model(architecture)
    found = patching(model, CLEAN, corrupted=CORRUPTED, target="cat", foil="dog", site=site)
    clean, other = (torch.tensor([each.ids]) for each in (found.tokens, found.corrupted_tokens))
    _, cache = model.bridge.run_with_cache(clean)
    for layer, head in [(0, 0), (1, 1), (2, found.value.shape[1] - 1)]:
        name = f"blocks.{layer}.attn.hook_{'z' if site == 'head' else site}"
        place = (0, head) if site == "pattern" else (0, slice(None), head)

        def put(x, hook, name=name, place=place):
            x = x.clone()
            x[place] = cache[name][place]
            return x

        with torch.no_grad():
            row = model.bridge.run_with_hooks(other, fwd_hooks=[(name, put)])[0, -1]
        expected = float(row[found.target.token_id] - row[found.target.foil_id])
        assert found.value[layer, head] == pytest.approx(expected, abs=1e-4)


def test_every_cell_of_the_built_in_model(mini, hf_model):
    found = patching(mini, TEXAS, corrupted=FRANCE)
    np.testing.assert_allclose(found.value, ByHand(mini, hf_model("loupe-mini"), found).cells(), atol=1e-3)


@pytest.mark.parametrize("site", ["resid_pre", "head"])
def test_another_position_and_bos(tiny_model, hf_model, site):
    model = tiny_model("gemma2")
    ask = {"corrupted": CORRUPTED, "site": site, "target": "cat", "pos": -2, "prepend_bos": True}
    found = patching(model, CLEAN, **ask)
    hand = ByHand(model, hf_model("gemma2"), found)
    assert found.tokens.has_bos and found.pos == len(found.tokens) - 2
    np.testing.assert_allclose(found.value, hand.cells(), atol=1e-4)
    assert found.value.shape[1] == (4 if site == "head" else found.pos + 1)


def test_before_the_prompts_differ_patches_change_nothing(mini):
    found = patching(mini, TEXAS, corrupted=FRANCE)
    assert found.first_difference == 4
    assert (found.restored[:, :4] == 0).all() and (found.value[:, :4] == np.float32(found.corrupted)).all()


def test_answers_that_are_not_given_are_each_prompts_top_guess(mini, hf_model):
    found = patching(mini, TEXAS, corrupted=FRANCE)
    tops = [int(plain(hf_model("loupe-mini"), mini.tokens(each).ids).logits[-1].argmax()) for each in (TEXAS, FRANCE)]
    assert [found.target.token_id, found.target.foil_id] == tops


def test_where_both_guess_the_same_nothing_is_subtracted(tiny_model):
    model = tiny_model("gpt2")
    guess = int(model.run(model.tokens(CORRUPTED)).logits[0].argmax())
    found = patching(model, CLEAN, corrupted=CORRUPTED, target=f'"{model.text(guess)}"')
    assert found.target.token_id == guess and found.target.foil_id is None


# Identities ---------------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_everything_is_the_other_run_and_nothing_is_none(mini, data):
    words = [" the", " cat", " Paris", " to", " Mary", "."]
    pick = st.lists(st.sampled_from(words), min_size=3, max_size=8)
    clean = data.draw(pick)
    corrupted = data.draw(st.lists(st.sampled_from(words), min_size=len(clean), max_size=len(clean)))
    assume(clean != corrupted and len(mini.tokens("".join(clean))) == len(mini.tokens("".join(corrupted))))
    direction = data.draw(st.sampled_from(["denoise", "noise"]))
    found = patching(
        mini, "".join(clean), corrupted="".join(corrupted), direction=direction, target=" dog", foil=" horse"
    )
    everything, nothing = found.checks[:2]
    assert everything.error < 1e-3 and nothing.error < 1e-3
    assert np.isfinite(found.restored).all() and found.reading().title


@pytest.mark.parametrize(("direction", "end"), [("denoise", 1.0), ("noise", 0.0)])
def test_the_one_token_that_differs_carries_all_of_it_at_the_start(architecture, tiny_model, direction, end):
    """At layer 0 the whole difference is in the token that differs: its patch gives the other run."""
    model = tiny_model(architecture)
    other = CLEAN.replace("cat", "dog")
    found = patching(model, CLEAN, corrupted=other, target="cat", foil="dog", direction=direction)
    assert found.restored[0, found.first_difference] == pytest.approx(end, abs=1e-3)


def test_swapping_the_prompts_turns_the_map_around(mini):
    one = patching(mini, TEXAS, corrupted=FRANCE, target="Austin", foil="Paris")
    other = patching(mini, FRANCE, corrupted=TEXAS, target="Austin", foil="Paris", direction="noise")
    np.testing.assert_allclose(one.value, other.value, atol=1e-4)
    np.testing.assert_allclose(one.restored, 1 - other.restored, atol=1e-4)


# The estimate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("metric", METRICS)
def test_the_estimate_is_the_gradient_times_the_difference(tiny_model, hf_model, architecture, site, metric):
    """How fast the answer changes as the patch is blended in, from autograd through plain transformers."""
    model = tiny_model(architecture)
    ask = {"corrupted": CORRUPTED, "target": "cat", "foil": "dog", "site": site, "metric": metric}
    found = patching(model, CLEAN, estimate=True, **ask)
    hand = ByHand(model, hf_model(architecture), found)
    base = activations(hand.hf, hand.into, hand.site)
    for cell in [(0, 1, 3), (1, 0, 2), (2, 1, 3)] if site == "head_pos" else [(0, 1), (1, 0), (2, 1)]:
        cell = cell if len(cell) == 3 or not site.endswith(("pre", "out")) else (cell[0], cell[1] + 3)
        place, share = hand.place(cell), torch.zeros((), requires_grad=True)
        blend = share * (hand.put(cell) - base[cell[0]][place])
        edit = (hand.site, cell[0], lambda x, place=place, blend=blend: x.__setitem__(place, x[place] + blend))
        row = run_edited(hand.hf, hand.into, [edit])[found.pos]
        slope = torch.autograd.grad(hand.measured(row), share)[0]
        assert found.value[cell] - found.corrupted == pytest.approx(float(slope), rel=1e-3, abs=1e-4)


def test_an_estimate_of_kl_in_the_clean_run_is_refused(mini):
    with pytest.raises(InputError, match="has no slope there") as caught:
        patching(mini, TEXAS, corrupted=FRANCE, metric="kl", direction="noise", estimate=True)
    assert caught.value.field == "estimate"


def test_the_largest_estimates_are_run_exactly(mini):
    ask = {"corrupted": FRANCE, "site": "head"}
    found, exact = patching(mini, TEXAS, estimate=True, **ask), patching(mini, TEXAS, **ask)
    done = np.isfinite(found.exact)
    assert done.sum() == CONFIRMED
    largest = np.argsort(-np.abs(found.restored), axis=None)[:CONFIRMED]
    assert set(largest) == set(np.flatnonzero(done))
    np.testing.assert_allclose(found.exact[done], exact.restored[done], atol=1e-5)
    expected = np.corrcoef(found.restored[done], exact.restored[done])[0, 1]
    assert found.correlation == pytest.approx(expected, abs=1e-6)
    assert any("estimates from one backward pass" in sentence for sentence in found.reading().sentences)
    table = found.tables()["effects"]
    assert list(table.columns)[-3:] == ["best", "exact", "disagrees"] and table["exact"].notna().sum() == CONFIRMED
    assert (table["best"] == table["exact"].fillna(table["restored"])).all()


def test_estimates_that_are_far_off_are_marked(mini):
    found = patching(mini, DRINK, corrupted=DRINK.replace(", John", ", Mary"), estimate=True)
    assert found.disagrees.any()
    assert (found.disagrees == (np.abs(found.exact - found.restored) > 0.1)).all()
    table = found.tables()["effects"]
    wrong = table[table["disagrees"]]
    assert ((wrong["exact"] - wrong["restored"]).abs() > 0.1).all() and len(wrong) == found.disagrees.sum()
    assert f"{len(wrong)} of them" in found.reading().sentences[-1] and "marked" in found.reading().sentences[-1]


def test_the_estimate_leaves_no_gradient_and_no_hook(tiny_model):
    model = tiny_model("qwen3")
    model.run(model.tokens(CLEAN))  # transformers sets hooks of its own in the first run
    held = hooks_left(model)
    patching(model, CLEAN, corrupted=CORRUPTED, target="cat", foil="dog", estimate=True)
    assert hooks_left(model) == held
    assert all(parameter.grad is None for parameter in model.bridge.original_model.parameters())


# Words, tables, errors ----------------------------------------------------------------------------------------------


# With parts out of both runs ------------------------------------------------------------------------------------------

OUT = [("z", 1, lambda x: x.__setitem__((slice(None), 2), 0)), ("mlp_out", 0, lambda x: x.zero_())]


def with_parts_out(hf, ids, site, layer):
    """An activation in a run of `ids` without the two parts."""
    seen = []
    run_edited(hf, ids, [*OUT, (site, layer, lambda x: seen.append(x.clone()))])
    return seen[0]


@pytest.mark.parametrize("site", ["resid_pre", "head", "v"])
def test_parts_that_are_out_of_both_runs_are_out_of_every_run(architecture, tiny_model, hf_model, site):
    model, hf = tiny_model(architecture), hf_model(architecture)
    asked = {"corrupted": CORRUPTED, "site": site, "target": "cat", "foil": "dog"}
    found = patching(model, CLEAN, **asked, without=("L1H2", "MLP 0"), mode="zero")
    ids = found.tokens.ids, found.corrupted_tokens.ids

    def value(each, edits):
        row = run_edited(hf, each, edits)[-1]
        return float(row[found.target.token_id] - row[found.target.foil_id])

    assert (found.clean, found.corrupted) == pytest.approx([value(each, OUT) for each in ids], abs=1e-4)
    name = {"head": "z"}.get(site, site)
    for cell in [(0, 1), (1, 1), (2, 1)] if site != "resid_pre" else [(0, 5), (1, 5), (2, 6)]:
        where = cell[1] if site == "resid_pre" else (slice(None), cell[1])
        put = with_parts_out(hf, ids[0], name, cell[0])[where]
        edits = [*OUT, (name, cell[0], lambda x, where=where, put=put: x.__setitem__(where, put))]
        assert found.value[cell] == pytest.approx(value(ids[1], edits), abs=2e-4)
    assert all(check.passed for check in found.checks) and found.without == ("L1H2", "MLP 0")
    assert found.reading().title.startswith("With L1H2 and MLP 0 out in both runs: ")


def test_the_estimate_is_the_slope_of_the_run_without_them(tiny_model, hf_model):
    model, hf, small = tiny_model("llama"), hf_model("llama"), 1e-2
    asked = {"corrupted": CORRUPTED, "site": "head", "target": "cat", "foil": "dog"}
    found = patching(model, CLEAN, **asked, estimate=True, without=("L1H2", "MLP 0"), mode="zero")
    ids = found.tokens.ids, found.corrupted_tokens.ids
    for layer, head in ((0, 1), (1, 1), (2, 3)):
        step = with_parts_out(hf, ids[0], "z", layer)[:, head] - with_parts_out(hf, ids[1], "z", layer)[:, head]

        def value(by, layer=layer, head=head, step=step):
            edit = ("z", layer, lambda x: x.__setitem__((slice(None), head), x[:, head] + by * step))
            row = run_edited(hf, ids[1], [*OUT, edit])[-1].double()
            return float(row[found.target.token_id] - row[found.target.foil_id])

        slope = (value(small) - value(-small)) / (2 * small)
        assert found.value[layer, head] - found.corrupted == pytest.approx(slope, abs=1e-3, rel=1e-2)
    assert found.restored[1, 2] == pytest.approx(0, abs=1e-6), "a head that is out has nothing to carry"


def test_what_is_out_changes_neither_the_question_nor_the_whole_model(mini):
    asked = {"corrupted": DRINK.replace("John gave", "Mary gave"), "site": "head"}
    before, after = patching(mini, DRINK, **asked), patching(mini, DRINK, **asked, without=("L0H2", "L2H0@14→2"))
    assert before.target == after.target and before.without == () and abs(after.clean - before.clean) > 1
    np.testing.assert_array_equal(patching(mini, DRINK, **asked).value, before.value)
    with pytest.raises(InputError, match="There is no layer 9") as caught:
        patching(mini, DRINK, **asked, without=("L9H0",))
    assert caught.value.field == "without"


def test_the_reading_follows_the_difference_through_the_layers(mini):
    found = patching(mini, TEXAS, corrupted=FRANCE)
    strongest = found.restored.argmax(1).tolist()
    assert strongest[0] == 4 and strongest[-1] == 5
    moved = strongest.index(5) - 1
    assert found.reading().title == (
        f"The difference sits at “·Texas” (position 4) up to layer {moved}, then at “·is” (position 5)"
    )
    assert f"{found.clean:+.2f} in your prompt" in found.reading().sentences[0]


def test_the_reading_of_heads_names_the_strongest(mini):
    found = patching(mini, TEXAS, corrupted=FRANCE, site="head")
    layer, head = np.unravel_index(found.restored.argmax(), found.restored.shape)
    assert found.reading().title.startswith(f"L{layer}H{head} alone carries")
    noise = patching(mini, TEXAS, corrupted=FRANCE, site="head", direction="noise")
    layer, head = np.unravel_index(noise.restored.argmin(), noise.restored.shape)
    assert noise.reading().title.startswith(f"L{layer}H{head} alone carries")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("site", SITES)
def test_every_site_and_metric_has_words_and_a_tidy_table(mini, site, metric):
    found = patching(mini, TEXAS, corrupted=FRANCE, site=site, metric=metric)
    table, reading = found.tables()["effects"], found.reading()
    assert len(table) == found.value.size and table["value"].notna().all()
    assert table["head"].notna().all() == ("head" in site or len(site) == 1 or site == "pattern")
    assert table["pos"].notna().all() == (site == "head_pos" or site.endswith(("pre", "out")))
    if site == "head_pos":
        row = table[(table["layer"] == 2) & (table["head"] == 1) & (table["pos"] == 4)].iloc[0]
        assert row["token"] == " Texas" and row["value"] == pytest.approx(found.value[2, 1, 4])
    words = {"logit_difference": "The logit difference of", "probability": "The probability of “·Austin” is"}
    assert reading.sentences[0].startswith(words.get(metric, "The exchanged prompt's guesses are"))
    assert "None" not in reading.title and reading.title


def test_kl_is_restored_only_where_every_guess_is(mini):
    """At the last layer's end the clean run is reached; the logit difference may be so where the rest is not."""
    found = patching(mini, TEXAS, corrupted=FRANCE, metric="kl")
    assert found.clean == pytest.approx(0, abs=1e-6) and found.corrupted > 1
    assert found.restored.max() <= 1 + 1e-6
    np.testing.assert_allclose(found.restored, 1 - found.value / found.corrupted, atol=1e-6)


def test_a_run_that_is_planned_is_the_run_that_is_made(mini, monkeypatch):
    given = []

    def watched(model, ids, cells, read, progress=None):
        given.append((ids, cells))
        return sweep.sweep(model, ids, cells, read, progress)

    monkeypatch.setattr(patch_run, "sweep", watched)
    for more in ({}, {"site": "pattern", "direction": "noise"}, {"site": "head_pos", "estimate": True}, {"pos": -2}):
        ask = {"corrupted": "The capital of France was" if "pos" in more else FRANCE, **more}
        patching(mini, TEXAS, **ask)
        ids, cells = planned(mini, **bound("patching", {"prompt": TEXAS, **ask}))
        assert ids == given[-1][0] and len(cells) == len(given[-1][1])
        for one, other in zip(cells, given[-1][1], strict=True):
            for a, b in zip(one, other, strict=True):
                assert (a.site, a.layer, a.head, a.first, a.end) == (b.site, b.layer, b.head, b.first, b.end)
                assert torch.equal(torch.as_tensor(a.value), torch.as_tensor(b.value))


def test_tables_are_tidy(mini):
    found = patching(mini, TEXAS, corrupted=FRANCE)
    table = found.tables()["effects"]
    assert list(table.columns) == ["site", "layer", "head", "pos", "token", "value", "restored"]
    row = table[(table.layer == 2) & (table.pos == 4)].iloc[0]
    assert (row.site, row.token, row.restored) == ("resid_pre", " Texas", pytest.approx(found.restored[2, 4]))
    assert table["head"].isna().all()
    heads = patching(mini, TEXAS, corrupted=FRANCE, site="head").tables()["effects"]
    assert heads["pos"].isna().all() and heads["head"].tolist() == [0, 1, 2, 3] * 4
    prompts = found.tables()["prompts"]
    assert prompts[prompts.differs][["clean", "corrupted"]].values.tolist() == [[" Texas", " France"]]


@pytest.mark.parametrize(
    ("corrupted", "message"),
    [
        ("The capital of New York is", "6 and 7 tokens long and must be equally long. They first differ at position 4"),
        ("The capital of New York is", r"has “·Texas” \(1 token\) and the exchanged one “·New·York” \(2 tokens\)"),
        ("The capital of Texas is not", r"yours has nothing and the exchanged one “·not” \(1 token\)"),
        (TEXAS, "Both prompts are the same"),
        ("  ", "The prompt is empty"),
        ("word " * 600, "tokens long"),
    ],
)
def test_prompts_that_cannot_be_compared_get_a_sentence(mini, corrupted, message):
    with pytest.raises(InputError, match=message) as caught:
        patching(mini, TEXAS, corrupted=corrupted)
    assert caught.value.field == "corrupted"


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        (
            {"site": "z"},
            "“z” is no place to patch: use resid_pre, attn_out, mlp_out, head, head_pos, q, k, v and pattern",
            "site",
        ),
        ({"metric": "size"}, "“size” is no measure: use logit_difference, probability and kl", "metric"),
        ({"direction": "up"}, "“up” is no direction: use denoise or noise", "direction"),
        ({"pos": 2}, "Both prompts give the same", "corrupted"),
        ({"pos": 9}, "There is no position 9", "pos"),
        ({"target": "Paris", "foil": "Paris"}, "the same token", "foil"),
    ],
)
def test_bad_settings_get_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        patching(mini, TEXAS, corrupted=FRANCE, **chosen)
    assert caught.value.field == field


def test_on_the_command_line(mini, capsys):
    words = ["patching", "--prompt", TEXAS, "--corrupted", FRANCE, "--site", "resid_pre", "--target", "Austin"]
    assert main([*words, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["effects"]
    found = patching(mini, TEXAS, corrupted=FRANCE, target="Austin")
    assert [row["value"] for row in rows] == pytest.approx(found.value.ravel().tolist(), abs=1e-4)
    assert {"site", "layer", "head", "pos", "token", "value", "restored"} == set(rows[0])


def test_a_sweep_that_is_interrupted_leaves_the_model_as_it_was(mini):
    """What the engine does where nobody waits any more: the report of progress does not return."""
    held, before = hooks_left(mini), mini.run(mini.tokens(TEXAS)).logits

    def stop(done, total, partial=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        patching(mini, TEXAS, corrupted=FRANCE, progress=stop)
    assert hooks_left(mini) == held and torch.equal(mini.run(mini.tokens(TEXAS)).logits, before)
