"""The search for a circuit: against plain loops in transformers, a planted one, its identities, and what it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mi_core.analyses._index import bound
from mi_core.analyses.circuit import circuit, planned
from mi_core.analyses.cost import cost
from mi_core.circuits import curve, family, graph
from mi_core.circuits.edge_runs import EdgeRuns
from mi_core.circuits.node_runs import NodeRuns
from mi_core.circuits.outside import outside
from mi_core.circuits.scores import scores
from mi_core.commandline import main
from mi_core.errors import InputError
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import o_projection

CLEAN, CORRUPTED = " the cat sat on the dog on", " the cat sat the the cat on"
ASK = {"corrupted": CORRUPTED, "target": "cat", "foil": "dog"}
MARY = "When Mary and John went to the store, John gave a drink to"
JOHN = "When Mary and John went to the store, Mary gave a drink to"
NAMES = {"corrupted": JOHN, "target": " Mary", "foil": " John"}
FAMILY = """When {A} and {B} went to the store, {B} gave a drink to | When {A} and {B} went to the store, {A} gave a drink to | {A} | {B}
A = John, Tom, Paul, Mary, Anna
B = Mary, John, Mary, Tom, John"""  # noqa: E501


def nobody(circuits):
    return None


def put(value, place=slice(None)):
    return lambda x: x.__setitem__(place, value[place])


def difference(found, logits):
    row = logits[found.pos]
    return float(row[found.target.token_id] - row[found.target.foil_id])


# Against plain transformers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ablation", ["mean", "resample", "zero"])
def test_faithfulness_is_that_of_a_plain_hook_script(architecture, tiny_model, hf_model, ablation):
    hf, found = hf_model(architecture), circuit(tiny_model(architecture), CLEAN, ablation=ablation, level=0.6, **ASK)
    ids = [found.tokens.ids, found.corrupted_tokens.ids]
    of = {"mean": lambda a, b: (a + b) / 2, "resample": lambda a, b: b, "zero": lambda a, b: torch.zeros_like(a)}
    instead = {
        site: [of[ablation](*pair) for pair in zip(*(activations(hf, each, site) for each in ids), strict=True)]
        for site in ("z", "mlp_out")
    }

    def run(kept):
        edits = []
        for name, kind, layer, head in zip(
            found.node_names, found.node_kinds, found.node_layers, found.node_heads, strict=True
        ):
            if name not in kept and kind == "head":
                edits.append(("z", layer, put(instead["z"][layer], (slice(None), head))))
            elif name not in kept:
                edits.append(("mlp_out", layer, put(instead["mlp_out"][layer])))
        with torch.no_grad():
            return difference(found, run_edited(hf, ids[0], edits))

    names = np.array(found.node_names)
    nothing, everything = run(set()), run(set(names))
    mine = run(set(names[found.node_kept]))
    assert found.faithfulness == pytest.approx((mine - nothing) / (everything - nothing), abs=1e-3)
    rest = run(set(names[~found.node_kept]))
    assert found.completeness == pytest.approx((rest - nothing) / (everything - nothing), abs=1e-3)
    strongest = graph.order(found.node_score)[0]
    assert found.node_effect[strongest] == pytest.approx(everything - run(set(names) - {names[strongest]}), abs=1e-3)


class Literally:
    """A circuit of edges with a whole run of transformers for all that is read and written."""

    def __init__(self, hf, found) -> None:
        self.hf, self.found = hf, found
        self.n_heads, self.n_layers = hf.config.num_attention_heads, hf.config.num_hidden_layers
        self.kept = {edge for edge, inside in zip(found.edges, found.edge_kept, strict=True) if inside}
        self.own, self.other = (
            {site: activations(hf, tokens.ids, site) for site in ("resid_pre", "z", "mlp_out")}
            for tokens in (found.tokens, found.corrupted_tokens)
        )
        self.z = [x.clone() for x in self.other["z"]]
        self.mlp = [x.clone() for x in self.other["mlp_out"]]

    def run(self, edits, site=None, layer=0):
        seen = []
        edits = [*edits, (site, layer, lambda x: seen.append(x.clone()))] if site else edits
        with torch.no_grad():
            logits = run_edited(self.hf, self.found.tokens.ids, edits)
        return seen[0] if site else logits

    def attention(self, layer, reader):
        """What this layer's heads bring to a reader."""
        mixed = self.other["z"][layer].clone()
        for head in range(self.n_heads):
            if (f"L{layer}H{head}", *reader) in self.kept:
                mixed[:, head] = self.z[layer][:, head]
        return self.run([("z", layer, put(mixed))], "attn_out", layer)

    def stream(self, end, reader):
        own = ("tokens", *reader) in self.kept
        x = (self.own if own else self.other)["resid_pre"][0].clone()
        for layer in range(end):
            x += self.attention(layer, reader)
            x += self.mlp[layer] if (f"MLP {layer}", *reader) in self.kept else self.other["mlp_out"][layer]
        return x

    def value(self):
        shared = self.n_heads // getattr(self.hf.config, "num_key_value_heads", self.n_heads)
        for layer in range(self.n_layers):
            new = self.z[layer].clone()
            for head in range(self.n_heads):
                edits = []
                for via in "qkv":
                    start = ("resid_pre", layer, put(self.stream(layer, (f"L{layer}H{head}", via))))
                    read, number = self.run([start], via, layer), head if via == "q" else head // shared
                    edits.append((via, layer, put(read, (slice(None), number))))
                new[:, head] = self.run(edits, "z", layer)[:, head]
            self.z[layer] = new
            reader = (f"MLP {layer}", "in")
            edits = [("resid_pre", layer, put(self.stream(layer, reader)))]
            edits.append(("attn_out", layer, put(self.attention(layer, reader))))
            self.mlp[layer] = self.run(edits, "mlp_out", layer)
        last = put(self.stream(self.n_layers, ("logits", "in")))
        return difference(self.found, self.run([("resid_post", self.n_layers - 1, last)]))


def test_a_circuit_of_edges_is_that_of_whole_runs(architecture, tiny_model, hf_model):
    found = circuit(tiny_model(architecture), CLEAN, ablation="resample", unit="edge", level=0.7, **ASK)
    assert 0 < found.edge_kept.sum() < found.n_parts
    value = Literally(hf_model(architecture), found).value()
    whole, empty = float(found.whole[0]), float(found.empty[0])
    assert found.faithfulness == pytest.approx((value - empty) / (whole - empty), abs=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_planted_circuit_is_found_exactly(tmp_path, tiny_folder, name):
    """Two heads are left their output, in layers 0 and 2; all others are silent, and the MLPs stand."""
    import shutil

    import transformers

    from mi_core.models.loading import load

    planted, folder = {"L0H1", "L2H3"}, tmp_path / name
    shutil.copytree(tiny_folder(name), folder)
    hf = transformers.AutoModelForCausalLM.from_pretrained(folder)
    for layer in range(hf.config.num_hidden_layers):
        weight = o_projection(hf, layer).weight.data
        rows = weight if name == "gpt2" else weight.T  # [head * d_head, d_model]
        size = rows.shape[0] // hf.config.num_attention_heads
        for head in range(hf.config.num_attention_heads):
            rows[head * size : (head + 1) * size] *= 3.0 if f"L{layer}H{head}" in planted else 0.0
    hf.save_pretrained(folder)
    for ablation in ("resample", "mean", "zero"):
        found = circuit(load(str(folder)), CLEAN, parts="head", ablation=ablation, level=0.999, **ASK)
        assert found.reached and found.size == 2
        assert set(np.array(found.node_names)[found.node_kept]) == planted
        assert found.faithfulness == pytest.approx(1.0, abs=1e-4) and found.completeness == pytest.approx(0, abs=1e-4)


# Identities ----------------------------------------------------------------------------------------------------------


@settings(max_examples=6)
@given(data=st.data())
def test_everything_is_one_nothing_is_none_and_edges_add_up(architecture, tiny_model, data):
    words = [" the", " cat", " dog", " sat", " on"]
    clean = data.draw(st.lists(st.sampled_from(words), min_size=3, max_size=6))
    corrupted = data.draw(st.lists(st.sampled_from(words), min_size=len(clean), max_size=len(clean)))
    assume(clean != corrupted)
    model, unit = tiny_model(architecture), data.draw(st.sampled_from(["node", "edge"]))
    try:
        found = circuit(
            model,
            "".join(clean),
            corrupted="".join(corrupted),
            target="cat",
            foil="dog",
            unit=unit,
            ablation=data.draw(st.sampled_from(["mean", "resample", "zero"])),
            points=data.draw(st.integers(1, 5)),
            draws=1,
        )
    except InputError as error:  # two random prompts may give one answer
        assert "so there is nothing" in error.message or "nothing can be kept" in error.message
        assume(False)
    table = found.tables()["faithfulness"].set_index("size")
    assert abs(found.whole - found.empty) * abs(table.faithfulness[found.n_parts] - 1) < 1e-3
    assert abs(found.whole - found.empty) * abs(table.faithfulness[0]) < 1e-3
    assert len(found.checks) == 3 and all(check.passed for check in found.checks), found.checks


def test_gauss_legendre_points_share_out_the_whole_gap(mini):
    """What the tokens pass on is all there is: their edges add up to the gap between both prompts."""
    (case,) = family.cases(mini, [family.Asked(MARY, JOHN, " Mary", " John")], None, None)
    nodes, edges = graph.nodes(mini, "head_mlp"), graph.edges(mini)
    (instead,) = outside(mini, [case], [True], EdgeRuns(mini, edges).hooks, "resample")
    total = np.nansum(scores(mini, case, instead, nodes, edges, 10).edge[:, 0])
    assert total == pytest.approx(case.whole - case.corrupted, rel=0.01)
    few = np.nansum(scores(mini, case, instead, nodes, edges, 1).edge[:, 0])
    assert abs(few - total) > 0.05 * abs(total)


def test_an_edge_is_estimated_as_a_small_step_along_it_changes_the_answer(mini):
    """Of a tiny step the estimate is exact: each edge alone, put a little way towards the corrupted run."""
    (case,) = family.cases(mini, [family.Asked(MARY, JOHN, " Mary", " John")], None, None)
    edges, nodes = graph.edges(mini), graph.nodes(mini, "head_mlp")
    runs = EdgeRuns(mini, edges)
    own = mini.run_ids(mini.rows([case.ids]), runs.hooks)
    (other,) = outside(mini, [case], [True], runs.hooks, "resample")
    step = {name: own[name][0] + 1e-3 * (other[name] - own[name][0]) for name in runs.hooks}
    near = replace(case, prompts=replace(case.prompts, corrupted=case.prompts.clean))
    score = scores(mini, near, step, nodes, edges, 1).edge[edges.possible]
    strongest = graph.order(score)[:30]
    masks = np.ones((31, len(score)), dtype=bool)
    masks[np.arange(30), strongest] = False
    *without, whole = runs.values(case, step, masks, nobody)
    assert np.corrcoef(whole - np.array(without), score[strongest])[0, 1] > 0.995


def test_circuits_run_together_are_those_run_alone(tiny_model):
    model = tiny_model("qwen3")
    (case,) = family.cases(model, [family.Asked(CLEAN, CORRUPTED, "cat", "dog")], None, None)
    for runs in (NodeRuns(model, graph.nodes(model, "head_neuron")), EdgeRuns(model, graph.edges(model))):
        (instead,) = outside(model, [case], [True], runs.hooks, "resample")
        masks = np.random.default_rng(0).random((9, runs.n_parts)) < 0.6
        together = runs.values(case, instead, masks, nobody)
        alone = [runs.values(case, instead, mask[None], nobody)[0] for mask in masks]
        np.testing.assert_allclose(together, alone, atol=1e-4)


def test_areas_and_sizes():
    assert curve.sizes(1000) == [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] and curve.sizes(4) == [0, 1, 2, 4]
    assert curve.areas([0, 5, 10], np.array([0.0, 1.0, 1.0])) == (0.75, 0.25)
    assert curve.areas([0, 5, 10], np.array([0.0, 2.0, 1.0])) == (1.25, 0.75)
    assert curve.between(2, 3) == [] and curve.between(2, 5) == [3, 4] and len(curve.between(0, 1000)) == 8
    assert curve.smallest([0, 8, 4], np.array([0.0, 0.9, 0.7]), 0.6) == (4, 0)
    assert curve.smallest([0, 4, 8], np.array([0.0, 5.2, 1.2]), 0.8) == (8, 4)
    assert curve.smallest([0, 4], np.array([0.0, 0.5]), 0.6) is None
    drawn = curve.drawn(20, [3, 9], 4, np.random.default_rng(0))
    assert drawn.sum(-1).tolist() == [[3] * 4, [9] * 4] and not (drawn[0] & ~drawn[1]).any()
    assert graph.similar([np.array([True, True, False]), np.array([True, False, False])]) == 0.5


def test_edges_that_cannot_reach_the_answer_are_left_out():
    edges = graph.Edges(2, 1, True)
    kept = np.zeros_like(edges.possible)
    readers, sources = list(edges.readers), list(edges.sources)
    for start, end, via in [("tokens", "L0H0", "q"), ("L0H0", "L1H0", "v"), ("tokens", "MLP 1", "in")]:
        kept[readers.index((end, via)), sources.index(start)] = True
    assert not edges.reach(kept).any()
    kept[-1, sources.index("L1H0")] = True
    assert edges.reach(kept).sum() == 3
    assert edges.possible.sum() == len(edges.listed()) == 3 * 1 + 2 + 3 * 3 + 4 + 5


# Families ------------------------------------------------------------------------------------------------------------


def test_lines_templates_and_tables_are_the_same_family():
    lines = "a X | b X | c | d\na Y|b Y|c|d"
    asked = [family.Asked("a X", "b X", "c", "d"), family.Asked("a Y", "b Y", "c", "d")]
    assert family.pairs(lines) == asked
    assert family.pairs("a {n} | b {n} | c | d\nn = X, Y") == asked
    assert family.pairs("clean,corrupted,target,foil\na X,b X,c,d\na Y,b Y,c,d") == asked
    assert family.pairs("foil;clean;corrupted;target\nd;a X;b X;c\nd;a Y;b Y;c") == asked
    assert family.pairs("") == [] and family.pairs("a | b") == [family.Asked("a", "b")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one prompt", "Row 1 of the family .* is no pair: write clean | corrupted"),
        ("a | b\nc", "Row 2 of the family"),
        ("a {n} | b | c | d", "has a slot {n} that nothing fills: add a line n ="),
        ("a {n} {m} | b\nn = x, y\nm = z", "unequal length \\(n 2 and m 1 words\\)"),
        ("clean,corrupted,answer\na,b,c", "column “answer” is none of clean, corrupted"),
        ("clean,corrupted\na,", "Row 1 of the family lacks"),
        ("clean,corrupted\na,b,c", "Row 1 of the family has more cells"),
        ("\n".join(f"a {i} | b {i}" for i in range(65)), "There are 65 pairs: 64 are enough"),
    ],
)
def test_a_family_that_cannot_be_read_names_the_row(text, message):
    with pytest.raises(InputError, match=message) as caught:
        family.pairs(text)
    assert caught.value.field == "family"


@pytest.mark.parametrize(
    ("chosen", "message", "field"),
    [
        ({"corrupted": MARY}, "Both prompts are the same", "corrupted"),
        ({"corrupted": MARY + " him"}, "15 and 16 tokens long and must be equally long", "corrupted"),
        ({"pos": 5}, "Both prompts give the same", "corrupted"),
        ({"family": f"{MARY} | {MARY} him"}, "Row 1 of the family .* must be equally long", "family"),
        (
            {"family": "Mary and John | Mary and Mary | Mary | John"},
            "Row 1 .* tokens long and your prompt 15",
            "family",
        ),
        ({"family": f"{MARY} | {MARY} | Mary | John"}, "Row 1 of the family .* are the same", "family"),
        ({"level": 1.0}, "cannot be asked to keep 1", "level"),
        ({"points": 0}, "There cannot be 0 points", "points"),
        ({"draws": 99}, "There cannot be 99 random circuits", "draws"),
        ({"unit": "path"}, "“path” is no unit", "unit"),
        ({"parts": "layers"}, "“layers” is no kind of parts", "parts"),
        ({"ablation": "half"}, "“half” is no way to ablate", "ablation"),
        ({"unit": "edge", "parts": "head"}, "Edges run between heads and MLPs", "parts"),
    ],
)
def test_bad_input_gets_a_sentence(mini, chosen, message, field):
    with pytest.raises(InputError, match=message) as caught:
        circuit(mini, MARY, **NAMES | chosen)
    assert caught.value.field == field


def test_rows_of_other_lengths_do_where_no_mean_is_taken(mini):
    short = "Mary and John sat. John spoke to | Mary and John sat. Mary spoke to | Mary | John"
    found = circuit(mini, MARY, family=short, ablation="resample", **NAMES)
    assert len(found.prompts) == 2 and not found.held_out.any()


def test_held_out_pairs_are_never_searched_with(mini):
    found = circuit(mini, MARY, family=FAMILY, **NAMES)
    assert found.held_out.sum() == 3 and not found.held_out[0]
    searched = [
        f"{a} | {b} | {t.text} | {t.foil_text}"
        for a, b, t, apart in zip(found.prompts, found.corrupted_prompts, found.targets, found.held_out, strict=True)
        if not apart
    ]
    again = circuit(mini, MARY, family="\n".join(searched[1:]), **NAMES)
    np.testing.assert_allclose(again.node_score, found.node_score, atol=1e-4)
    assert again.size == found.size and again.faithfulness == pytest.approx(found.faithfulness, abs=1e-4)
    assert 0 < found.stability <= 1 and np.isnan(circuit(mini, MARY, **NAMES).stability)


# Words, tables, doors ------------------------------------------------------------------------------------------------


def test_the_reading_names_the_control(mini):
    found = circuit(mini, MARY, **NAMES)
    title, sentences = found.reading().title, found.reading().sentences
    kept = f"{found.faithfulness:.0%}"
    assert found.reached and title == f"{found.size} of 20 heads and MLPs keep {kept} of the answer"
    assert any(f"A random circuit of equal size keeps {found.random_faithfulness:.0%}" in one for one in sentences)
    assert "one pair of prompts" in " ".join(sentences)
    assert found.random_faithfulness < 0.5 < found.faithfulness


def test_a_level_that_only_the_whole_model_reaches_is_told_with_the_best_there_is(tiny_model):
    found = circuit(tiny_model("gemma2"), CLEAN, ablation="resample", level=0.99, **ASK)
    assert not found.reached
    title, sentences = found.reading().title, found.reading().sentences
    assert title == "No circuit smaller than the model comes within 1% of its answer"
    assert sentences[0].startswith(f"The best there is: {found.size} of {found.n_parts} heads and MLPs keep")
    smaller = found.faithful[found.sizes < found.n_parts]
    assert abs(1 - found.faithfulness) == pytest.approx(np.abs(1 - smaller).min(), abs=1e-4)


def test_tables_are_tidy(mini):
    tables = circuit(mini, MARY, unit="edge", **NAMES).tables()
    columns = ["component", "kind", "layer", "head", "rank", "score", "effect", "kept"]
    assert list(tables["nodes"].columns) == columns and len(tables["nodes"]) == 20
    assert list(tables["edges"].columns) == ["from", "to", "via", "rank", "score", "effect", "kept"]
    assert len(tables["edges"]) == 479 and tables["edges"].effect.notna().sum() == 40
    curve_ = tables["faithfulness"]
    assert {"size", "kept", "faithfulness", "random"} <= set(curve_.columns)
    assert curve_["size"].is_monotonic_increasing and (curve_.kept <= curve_["size"]).all()
    assert tables["grades"].iloc[0].parts == 479 and len(tables["pairs"]) == 1
    assert {"MLP 0", "L0H0"} <= set(tables["nodes"].component)


def test_models_whose_edges_cannot_be_cut_still_have_circuits_of_nodes(tmp_path, tiny_folder):
    from mi_core.models.loading import load
    from tests.families import family as other_family

    tokenizer = load(str(tiny_folder("gpt2"))).tokenizer
    model = load(str(other_family(tmp_path / "mixtral", "mixtral", tokenizer)))
    found = circuit(model, CLEAN, ablation="resample", **ASK)
    assert not found.edges and "cannot be cut by itself" in found.reading().sentences[-1]
    with pytest.raises(InputError, match="search among nodes instead"):
        circuit(model, CLEAN, unit="edge", **ASK)


def test_on_the_command_line(mini, capsys):
    words = ["circuit", "--prompt", MARY, "--corrupted", JOHN, "--target", " Mary", "--foil", " John"]
    assert main([*words, "--format", "json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    found = circuit(mini, MARY, **NAMES)
    assert [row["kept"] for row in tables["nodes"]] == found.tables()["nodes"].kept.tolist()
    assert main([*words, "--level", "2"]) == 2
    assert "choose a share above 0 and below 1" in capsys.readouterr().err


def test_progress_streams_the_circuit_so_far_and_a_stop_leaves_nothing(mini):
    held, told = hooks_left(mini), []

    def progress(done, total, partial=None):
        told.append((done, total, partial))
        assert hooks_left(mini) == held

    found = circuit(mini, MARY, progress=progress, **NAMES)
    counts = [done for done, _, _ in told]
    assert counts == sorted(counts) and told[-1][:2] == (told[0][1], told[0][1]) and len(counts) > 5
    partial = [one for _, _, one in told if one is not None]
    assert partial[0].reading().title and np.isnan(partial[0].completeness) and partial[-1].size == found.size
    assert all(frame is not None for one in partial for frame in one.tables().values())

    def stop(done, total, partial=None):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        circuit(mini, MARY, progress=stop, **NAMES)
    assert hooks_left(mini) == held


def test_it_is_foretold(mini):
    given_ = {"prompt": MARY, **NAMES}
    runs, seconds, size = planned(mini, **bound("circuit", given_))
    assert runs > 50 and seconds > 0 and size > 1e6
    words = cost(mini, of="circuit", settings=json.dumps(given_)).reading()
    assert words.title.startswith("This search for a circuit takes about") and "circuits" in words.sentences[0]
