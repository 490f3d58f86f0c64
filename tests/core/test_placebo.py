"""Interventions beside chance: against plain hooks, sizes kept, the counting, and what is refused."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.ablation.plan import Question, plan
from mi_core.analyses._index import bound
from mi_core.analyses.ablation import ablation
from mi_core.analyses.cost import cost
from mi_core.analyses.edit import edit
from mi_core.analyses.patched_run import patched_run
from mi_core.analyses.placebo import Placebo, placebo
from mi_core.analyses.steering import steering
from mi_core.editing import overlay
from mi_core.editing.orthogonalise import removal
from mi_core.editing.recipes import Orthogonalise
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.tokens import Tokens
from mi_core.placebo.alike import drawn
from mi_core.placebo.random_change import changes, random_runs
from mi_core.saes.loading import pick
from mi_core.saes.notes import notes
from tests.core.plain_hooks import activations, run_edited
from tests.core.plain_reference import plain

MARY = "When Mary and John went to the store, John gave a drink to"
JOHN = "When Mary and John went to the store, Mary gave a drink to"
TEXAS = "The capital of Texas is"
RANDOM, HEADS = "random directions", "other heads of layer 3"
READERS = "other heads that read it"
NEURONS, OFTEN = "other neurons of layer 3", "other features that fire about as often"
MAKE = {"kind": "rome", "subject": "Texas", "target": "Boston"}
REMOVE = {"kind": "orthogonalise", "direction": "token:Austin"}
CLAMP = {"prompt": "The film was", "direction": "feature:53", "operation": "clamp", "strength": 5.0}
PATCH = {"prompt": MARY, "corrupted": JOHN, "site": "head", "cell": "L3H2"}
CLEAN, CORRUPTED = " the cat sat on the dog on", " the dog sat on the dog on"


def ask(model, of, *, draws=20, seed=0, **settings):
    return placebo(model, of=of, settings=json.dumps(settings), draws=draws, seed=seed)


def units(width, draws, seed):
    drawn = torch.randn(draws, width, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=-1, keepdim=True)


def logits_with(hf, ids, site, layer, put):
    with torch.no_grad():
        return run_edited(hf, ids, [(site, layer, put)])


def heads_beside_chance(model, hf, prompt, layer, head, draws, seed):
    """Every number of a knocked-out head's comparison, by plain hooks."""
    found = ask(model, "ablation", prompt=prompt, mode="zero", layer=layer, head=head, draws=draws, seed=seed)
    own = plain(hf, found.tokens.ids)
    z = own.z[layer][:, head]
    logit = own.logits[found.pos, found.target.token_id]

    def moved(value, head=head):
        def put(x):
            x[:, head] = value

        logits = logits_with(hf, found.tokens.ids, "z", layer, put)
        return float(logits[found.pos, found.target.token_id] - logit)

    assert found.own_change == pytest.approx(moved(0.0), abs=1e-3)
    random = [moved(z + z.norm(dim=-1, keepdim=True) * unit) for unit in units(z.shape[-1], draws, seed)]
    others = [moved(0.0, int(name[3:])) for name in found.names[draws:]]
    np.testing.assert_allclose(found.change, [*random, *others], atol=1e-3)
    assert found.kinds == (RANDOM,) * draws + (f"other heads of layer {layer}",) * len(others)
    rest = [other for other in range(own.z[0].shape[1]) if other != head]
    assert draws < len(rest) or [int(name[3:]) for name in found.names[draws:]] == rest
    return found, random


def test_a_knocked_out_head_and_its_random_directions_are_those_of_plain_hooks(architecture, tiny_model, hf_model):
    heads_beside_chance(tiny_model(architecture), hf_model(architecture), CLEAN, 1, 2, 3, 5)


def test_a_head_of_the_built_in_model_beside_twenty_random_directions(mini, hf_model):
    found, random = heads_beside_chance(mini, hf_model("loupe-mini"), TEXAS, 0, 2, 20, 3)
    assert found.beaten(RANDOM) == (sum(abs(value) < abs(found.own_change) for value in random), 20)


def test_a_push_beside_twenty_random_directions(mini, hf_model):
    found = ask(mini, "steering", prompt=TEXAS, direction="token:Paris", layer=2, seed=3)
    hf, ids = hf_model("loupe-mini"), found.tokens.ids
    own = plain(hf, ids)
    length = 0.5 * float(own.resid[2][1:].norm(dim=-1).mean())
    before = own.logits[-1].double().log_softmax(-1)

    def kl(push):
        def put(x):
            x[1:] += push

        after = logits_with(hf, ids, "resid_pre", 2, put)[-1].double().log_softmax(-1)
        return float((after.exp() * (after - before)).sum() / np.log(2))  # the way round in which steering measures

    random = [kl(length * unit) for unit in units(mini.d_model, 20, 3)]
    np.testing.assert_allclose(found.kl, random, atol=1e-3)
    assert found.beaten(RANDOM) == (sum(value < found.own_kl for value in random), 20)


def test_random_directions_of_a_neuron_spread_its_size_over_its_mlp(mini, hf_model):
    found = ask(mini, "ablation", prompt=TEXAS, mode="zero", site="neuron", layer=2, neuron=7, draws=4, seed=1)
    hf, ids = hf_model("loupe-mini"), found.tokens.ids
    post = activations(hf, ids, "post")[2]
    logit = plain(hf, ids).logits[-1, found.target.token_id]
    for value, unit in zip(found.change, units(post.shape[-1], 4, 1), strict=False):

        def put(x, unit=unit):
            x += post[:, 7:8].abs() * unit

        after = logits_with(hf, ids, "post", 2, put)[-1, found.target.token_id]
        assert value == pytest.approx(float(after - logit), abs=1e-3)


def test_its_numbers_are_those_of_the_analysis_itself(mini):
    out = ablation(mini, MARY, site="head", layer=2)
    own = ask(mini, "ablation", prompt=MARY, site="head", layer=2, draws=1)
    assert own.said == f"knocking out {out.components[out.strongest]}"
    assert own.own_change == pytest.approx(out.change[out.strongest], abs=1e-4)
    assert own.own_kl == pytest.approx(out.kl[out.strongest], abs=1e-4)
    patch = patched_run(mini, **PATCH)
    before, after, _ = patch.measured[0]
    found = ask(mini, "patched_run", **PATCH, draws=1)
    assert found.own_change == pytest.approx(after - before, abs=1e-4)
    kept_out = PATCH | {"without": ["L0H1", "L3H0"]}
    patch, own = patched_run(mini, **kept_out), ask(mini, "patched_run", **kept_out)
    before, after, _ = patch.measured[0]
    assert own.own_change == pytest.approx(after - before, abs=1e-4) and own.own_change != found.own_change
    assert [name for name in own.names if name[0] == "L"] == ["L3H1", "L3H3"]
    assert all(check.passed for check in own.checks)
    made = edit(mini, TEXAS, subject="Texas", target="Boston")
    assert ask(mini, "edit", prompt=TEXAS, **MAKE, draws=1).own_kl == pytest.approx(float(made.trial_kl[0]), abs=1e-3)


@pytest.mark.parametrize(
    "push",
    [
        {"prompt": TEXAS, "direction": "token:Paris"},
        {"prompt": TEXAS, "direction": "token:Paris", "positions": "new"},
        {"prompt": TEXAS, "direction": "token:Paris", "operation": "hold"},
        CLAMP,
        CLAMP | {"also": [json.dumps({"direction": "feature:12", "operation": "clamp", "strength": 3.0})]},
        {"prompt": TEXAS, "direction": "token:Paris", "also": [json.dumps({"direction": "token:Rome", "layer": 3})]},
    ],
)
def test_pushes_are_those_of_steering(mini, push):
    own = ask(mini, "steering", **push, draws=2)
    assert own.own_kl == pytest.approx(steering(mini, **push, max_new_tokens=1).kl, abs=1e-4)
    assert all(check.passed for check in own.checks)


def test_a_direction_taken_out_of_a_run_is_taken_out_of_the_weights(architecture, tiny_model):
    model = tiny_model(architecture)
    vector = " ".join(f"{value:.4f}" for value in units(model.d_model, 1, 9)[0])
    found = ask(model, "edit", prompt=CLEAN, kind="orthogonalise", direction="vector", vector=vector, draws=2, seed=4)
    assert all(check.passed for check in found.checks) and len(found.checks) >= 1
    recipe = Orthogonalise("vector", vector=" ".join(str(float(value)) for value in units(model.d_model, 2, 4)[1]))
    other = overlay.with_changes(model, removal(model, recipe).changes(model), "test")
    before, after = (one.run(found.tokens).logits[-1].double().log_softmax(-1) for one in (model, other))
    kl = float((before.exp() * (before - after)).sum() / np.log(2))
    assert found.kl[1] == pytest.approx(kl, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_random_changes_are_as_long_at_every_position_and_the_same_for_the_same_seed(seed, draws):
    lengths = torch.tensor([[0.0], [1], [2], [3], [9]])
    first, second = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(seed + 1)) * lengths
    moved = [(hooks.mlp_out(1), first), (hooks.attn_out(2), second)]
    runs, again, other = (random_runs((), moved, draws, one) for one in (seed, seed, seed + 1))
    assert len(runs) == draws
    for adds, same, differs in zip(runs, again, other, strict=True):
        for one, twin, stranger, (hook, value) in zip(adds, same, differs, moved, strict=True):
            assert torch.equal(one.value, twin.value) and not torch.equal(one.value, stranger.value)
            assert one.hook == hook and one.operation == "add"
            assert one.value.norm(dim=-1) == pytest.approx(value.norm(dim=-1), rel=1e-5)
            directions = one.value[1:] / one.value[1:].norm(dim=-1, keepdim=True)
            assert torch.allclose(directions, directions[:1].expand_as(directions), atol=1e-5)


def test_a_change_is_what_an_intervention_adds_beside_what_is_in_place_anyway(mini):
    tokens = mini.tokens(TEXAS)
    base = (Intervention("resid_pre", 1, 1.0, operation="add"),)
    own = (Intervention("mlp_out", 1, 0.0, first=2, end=4), Intervention("mlp_out", 2, 0.0))
    (_, moved), (_, later) = changes(mini, tokens.ids, base, own)
    assert (moved[:2] == 0).all() and (moved[4:] == 0).all() and (moved[2:4] != 0).any()
    turned = changes(mini, tokens.ids, base, own[::-1])
    assert torch.equal(turned[0][1], later) and torch.equal(turned[1][1], moved)


@given(
    st.sampled_from(["ablation", "steering"]),
    st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9), st.booleans()), max_size=30),
    st.floats(-9, 9),
    st.floats(0, 9),
)
def test_it_counts_the_cloud_that_is_nearer_to_nothing(of, cloud, own_change, own_kl):
    found = Placebo(
        model="m", analysis=of, tokens=Tokens((1,), ("a",), (False,), False), target=Target(1, "a"), pos=0,
        said="the push",
        own_change=own_change, own_kl=own_kl, draws=20, seed=0,
        kinds=tuple("others" if other else RANDOM for *_, other in cloud), names=tuple("n" for _ in cloud),
        change=np.array([one[0] for one in cloud]), kl=np.array([one[1] for one in cloud]), checks=(),
    )  # fmt: skip
    column, own = (0, abs(own_change)) if of == "ablation" else (1, own_kl)
    for kind in (RANDOM, "others"):
        values = [abs(one[column]) for one in cloud if one[2] == (kind == "others")]
        assert found.beaten(kind) == (sum(value < own for value in values), len(values))
    tables = found.tables()
    assert tables["summary"]["of"].sum() == len(cloud) and len(tables["trials"]) == len(cloud) + max(
        1, len(found.groups)
    )
    assert found.reading().title


def test_it_counts_what_moves_less_and_says_so(mini):
    found = ask(mini, "ablation", prompt=MARY, site="head")
    said = found.reading()
    assert said.title.startswith("Knocking out L0H3 moves the logit of “·Mary” by −16.10: more than chance")
    assert (
        said.sentences[0] == "It moves further than 20 of 20 random directions and than 3 of 3 other heads of layer 0."
    )
    assert "there are no more of them" in said.sentences[2]
    assert "If it was picked because it moves most, it passes other heads of layer 0 in any case" in said.sentences[3]
    trials = found.tables()["trials"]
    assert trials["direction"].tolist().count("knocking out L0H3") == 2 and len(trials) == 25


def test_few_others_are_few_to_judge_by_and_nothing_is_nothing(mini):
    few = ask(mini, "ablation", prompt=MARY, site="head", draws=3).reading().title
    assert few.endswith(": more than all 3 others, which are few to judge by")
    nothing = ask(mini, "steering", prompt=TEXAS, direction="token:Paris", strength=0.0).reading()
    assert nothing.title.endswith(": there is nothing to compare with chance") and not nothing.sentences
    inactive = next(n for n in range(99) if not ablation(mini, TEXAS, site="feature", feature=n).peaks[0])
    still = ask(mini, "ablation", prompt=TEXAS, site="feature", feature=inactive).reading()
    assert still.title.startswith(f"Knocking out feature {inactive} moves") and "nothing to compare" in still.title
    within = ask(mini, "ablation", prompt=MARY, site="head", layer=3, head=1).reading().title
    assert within.endswith(": no more than chance can")


@pytest.mark.parametrize(
    ("of", "settings_", "title", "kinds"),
    [
        (
            "ablation",
            {"prompt": MARY, "site": "feature"},
            "Knocking out feature",
            (RANDOM, OFTEN),
        ),
        (
            "ablation",
            {"prompt": MARY, "site": "neuron", "layer": 3},
            "Knocking out L3N",
            (RANDOM, NEURONS),
        ),
        ("ablation", {"prompt": MARY, "site": "mlp_out"}, "Knocking out MLP 0", (RANDOM,)),
        ("ablation", {"prompt": MARY, "site": "position"}, "Knocking out L1P14", (RANDOM,)),
        ("ablation", {"prompt": MARY, "site": "key"}, "Cutting attention@", ("other tokens that are read",)),
        (
            "ablation",
            {"prompt": MARY, "site": "edge", "key_pos": 2, "layer": 1, "head": 1},
            "Cutting L1H1@",
            (READERS,),
        ),
        ("patched_run", PATCH, "Patching L3H2 moves the logit difference", (RANDOM, HEADS)),
        ("patched_run", PATCH | {"site": "v"}, "Patching L3H2", (RANDOM, HEADS)),
        (
            "patched_run",
            PATCH | {"site": "head_pos", "cell": "L3H2@14"},
            "Patching L3H2@14",
            (RANDOM, HEADS),
        ),
        ("patched_run", PATCH | {"site": "pattern"}, "Patching L3H2", (HEADS,)),
        ("patched_run", PATCH | {"site": "mlp_out", "cell": "L2@10"}, "Patching L2@10", (RANDOM,)),
        ("steering", CLAMP, "The push moves the next token", (RANDOM,)),
        ("edit", {"prompt": TEXAS, **MAKE}, "The edit moves the next token", (RANDOM,)),
        ("edit", {"prompt": TEXAS, **REMOVE}, "Removing the direction", ("random directions taken out",)),
    ],
)
def test_everything_that_intervenes_has_its_placebo(mini, of, settings_, title, kinds):
    found = ask(mini, of, draws=4, **settings_)
    assert found.reading().title.startswith(title) and found.groups == kinds
    assert all(check.passed for check in found.checks)
    assert np.isfinite(found.change).all() and (found.kl >= 0).all()


@pytest.mark.parametrize("site", ["q", "k", "v", "pattern"])
def test_patches_of_heads_that_share_keys_and_values(architecture, tiny_model, site):
    pair = {"prompt": CLEAN, "corrupted": CORRUPTED, "site": site, "cell": "L1H0"}
    found = ask(tiny_model(architecture), "patched_run", **pair, draws=2)
    assert all(check.passed for check in found.checks) and found.groups[-1] == "other heads of layer 1"


def test_features_beside_it_fire_half_to_twice_as_often_and_the_seed_draws_them(mini):
    found = [ask(mini, "ablation", prompt=MARY, site="feature", feature=920, draws=5, seed=seed) for seed in (0, 0, 1)]
    book = notes(pick("loupe-mini"))
    own = book.of(920).density
    names = [[name for name, kind in zip(one.names, one.kinds, strict=True) if kind != RANDOM] for one in found]
    assert names[0] == names[1] != names[2] and [len(each) for each in names] == [5, 5, 5]
    for name in names[0] + names[2]:
        assert name != "feature 920" and own / 2 <= book.of(int(name.split()[1])).density <= 2 * own


@given(st.lists(st.integers(), max_size=30), st.integers(1, 25), st.integers(0, 99))
def test_a_draw_keeps_the_order_and_takes_all_where_there_are_no_more(found, draws, seed):
    some = drawn(list(enumerate(found)), draws, seed)
    assert len(some) == min(draws, len(found)) and some == sorted(set(some)) and set(some) <= set(enumerate(found))


@pytest.mark.parametrize(
    ("of", "settings_", "more", "said", "field"),
    [
        ("guess", {}, {}, "cannot be compared with chance", "of"),
        ("ablation", {"prompt": TEXAS}, {"draws": 0}, "There cannot be 0 random directions", "draws"),
        ("ablation", {"prompt": TEXAS, "layer": 1, "head": 99}, {}, "There is no head 99", "head"),
        ("ablation", {"prompt": TEXAS, "head": 1}, {}, "A head belongs to a layer", "layer"),
        ("ablation", {"prompt": TEXAS, "site": "mlp_out", "layer": 1, "head": 1}, {}, "mlp_out has no heads", "head"),
        ("patched_run", PATCH | {"cell": "L9H9"}, {}, "There is no layer 9", "cell"),
        ("steering", {"prompt": TEXAS, "direction": "token:xyzzy plugh"}, {}, "token", "token"),
        ("steering", {"prompt": TEXAS, "direction": "token:Paris", "positions": "odd"}, {}, "odd", "positions"),
    ],
)
def test_bad_input_is_a_sentence(mini, of, settings_, more, said, field):
    with pytest.raises(InputError, match=said) as raised:
        ask(mini, of, **settings_, **more)
    assert raised.value.field == field


@pytest.mark.parametrize(("narrow", "runs"), [({}, 17 + 26), ({"layer": 1, "head": 0}, 26)])
def test_it_is_foretold_by_the_runs_that_it_makes(mini, narrow, runs):
    asked = {"of": "ablation", "settings": json.dumps({"prompt": TEXAS} | narrow)}
    told = cost(mini, of="placebo", settings=json.dumps(asked))
    assert told.runs == runs and told.reading().title.startswith("This comparison with chance takes about")
    made = []
    placebo(mini, **asked, progress=lambda done, total, *_: made.append((done, total)))
    assert sum(done for done, total in made if done == total) == runs


CUT = (("key", {}), ("edge_layer", {"key_pos": 2}), ("edge", {"key_pos": 2}))


def test_settings_that_narrow_an_ablation_to_a_part_give_that_part(mini):
    for site, more in (
        ("head", {}),
        ("mlp_out", {}),
        ("neuron", {"layer": 1}),
        ("position", {}),
        ("feature", {}),
        *CUT,
    ):
        whole = ablation(mini, TEXAS, site=site, **more)
        one = bound("ablation", {"prompt": TEXAS, "site": site} | more | whole.settings_of(whole.strongest))
        names = [part.name for part in plan(mini, Question(**one)).components]
        assert names == [whole.components[whole.strongest]]
