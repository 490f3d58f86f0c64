"""Attention, direct effects and the knockout against plain transformers; roles by hand; prompts; verdicts."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mi_core.analyses.ioi import Ioi, ioi
from mi_core.errors import InputError
from mi_core.heads.name_prompts import PUBLISHED, name_prompts
from mi_core.heads.name_roles import LOOKS, ROLES, references, roles
from mi_core.models.loading import load
from tests.conftest import _tokenizer
from tests.core.plain_hooks import run_edited
from tests.core.plain_reference import d_head, final_norm, normalise, plain, w_o
from tests.families import family
from ui.parts.published import FINDINGS

TINY = {"names": "cat, dog, sat, on, the", "templates": "! {A} ! {B} ! {S} !\n? {A} + {B} ! ! {S} =", "n_prompts": 8}
NAMES = [role.name for role in ROLES]


@pytest.fixture(scope="module")
def found(mini):
    return ioi(mini)


def places(ids, io, s):
    """By hand: where IO, S1, S2 and the end are."""
    s1, s2 = [at for at, token in enumerate(ids) if token == s]
    return {"io": ids.index(io), "s1": s1, "s2": s2, "end": len(ids) - 1}


def attention_by_hand(run, at):
    keys = {
        "s1_next_to_s1": (at["s1"] + 1, at["s1"]),
        "s2_to_s1": (at["s2"], at["s1"]),
        "s2_to_s1_next": (at["s2"], at["s1"] + 1),
        "end_to_s2": (at["end"], at["s2"]),
        "end_to_io": (at["end"], at["io"]),
        "end_to_s1": (at["end"], at["s1"]),
    }
    return torch.stack([run.attention[:, :, query, key] for query, key in (keys[look] for look in LOOKS)])


def direct_by_hand(hf, z, last, io, s):
    """[layer, head] Each head's write through the final norm, as it scales `last`, onto u_IO − u_S."""
    rows = []
    unembedding = hf.get_output_embeddings().weight
    for layer, pieces in enumerate(z):
        matrix = w_o(hf, layer).unflatten(0, (-1, d_head(hf)))
        writes = torch.einsum("hd,hdm->hm", pieces, matrix)
        rows.append(normalise_write(hf, writes, last) @ (unembedding[io] - unembedding[s]))
    return torch.stack(rows)


def normalise_write(hf, write, last):
    return normalise(hf, final_norm(hf), write, last.expand_as(write))


def after_by_hand(hf, ids, means, out):
    """Logits of the last position, and z and stream there, with the heads `out` at their mean at the last position."""
    seen = {}

    def put(layer):
        def change(z):
            for head in (head for own, head in out if own == layer):
                z[-1, head] = means[layer][head]
            seen[layer] = z[-1].clone()

        return change

    last = {}
    n = hf.config.num_hidden_layers
    edits = [("z", layer, put(layer)) for layer in range(n)]
    edits.append(("resid_post", n - 1, lambda x: last.__setitem__("x", x[-1].clone())))
    with torch.no_grad():
        logits = run_edited(hf, ids, edits)[-1]
    return logits, [seen[layer] for layer in range(n)], last["x"]


@pytest.mark.parametrize("name", ["gpt2", "neox", "llama", "loupe-mini"])
def test_all_numbers_are_those_of_plain_transformers(name, mini, tiny_model, hf_model):
    mini_s = name == "loupe-mini"
    model, hf = (mini if mini_s else tiny_model(name)), hf_model(name)
    settings = {"n_prompts": 8, "without": ("L3H2", "L2H2")} if mini_s else TINY | {"without": ("L0H1", "L2H3")}
    result = ioi(model, **settings)
    out = [(3, 2), (2, 2)] if mini_s else [(0, 1), (2, 3)]
    asked = result.tables()["prompts"]
    attention, direct, direct_out = [], [], []
    for row, one in enumerate(asked.itertuples()):
        ids = list(model.tokens(one.prompt).ids)
        io, s = (model.token_id(text, "target") for text in (one.io, one.s))
        at = places(ids, io, s)
        assert (one.io_pos, one.s1_pos, one.s2_pos, one.end_pos) == (at["io"], at["s1"], at["s2"], at["end"])
        assert one.order == ("ABBA" if at["io"] < at["s1"] else "BABA")
        run = plain(hf, ids)
        assert one.logit_diff == pytest.approx(float(run.logits[-1, io] - run.logits[-1, s]), abs=1e-3)
        attention.append(attention_by_hand(run, at))
        direct.append(direct_by_hand(hf, [z[-1] for z in run.z], run.resid[-1][-1], io, s))
        # its mean over the prompts of three names that are of the same sentence
        n_sentences = 4 if mini_s else 2
        others = [text for i, text in enumerate(result.others) if i // 2 % n_sentences == row // 2 % n_sentences]
        of_others = [plain(hf, model.tokens(text).ids).z for text in others]
        means = [torch.stack([z[layer][-1] for z in of_others]).mean(0) for layer in range(len(run.z))]
        logits, z, last = after_by_hand(hf, ids, means, out)
        assert one.logit_diff_out == pytest.approx(float(logits[io] - logits[s]), abs=2e-3)
        direct_out.append(direct_by_hand(hf, z, last, io, s))
    np.testing.assert_allclose(result.attention, torch.stack(attention).mean(0), atol=1e-5)
    np.testing.assert_allclose(result.direct, torch.stack(direct), atol=2e-3)
    np.testing.assert_allclose(result.direct_out, torch.stack(direct_out), atol=2e-3)
    assert all(check.passed for check in result.checks) and len(result.checks) == 3


def test_a_norm_behind_attention_and_a_cap_leave_the_sum_whole(tiny_model):
    result = ioi(tiny_model("gemma2"), **TINY)
    assert all(check.passed for check in result.checks)
    assert not np.allclose(result.total, result.logit_diff), "its logits are capped"


def test_the_built_in_model_answers_by_heads_that_do_not_look_at_the_name(found):
    assert found.named(ROLES[NAMES.index("speaker")]) == ["L3H2", "L3H3", "L2H2", "L3H0"]
    assert found.named(ROLES[NAMES.index("name_mover")]) == []
    assert found.without == ("L2H2", "L3H0", "L3H2", "L3H3"), "nobody moves names, so these are knocked out"
    assert found.done == 1.0 and found.logit_diff.mean() == pytest.approx(22.5, abs=0.1)
    reading = found.reading()
    assert reading.title == (
        "L3H2, L3H3, L2H2 and L3H0 speak for the other name, but look elsewhere: no name movers here"
    )
    assert "In 100.0% of 32 prompts" in reading.sentences[0] and "S-inhibition L2H0" in reading.sentences[1]
    assert "knocked out, the difference goes from +22.50 to −1.40" in reading.sentences[2]
    assert reading.sentences[-1] == "Of 8 things that are known of this model, 8 are found again here."


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_known_of_the_built_in_model_holds_for_other_prompts(mini, seed):
    known = ioi(mini, seed=seed).tables()["known"]
    own = known[known["of"] == "Loupe mini"]
    assert len(own) == 8 and set(own["verdict"]) == {"within", "found"}
    published = known[known["of"] == "GPT-2 small"]
    assert set(published["verdict"]) == {""} and published["value"].isna().all(), "another model's heads are others"


def test_the_parts_of_the_table_sum_to_the_logit_difference(found):
    for row in found.tables()["knockout"].itertuples():
        parts = row.knocked_out + row.negative + row.backups + row.other_heads + row.rest
        assert parts == pytest.approx(row.logit_diff, abs=1e-3)


def test_backups_are_those_that_rise_clearly_and_speak_for_the_name(tiny_model):
    helped = 0
    for architecture in ("gpt2", "neox", "llama"):
        result = ioi(tiny_model(architecture), **TINY | {"without": ("L0H0", "L1H2")})
        rise = result.direct_out.mean(0) - result.direct.mean(0)
        expected = (rise >= 0.05 * abs(result.logit_diff.mean())) & (result.direct_out.mean(0) > 0)
        expected[0, 0] = expected[1, 2] = False
        np.testing.assert_array_equal(result.found[NAMES.index("backup")], expected)
        helped += expected.sum()
        if expected.any():
            backups = result.named(ROLES[NAMES.index("backup")])
            assert any(
                sentence.startswith(backups[0]) and "up as backup" in sentence
                for sentence in result.reading().sentences
            )
    assert helped, "some model has backups"


# Roles --------------------------------------------------------------------------------------------------------------

FLAT = np.zeros((len(LOOKS), 3, 2))


def told(look=(), direct=()):
    """{role: heads} where attention and direct effects are 0 but for these."""
    attention, written = FLAT.copy(), np.zeros((3, 2))
    for name, at, share in look:
        attention[(LOOKS.index(name), *at)] = share
    for at, logits in direct:
        written[at] = logits
    mask = roles(attention, written, 10.0)
    return {name: [tuple(at) for at in np.argwhere(mask[i])] for i, name in enumerate(NAMES) if mask[i].any()}


@pytest.mark.parametrize(
    ("look", "direct", "role"),
    [
        ([("s1_next_to_s1", (0, 1), 0.4)], [], "previous_token"),
        ([("s2_to_s1", (0, 1), 0.4)], [], "duplicate_token"),
        ([("s2_to_s1_next", (0, 1), 0.4)], [], "induction"),
        ([("end_to_s2", (0, 1), 0.4)], [((0, 1), 0.5)], "s_inhibition"),
        ([("end_to_io", (0, 1), 0.4)], [((0, 1), 2.0)], "name_mover"),
        ([("end_to_io", (0, 1), 0.4)], [((0, 1), -2.0)], "negative_name_mover"),
        ([("end_to_s2", (0, 1), 0.9)], [((0, 1), 2.0)], "speaker"),
        ([("end_to_io", (0, 1), 0.4), ("end_to_s1", (0, 1), 0.41)], [((0, 1), 2.0)], "speaker"),
    ],
)
def test_a_role_is_told_by_where_a_head_looks_and_what_it_says(look, direct, role):
    assert told(look, direct) == {role: [(0, 1)]}


def test_what_is_no_role():
    assert told([("end_to_io", (0, 1), 0.4)]) == {}, "it looks, and says nothing"
    assert told([("end_to_s2", (2, 1), 0.9)]) == {}, "in the last layer no later head is inhibited"
    assert told([], [((0, 1), 0.9)]) == {}, "less than a tenth of the difference"
    assert told([("s2_to_s1", (0, 1), 0.29)]) == {}


@given(
    attention=arrays(float, (len(LOOKS), 3, 2), elements=st.floats(0, 1)),
    direct=arrays(float, (3, 2), elements=st.floats(-20, 20)),
    logit_diff=st.floats(0.1, 30),
)
def test_who_speaks_has_one_role_in_speaking(attention, direct, logit_diff):
    mask = dict(zip(NAMES, roles(attention, direct, logit_diff), strict=True))
    speaking = [mask[name] for name in ("name_mover", "negative_name_mover", "speaker", "s_inhibition")]
    assert (np.sum(speaking, axis=0) <= 1).all() and not mask["backup"].any()
    strong = np.abs(direct) >= 0.1 * logit_diff
    assert (direct[mask["name_mover"] | mask["speaker"]] > 0).all() and not (strong & mask["s_inhibition"]).any()
    assert not mask["s_inhibition"][-1].any()


# What is known ------------------------------------------------------------------------------------------------------


def as_gpt2(found: Ioi, **values: float) -> Ioi:
    """A result of 12 layers and 12 heads, in which heads have these direct effects and all of IO's attention."""
    attention, direct = np.full((len(LOOKS), 12, 12), 0.0, np.float32), np.zeros((1, 12, 12), np.float32)
    for name, value in values.items():
        layer, head = map(int, name[1:].split("H"))
        attention[LOOKS.index("end_to_io"), layer, head], direct[0, layer, head] = 1.0, value
    one = np.array([3.6], np.float32)
    return replace(
        found, model="gpt2-small", prompts=found.prompts[:1], layers=tuple(range(12)), attention=attention,
        direct=direct, direct_out=direct, total=one, total_out=one, logit_diff=one, logit_diff_out=one,
        found=roles(attention, direct[0], 3.6), without=(),
    )  # fmt: skip


def test_a_verdict_is_given_on_gpt2_small_alone_and_says_what_is_outside(found):
    result = as_gpt2(found, L9H9=2.9, L9H6=5.0, L10H7=-1.0)
    known = result.tables()["known"].set_index(["layer", "head"])["verdict"]
    assert known[9, 9] == "within" and known[10, 7] == "within"
    assert known[9, 6] == "outside" and known[10, 0] == "outside" and known[7, 3] == "not found"
    assert set(result.tables()["known"]["of"]) == {"GPT-2 small"}
    same = replace(result, questions="published").tables()["known"].set_index(["layer", "head"])
    assert same.loc[(9, 9), "low"] == pytest.approx(2.985 * 0.95) and same.loc[(10, 7), "verdict"] == "outside"
    assert result.reading().title == "L9H6 and L9H9 carry the other name to the end, as name movers do"
    hub = replace(result, model="openai-community/gpt2").tables()["known"]
    assert list(hub["verdict"]) == list(result.tables()["known"]["verdict"])
    other = replace(result, model="gpt2-medium").tables()["known"]
    assert set(other["verdict"]) == {""}


def test_published_values_are_those_of_the_other_pages():
    heads = [one for one in references()[0].known if one.head is not None]
    ours = {f"L{one.layer}H{one.head}": one.value for one in heads if one.value}
    theirs = next(finding for finding in FINDINGS if finding.column == "direct effect (logits)")
    assert ours == {row["head"]: row["value"] for row in theirs.values}
    circuit = next(finding for finding in FINDINGS if finding.column == "role")
    named = {head for row in circuit.values for head in row["head"].split(", ")}
    assert named == {f"L{one.layer}H{one.head}" for one in heads}


# Prompts ------------------------------------------------------------------------------------------------------------


def test_prompts_come_in_pairs_that_differ_in_who_gives(mini):
    drawn = name_prompts(mini, n_prompts=16, seed=3)
    assert drawn == name_prompts(mini, n_prompts=16, seed=3) != name_prompts(mini, n_prompts=16, seed=4)
    orders = [one.order for one in drawn.asked]
    assert orders == ["ABBA", "BABA"] * 8
    for first, second in zip(drawn.asked[::2], drawn.asked[1::2], strict=True):
        assert (first.target.text, first.target.foil_text) == (second.target.foil_text, second.target.text)
        assert sum(a != b for a, b in zip(first.ids, second.ids, strict=True)) == 1
    names = {mini.token_id(f" {name}") for name in drawn.names}
    for _, ids, _ in drawn.others:
        assert len([token for token in ids if token in names]) == len(names & set(ids)) == 3, "nobody comes again"


def test_the_published_prompts_are_those_of_the_demo(mini, monkeypatch):
    with pytest.raises(InputError, match="does not read “Sid” of the published prompts as single tokens: choose drawn"):
        ioi(mini, questions="published")
    monkeypatch.setattr("mi_core.heads.name_prompts.PUBLISHED", PUBLISHED[1:2])
    texts = [one.text for one in name_prompts(mini, questions="published").asked]
    assert texts == [f"When Tom and James went to the park, {name} gave the ball to" for name in ("James", "Tom")]


@pytest.mark.parametrize(
    ("settings", "message", "field"),
    [
        ({"n_prompts": 7}, "must be even and from 2 to 256", "n_prompts"),
        ({"names": "Mary, Xyzzy, John"}, "reads only “Mary” and “John” of these names as a single token", "names"),
        ({"templates": "{A} and {B}, and"}, "needs {A}, {B} and {S} once each", "templates"),
        ({"templates": "Then {A}, {B}, {S} of {N} gave to"}, "needs {A}, {B} and {S} once each", "templates"),
        ({"templates": "When {S} and {A} met {B}"}, "put {S} behind {A} and {B}", "templates"),
        ({"templates": "When{A} and{B} met,{S} gave to"}, "write a space before every name", "templates"),
        ({"templates": "{A} and Mary met {B}, {S} gave to", "names": "Mary, John, Tom, Anna"}, "as a token of its own",
         "templates"),
        ({"questions": "mine"}, "“mine” is no kind of prompts: use drawn or published", "questions"),
        ({"without": ("MLP 3",)}, "“MLP 3” is no head: write it like L3H0", "without"),
        ({"without": ("L9H0",)}, "There is no layer 9", "without"),
        ({"without": ("L3H7",)}, "There is no head 7", "without"),
        ({"least": 0}, "Least must be above 0 and at most 1", "least"),
        ({"pushes": 1.5}, "Pushes must be above 0 and at most 1", "pushes"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_gets_a_sentence(mini, settings, message, field):
    with pytest.raises(InputError, match=re.escape(message)) as refused:
        ioi(mini, **settings)
    assert refused.value.field == field


def test_a_model_that_knows_too_few_names_gets_a_sentence(tiny_model):
    with pytest.raises(InputError, match="reads none of these names as a single token, and 4 are needed"):
        ioi(tiny_model("gpt2"))
    with pytest.raises(InputError, match="tokens, by what fills it, so that no mean over prompts can be taken"):
        ioi(tiny_model("gpt2"), **TINY | {"templates": "! {A} {B} {P} {S} !"})


@pytest.mark.parametrize("name", ["modernbert-decoder", "deepseek_v3"])
def test_a_model_that_cannot_be_taken_apart_gets_a_sentence(name, tmp_path):
    model = load(str(family(tmp_path / "model", name, _tokenizer())))
    with pytest.raises(InputError, match="choose another (model|place)"):
        ioi(model, **TINY)
