"""Near words, and second prompts made as long as the first."""

import pytest
import torch

from mi_core.analyses.patching import patching
from mi_core.errors import InputError
from mi_core.models.neighbours import neighbours, spelling
from mi_core.patching import swaps

TEXAS = "The capital of Texas is"


def test_neighbours_are_the_largest_cosines_by_hand(mini):
    token_id = mini.token_id(" Tuesday")
    found = mini.texts(neighbours(mini, [token_id], 4))
    vectors = torch.nn.functional.normalize(mini.embedding - mini.embedding.mean(0), dim=-1)
    order = (vectors @ vectors[token_id]).argsort(descending=True).tolist()[1:]
    expected = [text for text in mini.texts(order) if text[:1] == " " and text[1:].isalpha() and text[1].isupper()]
    assert found == expected[:4] and {" Monday", " Wednesday"} <= set(found)


def test_neighbours_are_written_like_the_word(mini):
    for word in (" dog", "The", " Paris", "17"):
        token_id = mini.token_id(f'"{word}"')
        for text in mini.texts(neighbours(mini, [token_id], 5)):
            assert spelling(text) == spelling(word) and text.strip().casefold() != word.strip().casefold()
    assert neighbours(mini, [mini.token_id('"."')], 5) == []


@pytest.mark.parametrize(
    ("clean", "corrupted", "expected"),
    [
        (TEXAS, "Well, the capital of France is", "The capital of France is"),
        (TEXAS, "The main capital of France is", "The capital of France is"),
        (TEXAS, "The capital of France is not", "The capital of France is"),
        (TEXAS, "The capital of Texas is not", None),
        (TEXAS, "Berlin", None),
    ],
)
def test_what_only_one_prompt_has_becomes_as_in_the_clean_one(mini, clean, corrupted, expected):
    assert swaps.of_equal_length(mini, mini.tokens(clean), mini.tokens(corrupted)) == expected


@pytest.mark.parametrize(
    ("clean", "corrupted"),
    [
        (TEXAS, "The capital of New York is"),
        ("The capital of New York is", "The capital of France is"),
        ("John gave a drink to", "Bartholomew gave a drink to"),
    ],
)
def test_a_repair_is_the_prompt_with_a_near_word_and_patching_takes_it(mini, clean, corrupted):
    with pytest.raises(InputError, match="must be equally long") as caught:
        patching(mini, clean, corrupted=corrupted)
    repaired = caught.value.suggestion
    tokens, other = mini.tokens(clean), mini.tokens(repaired)
    changed = [pos for pos in range(len(tokens)) if tokens.ids[pos] != other.ids[pos]]
    assert len(tokens) == len(other) and len(changed) == 1
    assert spelling(tokens.texts[changed[0]]) == spelling(other.texts[changed[0]])
    found = patching(mini, clean, corrupted=repaired)
    assert found.first_difference == changed[0]


def test_repairs_exist_on_every_architecture(architecture, tiny_model):
    model = tiny_model(architecture)
    clean, corrupted = (model.tokens(text) for text in (" the cat sat on the dog", " the cat sat on the big dog"))
    swapped = model.tokens(" the dog sat on the big dog")
    assert swaps.of_equal_length(model, clean, corrupted) is None
    assert swaps.of_equal_length(model, clean, swapped) == " the dog sat on the dog"


def test_a_text_is_given_only_where_it_is_read_back_as_these_tokens(mini):
    tokens = mini.tokens(TEXAS)
    assert swaps.text_of(mini, tokens.ids, tokens) == TEXAS
    pieces = [mini.token_id(f'"{text}"') for text in ("T", "h", "e")]
    assert swaps.text_of(mini, (0, *pieces), tokens) is None
