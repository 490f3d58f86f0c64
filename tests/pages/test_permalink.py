"""Links as they are copied: short keys mean what they always meant, and whatever arrives, a page stands."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pages.test_links import follow, picture, plain
from tests.pages.test_pages import sentences, unescaped
from ui import address, permalink, words
from ui.packed import pack

# Every short key that ever was. Only ever add to this.
PINNED = {
    "against": "ag", "approximations": "ap", "baseline": "bs", "baseline_token": "bt", "beside": "bd",
    "bigram_token": "bg", "colour": "co", "compare": "cm", "compared": "cp", "corrupted": "c", "cut_letter": "cl",
    "dense": "dn", "density": "ds", "direction": "dr", "distance": "dt", "edit_direction": "ed", "edit_kind": "ek",
    "edit_layer": "el", "edit_numbers": "en", "edit_token": "et", "edits": "e", "estimate": "es", "feature": "fe",
    "feature2": "fe2", "feature3": "fe3", "feature4": "fe4", "fetched": "ft", "fit_guess": "fg", "foil": "f",
    "follow": "fl", "gains": "gn", "guess": "gs", "head": "h", "heard_by": "hb", "hidden": "hd", "importance": "im",
    "input": "in", "key_pos": "kp", "label": "lb", "labelled": "ll", "largest": "lr", "layer": "l", "layer2": "l2",
    "layer3": "l3", "layer4": "l4", "learning_steps": "ls", "least": "lt", "lens_source": "ln", "letter": "let",
    "measure": "ms", "measured": "mr", "metric": "mt", "model": "m", "moved": "mv", "n_features": "nf",
    "n_hidden": "nh", "n_steps": "ns", "nearest_to": "nr", "negative": "ng", "negative2": "ng2", "negative3": "ng3",
    "negative4": "ng4", "neighbours": "nb", "neuron": "n", "new_answer": "na", "new_tokens": "nt",
    "operation": "op", "other_sae": "os", "own_words": "ow", "pairs": "pai", "paraphrases": "pp", "parts": "pt",
    "patch": "pc", "pattern": "pn", "permutations": "pm", "players": "pl", "pos": "i", "positive": "ps",
    "positive2": "ps2", "positive3": "ps3", "positive4": "ps4", "probe": "pr", "probe2": "pr2", "probe3": "pr3",
    "probe4": "pr4", "probe_strength": "pb", "prompt": "p", "reach": "rc", "reach_times": "rt", "read_at": "ra",
    "read_by": "rb", "read_token": "rd", "reads": "rs", "receiver": "rv", "reference": "rf", "skip_first": "sf",
    "source": "so", "source2": "so2", "source3": "so3", "source4": "so4", "space": "sp", "spans": "sn",
    "start": "sr", "starts": "ss", "steps": "ste", "straight": "sg", "strength": "st", "strength2": "st2",
    "strength3": "st3", "strength4": "st4", "subject": "sb", "sweep": "sw", "target": "t", "temperature": "te",
    "texts": "tx", "times": "tm", "token": "k", "token2": "k2", "token3": "k3", "token4": "k4", "tokens": "tk",
    "tour_step": "ts", "towards": "tw", "training_steps": "tr", "unpack": "un", "unrelated": "ur", "vector": "ve",
    "vector2": "ve2", "vector3": "ve3", "vector4": "ve4", "weighted": "wg", "window": "wn", "written": "wr",
    "analysis": "an", "column": "cn", "for_all": "fa", "prompt_column": "pk", "prompts": "pq", "rows_from": "rw",
    "table": "ta", "setting": "stg", "value": "vl",
    "outside": "ou", "edges_shown": "eg", "level": "lv", "made_of": "mo", "family": "fy", "slide": "sl",
    "nodes_of": "no", "alone": "al", "node_share": "nz", "lines": "li", "pinned": "pi", "groups": "gr",
    "chance": "cc", "chance_seed": "cs",
    "sender": "sd", "feature_mode": "fm", "set_to": "sv", "query_pos": "qp",
    "hold2": "ho2", "hold3": "ho3", "hold4": "ho4",
    "questions": "qs", "n_prompts": "np", "names": "nm", "templates": "tp", "knocked": "kn", "without": "wo",
}  # fmt: skip
TEXTS = st.dictionaries(st.sampled_from(sorted(words.of_page("steering"))), st.text(max_size=40), max_size=6)


def copied(values: dict[str, str]) -> dict[str, str]:
    return {permalink.TAG: "1"} | {permalink.SHORT.get(key, key): text for key, text in values.items()}


def understood(query: dict[str, str]) -> address.Link:
    return address.understand("steering", {key: [text] for key, text in query.items()}, urlencode(query))


def test_short_keys_stay_and_every_long_key_has_one_of_its_own():
    assert {key: permalink.SHORT.get(key) for key in PINNED} == PINNED
    known = {key.removeprefix(words.OTHER) for key in words.KNOWN}
    assert set(permalink.SHORT) >= {key for key in known if len(key) > 4}, "name a short key in ui/permalink.py"
    assert set(permalink.SHORT) <= known
    short = list(permalink.SHORT.values())
    assert len(set(short)) == len(short) and not set(short) & (words.KNOWN | {permalink.TAG, permalink.PACKED})
    assert permalink.long_key("b.p") == "b.prompt" and permalink.long_key("b.colour") == "b.colour"


@given(values=TEXTS)
def test_a_copied_link_says_what_the_address_said(values):
    said = understood(values)
    assert understood(copied(values)) == said
    assert understood({permalink.PACKED: pack(urlencode(copied(values)))}) == said


@given(given=st.dictionaries(st.sampled_from(["z", "v", "p", "b.p", "layer", "x"]), st.lists(st.text(), min_size=1)))
def test_whatever_arrives_is_understood_or_named(given):
    link = address.understand("", given, "")
    assert all(isinstance(remark.said, str) for remark in link.remarks)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"z": "1.eJwrszU"}, "The link asks for z=1.eJwrszU, which is damaged; it is left out."),
        ({"z": "2.abc"}, "The link asks for z=2.abc, which is damaged; it is left out."),
        ({"z": pack("p=%E4%B&v=1")}, "which is damaged; it is left out."),
        ({"v": "7"}, "The link asks for v=7, which another Loupe wrote; it is left out."),
        ({"v": "new"}, "The link asks for v=new, which is no version of links; it is left out."),
        ({"v": "1", "qqq": "1"}, "The link asks for qqq=1, which is not known here; it is left out."),
    ],
)
def test_what_is_damaged_or_of_another_version_is_named_and_the_page_stands(query, said):
    app = follow("ablation", query)
    assert picture(app) == plain("ablation") and said in unescaped(sentences(app))


def test_of_a_link_of_a_newer_version_what_is_understood_is_shown():
    app = follow("ablation", {"v": "7", "s": "mlp_out", "site": "mlp_out", "l": "2"})
    assert app.segmented_control(key="site").value == "mlp_out" and app.number_input(key="layer").value == 2
    assert "s=mlp_out, which is not known here" in unescaped(sentences(app))


def test_a_text_that_no_address_holds_comes_in_a_packed_link():
    long = "A long way. " * 1_500
    app = follow("", {"z": pack(urlencode({"v": "1", "p": long}))})
    assert app.text_area(key="prompt").value == long and "z" not in app.query_params
