"""The words in addresses are a promise to every link that was ever sent: a change here needs a former word there."""

import re
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_architecture import ROOT
from ui import address, words

# Every option of every page: its word in the address, and the words that said it before. Only ever add to this.
PINNED = {
    ("*", "bos"): {"default": (), "on": (), "off": ()},
    ("logit_lens", "read_by"): {"logit": (), "tuned": (), "jacobian": ()},
    ("logit_lens", "lens_source"): {"model": (), "trained": (), "published": ()},
    ("logit_lens", "against"): {"logit": (), "tuned": (), "jacobian": ()},
    ("logit_lens", "norm"): {"recomputed": (), "frozen": ()},
    ("logit_lens", "colour"): {
        "probability": ("probability of the guess",),
        "target_probability": ("probability of the answer",),
        "entropy": ("doubt (entropy)",),
        "kl_to_final": ("distance to the final guess (KL)",),
    },
    ("logit_lens", "follow"): {"probability": (), "logit": (), "rank": (), "entropy": ()},
    ("writing", "steps"): {"entropy": (), "probability": (), "surprisal": ()},
    ("directions", "show"): {"analogy": (), "set": ()},
    ("directions", "space"): {"embedding": (), "unembedding": ()},
    **{
        ("directions", f"source{number}"): {
            "feature": ("a feature",),
            "contrast": ("a contrast of prompts",),
            "token": ("a token",),
            "probe": (),
            "vector": ("pasted numbers",),
        }
        for number in "234"
    },
    ("attention", "reads"): {"strongest": (), "rollout": ()},
    ("heads", "view"): {"roles": (), "circuit": (), "pairs": (), "score": ()},
    ("heads", "role"): {
        "previous_token": (),
        "induction": (),
        "duplicate_token": (),
        "first_token": (),
        "current_token": (),
    },
    ("heads", "measured"): {"random": (), "text": ()},
    ("heads", "gains"): {"raw": (), "folded": ()},
    ("heads", "heard_by"): {"V": (), "Q": (), "K": ()},
    ("heads", "parts"): {"auto": (), "components": ()},
    ("input_attribution", "players"): {"token": (), "word": (), "sentence": (), "regex": (), "span": ()},
    ("input_attribution", "metric"): {"logit_difference": (), "log_probability": (), "probability": ()},
    ("input_attribution", "baseline"): {"mean": (), "zero": (), "token": (), "corrupted": ()},
    ("features", "over"): {"token": (), "prompt": ()},
    ("features", "sort"): {"activation": (), "effect": (), "density": ()},
    ("attribution", "by"): {"component": (), "head": (), "layer": ()},
    ("max_activating", "unit"): {"feature": (), "neuron": (), "head": (), "direction": ()},
    ("max_activating", "source"): {
        "feature": ("a feature",),
        "contrast": ("a contrast of prompts",),
        "token": ("a token",),
        "probe": (),
        "vector": ("pasted numbers",),
    },
    ("probing", "texts"): {"sentiment": (), "language": (), "capital": (), "pasted": (), "file": ()},
    ("probing", "read_at"): {"last": (), "mean": (), "token": ()},
    ("probing", "kind"): {"logistic": (), "mean difference": ()},
    ("probing", "moved"): {"kl": (), "change": (), "side_kl": ()},
    ("ablation", "site"): {
        "head": ("heads",),
        "attn_out": ("attention layers",),
        "mlp_out": ("MLPs",),
        "neuron": ("neurons",),
        "feature": ("features",),
        "position": ("tokens",),
        "key": (),
        "edge": (),
    },
    ("ablation", "mode"): {
        "mean": ("its average",),
        "resample": ("another prompt's",),
        "zero": ("nothing (zero)",),
        "set": (),
    },
    ("ablation", "feature_mode"): {"zero": (), "mean": (), "resample": (), "set": ()},
    ("ablation", "metric"): {"logit": (), "probability": (), "kl": ("all probabilities (KL)",)},
    ("patching", "patch"): {
        "resid_pre": ("residual stream",),
        "attn_out": ("attention layers",),
        "mlp_out": ("MLPs",),
        "head": ("heads",),
        "head_pos": ("heads by position",),
        "q": ("queries",),
        "k": ("keys",),
        "v": ("values",),
        "pattern": ("attention patterns",),
    },
    ("patching", "metric"): {"logit_difference": ("logit difference",), "probability": (), "kl": ("all guesses (KL)",)},
    ("patching", "mode"): {
        "mean": ("its average",),
        "resample": ("another prompt's",),
        "zero": ("nothing (zero)",),
        "set": (),
    },
    ("patching", "direction"): {"denoise": ("what suffices",), "noise": ("what is needed",)},
    ("path_patching", "input"): {
        "auto": ("what carries most",),
        "q": ("queries",),
        "k": ("keys",),
        "v": ("values",),
    },
    ("circuit", "made_of"): {"node": (), "edge": ()},
    ("circuit", "parts"): {"head_mlp": (), "head": (), "head_neuron": ()},
    ("circuit", "outside"): {"mean": (), "resample": (), "zero": ()},
    ("attribution_graph", "nodes_of"): {"auto": (), "feature": (), "component": (), "neuron": ()},
    ("path_patching", "site"): {"head": ("heads",), "attn_out": ("attention layers",), "mlp_out": ("MLPs",)},
    ("path_patching", "direction"): {"denoise": ("what suffices",), "noise": ("what is needed",)},
    **{
        ("steering", f"source{number}"): ({} if number else {"found": ()})
        | {
            "feature": ("a feature",),
            "contrast": ("a contrast of prompts",),
            "token": ("a token",),
            "probe": (),
            "vector": ("pasted numbers",),
        }
        for number in ("", "2", "3", "4")
    },
    ("steering", "operation"): {"add": ("added",), "clamp": ("clamped",), "hold": ()},
    ("steering", "push"): {"all": ("every token",), "prompt": ("the prompt only",), "new": ("new tokens only",)},
    ("steering", "measure"): {
        "probability": ("odds of the answer",),
        "kl": ("change of the odds",),
        "perplexity": ("surprise of the text",),
    },
    ("bigram", "lab"): {"letters": (), "tokens": ()},
    ("bigram", "guess"): {"shorter": (), "same": (), "longer": ()},
    ("bigram", "cut"): {"column": (), "row": (), "nothing": ()},
    ("edits", "edit_kind"): {"rome": ("rewrite a fact",), "orthogonalise": ("remove a direction",)},
    ("edits", "edit_direction"): {
        "feature": ("a feature",),
        "token": ("a token",),
        "contrast": ("a contrast of prompts",),
        "probe": (),
        "vector": ("pasted numbers",),
    },
    ("superposition", "fit_guess"): {"2": (), "3": (), "4": (), "5": ()},
    ("ioi", "questions"): {"drawn": (), "published": ()},
    ("ioi", "role"): {
        "name_mover": (),
        "s_inhibition": (),
        "duplicate_token": (),
        "induction": (),
        "previous_token": (),
    },
    ("training_timeline", "role"): {
        "previous_token": (),
        "induction": (),
        "duplicate_token": (),
        "first_token": (),
        "current_token": (),
    },
    ("training_timeline", "colour"): {
        "probability": ("probability of the guess",),
        "target_probability": ("probability of the answer",),
        "entropy": ("doubt (entropy)",),
        "kl_to_final": ("distance to the final guess (KL)",),
    },
    ("batch", "analysis"): {
        "predict": (),
        "logit_lens": (),
        "tuned_lens": (),
        "jacobian_lens": (),
        "lens_difference": (),
        "attribution": (),
        "input_attribution": (),
        "writing": (),
        "attention": (),
        "score_split": (),
        "features": (),
        "feature_list": (),
        "feature": (),
        "feature_effects": (),
        "feature_pairs": (),
        "neurons": (),
        "neuron": (),
        "neurons_and_features": (),
        "ablation": (),
        "ablated_text": (),
        "patching": (),
        "patched_run": (),
        "path_patching": (),
        "circuit": (),
        "attribution_graph": (),
        "investigate": (),
        "counterpart": (),
        "alignment": (),
        "steering": (),
        "steering_sweep": (),
        "push_that_shows": (),
        "edit": (),
        "lens_timeline": (),
        "checkpoint_comparison": (),
        "drift": (),
        "tokens": (),
    },
    ("batch", "rows_from"): {"pasted": (), "file": ()},
    ("batch", "each"): {"max": (), "min": (), "mean": (), "first": (), "line": ()},
}
DIRECTION = ["sae", "feature", "positive", "negative", "token", "probe", "vector", "strength", "layer"]
OTHER_KEYS = {
    "*": "model prompt target foil pos edits tour tour_step slide"
    " b.prompt b.target b.foil b.model b.edits b.setting b.value",
    "": "",
    "logit_lens": "half find",
    "writing": "new_tokens temperature seed written sae",
    "directions": "plus less onto tokens nearest_to beside "
    + " ".join(f"sae{n} feature{n} positive{n} negative{n} token{n} probe{n} vector{n} layer{n}" for n in "234"),
    "investigate": "corrupted",
    "attention": "layer head weighted",
    "heads": "layer head least distance pair key_pos",
    "attribution": "layer head",
    "input_attribution": "pattern spans baseline_token corrupted approximations n_steps window permutations",
    "features": "sae feature dense label skip_first other_sae pairs",
    "max_activating": "sae feature positive negative token probe vector layer head neuron",
    "probing": "labelled read_token layer towards probe_strength",
    "neurons": "layer neuron sae compare",
    "ablation": "set_to layer head neuron sae feature query_pos key_pos token also reference chance chance_seed",
    "patching": "corrupted estimate cell also reference chance chance_seed",
    "path_patching": "corrupted receiver straight sender",
    "circuit": "corrupted family level edges_shown part",
    "attribution_graph": "corrupted family alone node_share lines pinned groups part",
    "steering": " ".join(key + number for key in DIRECTION for number in ("", "2", "3", "4"))
    + " hold2 hold3 hold4 times largest new_tokens temperature seed sweep reach reach_times chance chance_seed",
    "edits": "subject new_answer edit_layer sae feature positive negative layer probe edit_token edit_numbers "
    "paraphrases neighbours unrelated chance chance_seed",
    "bigram": "own_words seed training_steps letter cut_letter temperature bigram_token",
    "report": "",
    "tours": "",
    "batch": "prompts prompt_column for_all table column",
    "glossary": "term",
    "superposition": "n_features n_hidden density importance learning_steps starts seed start hidden unpack",
    "ioi": "n_prompts seed names templates knocked without layer head",
    "training_timeline": "step compared fetched layer head",
}
OPTIONS = [
    (page, field)
    for page, fields in [("*", words.SIDEBAR), *words.PAGES.items()]
    for field in fields
    if isinstance(field, words.Options)
]


def test_the_words_of_every_option_stay_as_they_are():
    assert {(page, field.key): {word.word: word.former for word in field.words} for page, field in OPTIONS} == PINNED


def test_the_keys_of_every_page_stay_as_they_are():
    options = {page: {key for where, key in PINNED if where == page} for page in OTHER_KEYS}
    everywhere = [*words.SIDEBAR, *words.EVERYWHERE]
    keys = {page: {field.key for field in fields} for page, fields in [("*", everywhere), *words.PAGES.items()]}
    assert keys == {page: options[page] | set(others.split()) for page, others in OTHER_KEYS.items()}


def test_every_page_has_its_keys():
    pages = {path.stem for path in (ROOT / "pages").rglob("*.py")} - {"start"}
    assert pages | {""} == set(words.PAGES)


@pytest.mark.parametrize(("page", "field"), OPTIONS, ids=[f"{page} {field.key}" for page, field in OPTIONS])
def test_a_word_means_one_thing_whether_it_is_of_today_or_a_former_one(page, field):
    said = [text for word in field.words for text in (word.word, *word.former)]
    assert len(said) == len(set(said)) and len({word.label for word in field.words}) == len(field.words)
    for word in field.words:
        assert all(field.understood(text) == word.word for text in (word.word, *word.former))
        assert field.label(word.word) == word.label
    assert field.understood("bogus") is None and field.understood("") is None


def test_options_that_streamlit_writes_by_their_labels_have_their_words_for_labels():
    (start_token,) = [field for field in words.SIDEBAR if isinstance(field, words.Options)]
    assert [word.label for word in start_token.words] == list(start_token)


def test_no_label_is_spelled_outside_the_file_of_words():
    """Neither as text that only a field can mean, nor as what a link or a callback puts into a field."""
    labels = {word.label for _, field in OPTIONS for word in field.words if word.label != word.word}
    given = re.compile(rf"""\b({"|".join({field.key for _, field in OPTIONS})})"?\]?( = |=|: )"([^"]*)\"""")
    for path in [*(ROOT / "pages").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        if path.name != "words.py":
            assert not [label for label in labels if " " in label and f'"{label}"' in text], path.name
            assert not [value for _, _, value in given.findall(text) if value in labels], path.name


def remarks(page: str, query: str) -> dict[str, str]:
    link = address.understand(page, parse_qs(query, keep_blank_values=True), query)
    return {remark.key: remark.said for remark in link.remarks}


@pytest.mark.parametrize(
    ("page", "query", "key", "said"),
    [
        ("ablation", "site=bogus", "site", "asks for site=bogus, which is not known here"),
        ("ablation", "to-site=bogus", "site", "asks for site=bogus, which is not known here"),
        ("ablation", "site=", "site", "asks for site=, which is not known here"),
        ("ablation", "site=attn_out%00", "site", "asks for site=attn_out␀, which is not known here"),
        ("path_patching", "site=neuron", "site", "asks for site=neuron, which is not known here"),
        ("ablation", "layer=x", "layer", "asks for layer=x, which is not a whole number from 0 up"),
        ("ablation", "layer=-1", "layer", "asks for layer=-1, which is not a whole number from 0 up"),
        ("ablation", "layer=1.5", "layer", "asks for layer=1.5, which is not a whole number from 0 up"),
        ("ablation", "layer=nan", "layer", "asks for layer=nan, which is not a whole number from 0 up"),
        ("ablation", "layer=1e999", "layer", "asks for layer=1e999, which is not a whole number from 0 up"),
        ("ablation", "layer=1&layer=2", "layer", "asks for layer=1 and layer=2, which cannot both be shown"),
        ("ablation", "pos=one", "pos", "asks for pos=one, which is not a whole number"),
        ("ablation", "reference=%E4%B", "reference", "asks for reference=�%B, which is damaged"),
        ("ablation", "prompt=The%20capital%", "prompt", "asks for prompt=The·capital%, which is damaged"),
        ("ablation", "bogus=1", "bogus", "asks for bogus=1, which is not known here"),
        ("ablation", "Site=head", "Site", "asks for Site=head, which is not known here"),
        ("ablation", "to-half=true", "to-half", "asks for to-half=true, which is not known here"),
        ("logit_lens", "half=maybe", "half", "asks for half=maybe, which is neither true nor false"),
        ("steering", "strength=2.5", "strength", "asks for strength=2.5, which is not a number from -2 to 2"),
        ("steering", "new_tokens=0", "new_tokens", "asks for new_tokens=0, which is not a whole number from 1 to 200"),
        ("steering", "reach=1", "reach", "asks for reach=1, which is not a range from -2 to 2"),
        ("steering", "reach=1&reach=-1", "reach", "asks for reach=1 and reach=-1, which is not a range from -2 to 2"),
        ("batch", "for_all=%7B%22n", "for_all", 'asks for for_all={"n, which is damaged'),
        ("batch", "for_all=[1]", "for_all", "asks for for_all=[1], which is damaged"),
        ("batch", "analysis=probe_use", "analysis", "asks for analysis=probe_use, which is not known here"),
        ("", "model=bogus", "model", "asks for model=bogus, which is not known here"),
        ("", "a=1&" * 1000, "", "is too long to be read"),
        ("", "target=" + "x" * 600_000, "", "is too long to be read"),
        ("", "bogus=" + "x" * 100_000, "bogus", f"asks for bogus={'x' * 40}…, which is not known here"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_value_is_said(page, query, key, said):
    assert remarks(page, query)[key] == said


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("ablation", "site=MLPs&layer=2&also=L0H1&also=L0H2&mode=its+average"),
        ("ablation", "layer=&pos=-1"),
        ("ablation", "layer=2&layer=2"),
        ("steering", "reach=-1.5&reach=0.5&strength=-2&temperature=2&source2=token&feature4=9"),
        ("", "model=loupe-mini&prompt=100%+sure+%3Cb%3E&target=%00&bos=off"),
        ("", "model=GPT-2+small"),
        ("", "model=owner/name"),
        ("", "model=/some/folder"),
        ("logit_lens", "layer=2&half=TRUE"),  # a layer is of another page, and says nothing here
        ("patching", "to-corrupted=x"),
    ],
)
def test_what_a_page_knows_is_passed_over_in_silence(page, query):
    assert remarks(page, query) == {}


@given(
    page=st.sampled_from(sorted(words.PAGES)),
    key=st.sampled_from(sorted(words.KNOWN)),
    texts=st.lists(st.text(), min_size=1),
)
def test_any_value_at_all_is_either_understood_or_named(page, key, texts):
    link = address.understand(page, {key: texts}, "")
    understood, named = key in link.values, any(remark.key == key for remark in link.remarks)
    assert understood + named == (key in words.of_page(page))
    assert all(len(remark.said) < 400 for remark in link.remarks)
