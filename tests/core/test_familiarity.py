"""What a model can know of a prompt: words against the corpus itself, pieces against the tokenizer's own offsets."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mi_core
from mi_core.text.familiarity import familiarity, known_prompts
from training import seen
from ui.parts.presets import PRESETS

MODEL = Path(__file__).parents[2] / "models" / "loupe-mini"
KNOWN = [*known_prompts("loupe-mini"), *(preset.prompt for preset in PRESETS), *(p.corrupted for p in PRESETS)]


@pytest.mark.slow
def test_the_list_of_words_is_that_of_the_corpus(tmp_path):
    seen.write_words(tmp_path)
    assert (tmp_path / "words.txt").read_bytes() == (MODEL / "words.txt").read_bytes()


@pytest.mark.parametrize("prompt", KNOWN)
def test_no_alarm_is_false(mini, prompt):
    assert familiarity(mini, prompt).sentence() == ""
    assert "hardly knows" not in " ".join(mi_core.run("predict", "loupe-mini", prompt=prompt).reading().sentences)


@pytest.mark.parametrize("prompt", known_prompts("loupe-mini"))
def test_a_prompt_that_is_offered_is_one_that_it_knows(prompt):
    assert mi_core.run("predict", "loupe-mini", prompt=prompt).top_probabilities[0] > 0.8


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Hello", "never seen any of these words: “Hello”"),
        ("The capitol of Texas is", "never seen 1 of these 5 words: “capitol”"),
        ("The capitol of texas is Texas's", "never seen 2 of these 6 words: “capitol” and “texas”"),
        ("Wo liegt die Stadt Quickborn? Quickborn", "“Quickborn”"),
        ("zig zag zog zug", "any of these words: “zig”, “zag”, “zog” and 1 more"),
    ],
)
def test_words_that_training_never_showed_are_named_once(mini, prompt, said):
    found = familiarity(mini, prompt)
    assert said in found.sentence()
    assert len(set(found.alike)) == 3 and set(found.alike) <= set(known_prompts("loupe-mini"))
    assert found.sentence() in mi_core.run("tokens", "loupe-mini", prompt=prompt).reading().sentences


def test_prompts_like_it_come_first(mini):
    assert familiarity(mini, "The capitol of Japan is").alike[0] == "The capital of Japan is"
    assert familiarity(mini, "The oposite of hot is").alike[0] == "The opposite of hot is"


def test_text_that_surprises_throughout_is_said_to(mini):
    said = mi_core.run("predict", "loupe-mini", prompt="dog weather Tokyo hated river seven").reading().sentences
    assert any("hardly knows text like this" in sentence for sentence in said)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2"])
def test_words_in_pieces_are_those_whose_tokens_have_few_letters(tiny_model, name):
    """Against the offsets that the tokenizer itself gives for the whole prompt."""
    model, prompt = tiny_model(name), "the cat sat zig xqvw unbelievably"
    offsets = model.tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    expected, end = [], 0
    for word in prompt.split():
        start = prompt.index(word, end)
        end = start + len(word)
        n = sum(first < end and last > start and prompt[first:last].strip() != "" for first, last in offsets)
        expected += [word] if n > 1 and len(word) / n < 3 else []
    found = familiarity(model, prompt)
    assert list(found.in_pieces) == expected and expected and found.words == 6 and not found.unseen
    assert ("in pieces" in found.sentence()) == (len(expected) > 3)


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_text_at_all_is_counted(mini, text):
    found = familiarity(mini, text)
    assert set(found.unseen) | set(found.in_pieces) <= set("".join(c if c.isalpha() else " " for c in text).split())
    assert len(found.unseen) <= found.words and len(set(found.unseen)) == len(found.unseen)


def test_special_tokens_and_scripts_without_spaces_are_no_words_in_pieces(mini):
    assert familiarity(mini, "The capital<|endoftext|>").sentence() == ""
    assert familiarity(mini, "東京は日本の首都です").in_pieces == ()
