"""Attribution graphs: against plain transformers, the sums that must hold, the figures to expect, and what they say."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charts import figures
from mi_core.analyses.attribution_graph import attribution_graph
from mi_core.analyses.cost import cost
from mi_core.errors import InputError
from mi_core.graphs import graph_file, groups
from mi_core.graphs.influence import graph_scores, influence, prune
from mi_core.graphs.kinds import ANSWER, BIAS, ERROR, FEATURE, HEAD, MLP, TOKEN
from mi_core.graphs.view import alike, view
from mi_core.models.loading import load
from tests.core.plain_hooks import run_edited
from tests.core.plain_reference import blocks, final_norm, plain, unembed, w_o
from tests.core.sae_folders import save_sae

CLEAN, CORRUPTED = " the cat sat on the dog on", " the cat sat the the cat on"
ASK = {"corrupted": CORRUPTED, "target": "cat", "foil": "dog"}
TEXAS, FRANCE = "The capital of Texas is", "The capital of France is"
MARY = "When Mary and John went to the store, John gave a drink to"
JOHN = "When Mary and John went to the store, Mary gave a drink to"
NAMES = {"corrupted": JOHN, "target": " Mary", "foil": " John"}
PLACES = ("blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_post")


@pytest.fixture(scope="module")
def with_saes(tmp_path_factory, tiny_folder):
    """with_saes(name): a tiny model beside SAEs of three of its streams, a top-k one in the middle."""

    def make(name):
        folder = tmp_path_factory.mktemp("saes") / name
        shutil.copytree(tiny_folder(name), folder)
        for hook, kind in zip(PLACES, ("standard", "topk", "standard"), strict=True):
            save_sae(folder, hook, kind)
        return load(str(folder))

    return make


def difference(found, logits):
    row = logits[found.pos]
    return float(row[found.target.token_id] - row[found.target.foil_id])


def node(found, name):
    return found.names.index(name)


# Against plain transformers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["feature", "component", "neuron"])
def test_every_place_adds_up_to_the_difference_of_plain_transformers(architecture, with_saes, hf_model, basis):
    found = attribution_graph(with_saes(architecture), CLEAN, basis=basis, points=120, nodes=60, measured=0, **ASK)
    hf = hf_model(architecture)
    own, other = (plain(hf, tokens.ids) for tokens in (found.tokens, found.corrupted_tokens))
    assert found.total == pytest.approx(difference(found, own.logits) - difference(found, other.logits), abs=1e-3)
    assert [total for _, total in found.sums] == pytest.approx([found.total] * len(found.sums), rel=0.01, abs=0.01)
    assert all(check.passed for check in found.checks)


@pytest.mark.parametrize("basis", ["feature", "component", "neuron"])
def test_what_comes_in_adds_up_between_two_prompts_and_of_one_alone(architecture, with_saes, basis):
    model = with_saes(architecture)
    for settings_ in (ASK, {"target": "cat", "foil": "dog"}):
        found = attribution_graph(model, CLEAN, basis=basis, points=120, nodes=60, measured=0, **settings_)
        into = found.edge.sum(1)
        reads = np.abs(found.edge).sum(1) > 0
        assert into[reads] == pytest.approx(found.scores[reads], rel=1e-3, abs=1e-3 * max(1, abs(found.total)))
        assert into[-1] == pytest.approx(found.total, rel=1e-3, abs=1e-3)
        assert np.triu(found.edge, 1).sum() == 0 or basis != FEATURE  # nothing comes from above


def test_the_last_mlps_worth_is_that_of_gradients_through_a_plain_norm(tiny_model, hf_model):
    found, hf = attribution_graph(tiny_model("gpt2"), CLEAN, basis="component", measured=0, **ASK), hf_model("gpt2")
    own, other = (plain(hf, tokens.ids) for tokens in (found.tokens, found.corrupted_tokens))
    place, weight = np.polynomial.legendre.leggauss(10)
    worth = torch.zeros(hf.config.n_embd)
    for at, share in zip(place, weight / 2, strict=True):
        x = (other.resid[-1][-1] + (at + 1) / 2 * (own.resid[-1][-1] - other.resid[-1][-1])).detach()
        x.requires_grad_(True)
        logits = unembed(hf, final_norm(hf)(x))
        value = logits[found.target.token_id] - logits[found.target.foil_id]
        worth += share * torch.autograd.grad(value, x)[0]
    expected = float((own.mlp[-1][-1] - other.mlp[-1][-1]) @ worth)
    assert found.scores[node(found, f"MLP 2@{found.pos}")] == pytest.approx(expected, abs=1e-3)
    assert found.edge[-1, node(found, f"MLP 2@{found.pos}")] == pytest.approx(expected, abs=1e-3)


def test_measured_nodes_and_lines_are_those_of_a_plain_hook_script(tiny_model, hf_model):
    """Between two prompts of GPT-2: a head's node, its line to the answer, and its line to a later head."""
    found, hf = attribution_graph(tiny_model("gpt2"), CLEAN, basis="component", measured=500, **ASK), hf_model("gpt2")
    own, other = (plain(hf, tokens.ids) for tokens in (found.tokens, found.corrupted_tokens))
    whole = difference(found, own.logits)
    heads = [i for i, kind in enumerate(found.kinds) if kind == HEAD and found.levels[i] == 0]
    source = max(heads, key=lambda i: abs(found.scores[i]))
    pos, head, d = found.positions[source], found.numbers[source], own.z[0].shape[-1]

    def put(x):
        x[pos, head] = other.z[0][pos, head]

    with torch.no_grad():
        assert found.effects[source] == pytest.approx(
            whole - difference(found, run_edited(hf, found.tokens.ids, [("z", 0, put)])), abs=1e-3
        )
        write = (own.z[0] - other.z[0])[pos, head] @ w_o(hf, 0)[head * d : (head + 1) * d]

        def less(x):
            x[pos] -= write

        direct = found.edge_effect[-1, source]
        if pos == found.pos:
            without = unembed(hf, final_norm(hf)(own.resid[-1] - torch.eye(found.pos + 1)[pos][:, None] * write))
            assert direct == pytest.approx(whole - difference(found, without), abs=1e-3)
        readers = [
            i for i, kind in enumerate(found.kinds) if kind == HEAD and np.isfinite(found.edge_effect[i, source])
        ]
        reader = max(readers, key=lambda i: abs(found.edge[i, source]))
        met, layer, at, which = [], found.levels[reader], found.positions[reader], found.numbers[reader]
        run_edited(hf, found.tokens.ids, [("resid_pre", layer, less), ("z", layer, lambda x: met.append(x.clone()))])

        def swap(x):
            x[at, which] = met[0][at, which]

        measured = whole - difference(found, run_edited(hf, found.tokens.ids, [("z", layer, swap)]))
        assert found.edge_effect[reader, source] == pytest.approx(measured, abs=1e-3)


def test_a_measured_feature_is_taken_off_the_stream_by_hand(mini, hf_model):
    found, hf = attribution_graph(mini, TEXAS, corrupted=FRANCE, measured=60), hf_model("loupe-mini")
    features = [i for i, kind in enumerate(found.kinds) if kind == FEATURE and np.isfinite(found.effects[i])]
    whole = difference(found, plain(hf, found.tokens.ids).logits)
    from mi_core.saes.loading import load_sae

    for i in features[:4]:
        sae = load_sae(mini, dict(found.saes)[found.levels[i]])
        write = found.amounts[i] * sae.W_dec[found.numbers[i]]
        last = found.levels[i] == len(blocks(hf))
        site, layer = ("resid_post", found.levels[i] - 1) if last else ("resid_pre", found.levels[i])

        def less(x, write=write, pos=found.positions[i]):
            x[pos] -= write

        with torch.no_grad():
            without = difference(found, run_edited(hf, found.tokens.ids, [(site, layer, less)]))
        assert found.effects[i] == pytest.approx(whole - without, abs=1e-3)


def test_alone_the_answer_is_the_plain_logit_without_what_the_norm_and_the_unembedding_add(tiny_model, hf_model):
    found, hf = attribution_graph(tiny_model("llama"), CLEAN, target="cat", basis="component"), hf_model("llama")
    assert found.total == pytest.approx(float(plain(hf, found.tokens.ids).logits[-1][found.target.token_id]), abs=1e-3)


# Figures to expect on the built-in model -----------------------------------------------------------------------------


def test_the_sums_of_both_stories_are_those_that_were_published(mini):
    texas = attribution_graph(mini, TEXAS, corrupted=FRANCE, measured=200)
    assert texas.total == pytest.approx(17.3243, abs=1e-3)
    assert [total for _, total in texas.sums] == pytest.approx([17.3243] * 6, abs=1e-2)
    drink = attribution_graph(mini, MARY, **NAMES)
    assert drink.total == pytest.approx(54.96, abs=0.02)
    assert [total for _, total in drink.sums] == pytest.approx([54.96] * 6, abs=0.03)
    assert texas.correlation("nodes") > 0.8 and drink.correlation("nodes") > 0.85
    assert texas.correlation("edges") > 0.8 and drink.correlation("edges") > 0.85


@pytest.mark.parametrize(
    ("prompt", "asked", "features", "errors", "replacement", "completeness"),
    [
        (TEXAS, {"target": " Austin", "foil": " Boston"}, 840, 25, 0.732, 0.946),
        (MARY, {"target": " Mary", "foil": " John"}, 2352, 70, 0.609, 0.909),
    ],
)
def test_the_graph_of_one_prompt_alone_is_as_large_and_as_complete_as_expected(
    mini, prompt, asked, features, errors, replacement, completeness
):
    found = attribution_graph(mini, prompt, nodes=5000, measured=0, **asked)
    assert found.kinds.count(FEATURE) == features and found.kinds.count(ERROR) == errors
    # how the start token and biases count is each tool's own choice: it moves these by a hundredth or two
    assert found.replacement == pytest.approx(replacement, abs=0.03)
    assert found.completeness == pytest.approx(completeness, abs=0.03)


# Influence, pruning, groups, files -----------------------------------------------------------------------------------


@st.composite
def graphs(draw):
    n = draw(st.integers(3, 12))
    kinds = [TOKEN, *draw(st.lists(st.sampled_from([FEATURE, ERROR]), min_size=n - 2, max_size=n - 2)), ANSWER]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edge = np.tril(rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6), -1)
    edge[-1, :-1] = rng.normal(size=n - 1)
    return kinds, edge


@given(graphs())
@settings(max_examples=60)
def test_influence_is_the_sum_over_all_ways_and_ends_where_nothing_comes_in(graph):
    kinds, edge = graph
    found, through = influence(kinds, edge)
    share = np.abs(edge) * np.array([kind not in (TOKEN, ERROR) for kind in kinds])[:, None]
    share = share / np.maximum(share.sum(1, keepdims=True), 1e-300)
    total, step = np.zeros(len(kinds)), np.eye(len(kinds))[-1]
    for _ in kinds:
        total, step = total + step, step @ share
    assert found == pytest.approx(total, abs=1e-9)
    ends = share.sum(1) == 0
    assert found[ends].sum() == pytest.approx(1)
    assert through.sum(1)[~ends] == pytest.approx(found[~ends])
    scores = graph_scores(kinds, edge)
    assert 0 <= scores.replacement <= 1 and 0 <= scores.completeness <= 1


@given(graphs(), st.floats(0.3, 1), st.floats(0.5, 1))
@settings(max_examples=60)
def test_what_is_pruned_leaves_no_loose_ends(graph, nodes, edges):
    kinds, edge = graph
    kept = prune(kinds, edge, nodes, edges, most=None)
    assert kept.nodes[0] and kept.nodes[-1]
    for i, kind in enumerate(kinds):
        if kept.nodes[i] and kind not in (TOKEN, ANSWER):
            assert kept.edges[:, i].any() and (kept.edges[i].any() or kind == ERROR)
    assert not kept.edges[~kept.nodes].any() and not kept.edges[:, ~kept.nodes].any()
    assert (edge[kept.edges] != 0).all()


def test_at_most_sixty_nodes_are_drawn_beside_tokens_the_answer_and_what_is_pinned(mini):
    found = attribution_graph(mini, MARY, measured=0, **NAMES)
    aside = [name for name, kind in zip(found.names, found.kinds, strict=True) if kind == FEATURE][-2:]
    shown = found.shown(1.0, pinned=aside)
    assert set(aside) <= set(shown.nodes["name"])
    assert (~shown.nodes["kind"].isin([TOKEN, ANSWER, BIAS]) & ~shown.nodes["name"].isin(aside)).sum() <= 60


def test_a_groups_lines_are_the_sums_of_its_members_lines(mini):
    found = attribution_graph(mini, TEXAS, corrupted=FRANCE)
    shown = found.shown()
    members = shown.nodes[(shown.nodes["kind"] == FEATURE) & (shown.nodes["level"] == 4)]["name"].tolist()[:3]
    together = found.shown(groups=f"capitals: {', '.join(members)}")
    row = together.nodes.set_index("name").loc["capitals"]
    assert row["kind"] == "group" and row["members"] == ", ".join(members)
    assert row["score"] == pytest.approx(sum(found.scores[node(found, name)] for name in members))
    line = together.edges[(together.edges["from"] == "capitals") & (together.edges["to"] == ANSWER)]
    assert line["score"].item() == pytest.approx(sum(found.edge[-1, node(found, name)] for name in members))
    assert not set(members) & set(together.nodes["name"])
    assert sum(together.edges["score"]) == pytest.approx(sum(shown.edges["score"]))


def test_nodes_whose_lines_are_in_proportion_are_suggested_as_a_group():
    names = ["token@0", "L1F1@0", "L1F2@0", "L1F3@0", ANSWER]
    kinds = [TOKEN, FEATURE, FEATURE, FEATURE, ANSWER]
    edge = np.zeros((5, 5))
    edge[1:4, 0], edge[4, 1:4] = (2.0, 1.0, -1.0), (4.0, 2.0, 3.0)
    frame = pd.DataFrame(
        {"name": names, "kind": kinds, "level": [-1, 1, 1, 1, 2], "pos": 0, "number": -1, "token": "", "label": "",
         "activation": np.nan, "score": [1.0] * 5, "influence": 1.0, "effect": np.nan}
    )  # fmt: skip
    shown = view(frame, edge, np.full((5, 5), np.nan), node_share=1.0, edge_share=1.0)
    assert alike(shown) == {"group 1": ["L1F1@0", "L1F2@0"]}


@given(st.dictionaries(st.from_regex(r"[a-z ]*[a-z]", fullmatch=True), st.integers(1, 3), max_size=4))
def test_groups_are_read_as_they_are_spelled(sizes):
    names = iter(range(100))
    told = {name.strip(): [f"L1F{next(names)}@2" for _ in range(size)] for name, size in sizes.items()}
    assert groups.parse(groups.spelled(told)) == told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("capitals", "“capitals” is no group"),
        ("a: L1F1@2\na: L1F2@2", "two groups called “a”"),
        ("a: L1F1@2\nb: L1F1@2", "L1F1@2 is in two groups"),
    ],
)
def test_what_is_no_group_is_said(text, said):
    with pytest.raises(InputError, match=said):
        groups.parse(text)


def test_a_saved_graph_is_the_same_picture(mini):
    found = attribution_graph(mini, TEXAS, corrupted=FRANCE)
    shown = found.shown(groups="capitals: L4F99@5, L4F625@5", pinned=("L3F480@5",))
    again, about = graph_file.read(graph_file.own(shown, {"prompt": TEXAS}))
    pd.testing.assert_frame_equal(again.nodes, shown.nodes, check_dtype=False)
    pd.testing.assert_frame_equal(again.edges, shown.edges, check_dtype=False)
    first, second = (figures.saved_graph(one, title="it", answer="Austin").to_dict() for one in (shown, again))
    rows = [sorted(map(str, picture.pop("datasets").values())) for picture in (first, second)]
    assert rows[0] == rows[1] and len(first["layer"]) == len(second["layer"])
    assert about == {"prompt": TEXAS}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": "loupe attribution graph", "version": 1, "nodes": 3}'])
def test_a_file_that_is_no_graph_is_said(text):
    with pytest.raises(InputError, match="This is no graph that Loupe saved"):
        graph_file.read(text)


def test_the_file_for_neuronpedia_has_its_schema_and_the_numbers_on_screen(mini):
    found = attribution_graph(mini, TEXAS, corrupted=FRANCE)
    shown = found.shown()
    made = json.loads(
        graph_file.neuronpedia(
            shown, slug="it", scan="loupe-mini", prompt=TEXAS, tokens=found.tokens.texts, token_ids=found.tokens.ids,
            target_id=found.target.token_id, target=found.target.text, probability=found.probability, node_share=0.8,
            n_layers=4, pinned=("L4F99@5",),
        )
    )  # fmt: skip
    assert set(made) == {"metadata", "qParams", "nodes", "links"} and made["metadata"]["prompt_tokens"][-1] == " is"
    ids = [one["node_id"] for one in made["nodes"]]
    assert len(ids) == len(set(ids)) == len(shown.nodes)
    assert all(link["source"] in ids and link["target"] in ids for link in made["links"])
    assert [link["weight"] for link in made["links"]] == shown.edges["score"].tolist()
    answer = next(one for one in made["nodes"] if one["is_target_logit"])
    assert answer["feature_type"] == "logit" and answer["token_prob"] == found.probability and answer["layer"] == "5"
    assert {one["layer"] for one in made["nodes"] if one["feature_type"] == "embedding"} == {"E"}
    assert made["qParams"]["pinnedIds"] == ["4_L4F99_5"]


# Families, words, bad input ------------------------------------------------------------------------------------------


def test_a_family_is_averaged_by_what_its_nodes_are(mini):
    family = "The capital of Ohio is | The capital of Spain is\nThe capital of Japan is | The capital of Italy is"
    found = attribution_graph(mini, TEXAS, corrupted=FRANCE, family=family, measured=0)
    each = [
        attribution_graph(mini, clean, corrupted=other, measured=0)
        for clean, other in ((TEXAS, FRANCE), *(line.split(" | ") for line in family.splitlines()))
    ]
    name, _, score, share = next(one for one in found.shared if one[0] == "L4F99")
    own = [sum(s for n, s in zip(one.names, one.scores, strict=True) if n.partition("@")[0] == name) for one in each]
    assert score == pytest.approx(np.mean(own))
    assert share == np.mean([abs(worth) >= 0.01 * abs(one.total) for worth, one in zip(own, each, strict=True)])
    assert len(found.pairs) == 3 and "Over all 3 pairs" in " ".join(found.reading().sentences)


def test_what_is_said_has_the_numbers_and_says_what_it_is_not(mini):
    pair, alone = attribution_graph(mini, TEXAS, corrupted=FRANCE), attribution_graph(mini, TEXAS)
    assert pair.reading().title.startswith("“·Austin” − “·Paris” gains +17.32 logits; L4F99")
    assert f"{pair.replacement:.0%} of the answer ends in tokens" in " ".join(pair.reading().sentences)
    assert "not what would happen" in alone.reading().sentences[0] and "comes to" in alone.reading().title


@pytest.mark.parametrize(
    ("settings_", "said", "field"),
    [
        ({"corrupted": TEXAS}, "Both prompts are the same", "corrupted"),
        ({"corrupted": "The capital of New Mexico is"}, "must be equally long", "corrupted"),
        ({"corrupted": FRANCE, "family": "a | b c d e f"}, "Row 1 of the family", "family"),
        ({"family": "a | b"}, "A family is of pairs", "corrupted"),
        ({"corrupted": FRANCE, "basis": "atoms"}, "atoms", "basis"),
        ({"corrupted": FRANCE, "points": 0}, "There cannot be 0 points", "points"),
        ({"corrupted": FRANCE, "nodes": 1}, "1 nodes cannot be told apart", "nodes"),
        ({"corrupted": FRANCE, "measured": 1000}, "1000 nodes cannot be measured", "measured"),
    ],
)
def test_bad_input_is_a_sentence_beside_its_field(mini, settings_, said, field):
    with pytest.raises(InputError, match=said) as raised:
        attribution_graph(mini, TEXAS, **settings_)
    assert raised.value.field == field


def test_a_model_without_autoencoders_is_drawn_with_heads_and_mlps_or_says_so(tiny_model):
    found = attribution_graph(tiny_model("gpt2"), CLEAN, measured=0, **ASK)
    assert found.basis == "component" and {HEAD, MLP} <= set(found.kinds)
    with pytest.raises(InputError, match="choose heads and MLPs") as raised:
        attribution_graph(tiny_model("gpt2"), CLEAN, basis="feature", **ASK)
    assert raised.value.field == "basis"


def test_a_named_line_and_a_named_node_are_measured_beside_the_strongest(mini):
    few = attribution_graph(mini, TEXAS, corrupted=FRANCE, measured=0)
    line, part = "L3F480@5 → L4F99@5", "L1 error@5"
    found = attribution_graph(mini, TEXAS, corrupted=FRANCE, measured=0, also=(line, part))
    reader, source = node(few, "L4F99@5"), node(few, "L3F480@5")
    assert np.isfinite(found.edge_effect).sum() == 1 and np.isfinite(found.effects).sum() == 1
    whole = attribution_graph(mini, TEXAS, corrupted=FRANCE, measured=500)
    assert found.edge_effect[reader, source] == pytest.approx(whole.edge_effect[reader, source], abs=1e-5)
    assert found.effects[node(found, part)] == pytest.approx(whole.effects[node(whole, part)], abs=1e-5)
    with pytest.raises(InputError, match="This graph has no L9F9@9"):
        attribution_graph(mini, TEXAS, corrupted=FRANCE, also=("L9F9@9",))


def test_it_is_foretold(mini):
    told = cost(mini, of="attribution_graph", settings=json.dumps({"prompt": TEXAS, "corrupted": FRANCE}))
    assert told.runs == 6 and told.seconds > 0 and told.megabytes > 0
    assert "passes back through the model" in told.reading().sentences[0]
