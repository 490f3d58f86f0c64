"""Prompts as tokens: nothing of the text is lost, everything can be seen, and an answer is the token that was meant."""

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers

from mi_core.analyses.tokens import tokens
from mi_core.errors import InputError
from mi_core.models.tokens import encode, find_token, token_text, visible

few = settings(max_examples=40, deadline=None)
AWKWARD = {
    "emoji": "a 🙂 b",
    "newline": "a\nb\r\n",
    "tab": "a\tb",
    "no-break space": "a\u00a0b",
    "right to left": "שלום عالم",
    "combining": "e\u0301a\u0308",
    "html": "<b>bold</b> <script>alert(1)</script>",
    "markdown": "**bold** [link](x) $x^2$",
    "control": "a\x00\x07b",
}


@pytest.fixture(scope="module")
def sentencepiece():
    """A small vocabulary in sentencepiece's manner: ▁ for a space, one put before the text, bytes for the rest."""
    words = ["▁", "▁Paris", "Paris", "▁the", "▁p", "ar", "is", "a", "b", "▁a"]
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    for piece in words:
        vocab[piece] = len(vocab)
    pieces = [(piece, -10.0 if piece.startswith("<0x") else -len(vocab) / (1 + len(piece))) for piece in vocab]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def joined(texts) -> str:
    """The pieces put together again, fragments of characters included."""
    raw = b"".join(
        bytes.fromhex(text[1:-1]) if text.startswith("⟨") and text.endswith("⟩") else text.encode() for text in texts
    )
    return raw.decode()


@pytest.mark.parametrize("prompt", AWKWARD.values(), ids=AWKWARD)
def test_nothing_of_the_text_is_lost(mini, prompt):
    read = mini.tokens(prompt)
    assert read.has_bos and read.special[0] and not any(read.special[1:])
    assert joined(read.texts[1:]) == prompt


@few
@given(prompt=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="⟨⟩"), min_size=1, max_size=25))
def test_any_text_survives(mini, prompt):
    if not prompt.strip():
        with pytest.raises(InputError, match="The prompt is empty"):
            mini.tokens(prompt)
        return
    assert joined(mini.tokens(prompt).texts[1:]) == prompt


def test_what_cannot_be_seen_is_shown():
    assert visible(" a\n\t\r\u00a0") == "·a↵⇥␍⍽"
    assert visible("\x00\x07\x1b") == "␀␇␛"
    assert visible("\u200b\u202e\x7f") == "⟨U+200B⟩⟨U+202E⟩⟨U+007F⟩"
    assert visible("<b>é שלום 🙂") == "<b>é·שלום·🙂"


def test_fragments_of_a_character_are_bytes_not_question_marks(mini):
    texts = mini.tokens("🙂").texts[1:]
    assert texts == ("⟨F0⟩", "⟨9F⟩", "⟨99⟩", "⟨82⟩")
    assert "\ufffd" not in "".join(texts)


def test_half_a_character_does_not_raise(mini):
    assert joined(mini.tokens("a\ud800").texts[1:]) == "a\ufffd"
    assert joined(mini.tokens("\ud83d\ude42").texts[1:]) == "🙂"
    with pytest.raises(InputError, match="an answer is one"):
        mini.token_id("\ud800")


def test_beginning_of_sequence_is_there_once_and_can_be_switched(mini, tiny_model):
    assert mini.tokens("The").ids == (0, *mini.tokens("The", prepend_bos=False).ids)
    assert mini.tokens("The", prepend_bos=True) == mini.tokens("The")
    qwen = tiny_model("qwen3")
    assert not qwen.tokens("a").has_bos
    assert qwen.tokens("a", prepend_bos=True).ids[0] == qwen.tokenizer.bos_token_id


def test_without_such_a_token_none_can_be_put_first(tiny_model, monkeypatch):
    model = tiny_model("qwen3")
    monkeypatch.setattr(type(model.tokenizer), "bos_token_id", None, raising=False)
    with pytest.raises(InputError, match="has no beginning-of-sequence token: switch it off"):
        model.tokens("a", prepend_bos=True)


def test_a_prompt_that_is_nothing_to_the_tokenizer_is_refused(mini, monkeypatch):
    monkeypatch.setattr("mi_core.models.model.encode", lambda tokenizer, text: [])
    with pytest.raises(InputError, match="loupe-mini passes over everything in this prompt") as caught:
        mini.tokens("\u200b")
    assert caught.value.field == "prompt"


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t"])
def test_empty_prompts_are_refused(mini, prompt):
    with pytest.raises(InputError, match="The prompt is empty: type a few words") as caught:
        mini.tokens(prompt)
    assert caught.value.field == "prompt"


def test_long_prompts_are_refused_with_the_count(mini):
    n = len(mini.tokens(" the" * 255))
    assert n == mini.n_ctx == 256
    with pytest.raises(InputError, match="257 tokens long and loupe-mini reads at most 256: shorten it by 1 tokens"):
        mini.tokens(" the" * 256)
    with pytest.raises(InputError, match="shorten it by"):
        mini.tokens("a b" * 33_334)


# Answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["Austin", " Austin", '" Austin"'])
def test_an_answer_is_found_with_or_without_its_space(mini, typed):
    assert mini.text(mini.token_id(typed)) == " Austin"


def test_quotes_take_an_answer_exactly(mini):
    assert mini.text(mini.token_id('"Austin"')) == "Austin"


def test_every_token_can_be_named(mini):
    tokenizer = mini.tokenizer
    for token_id in range(len(tokenizer)):
        assert find_token(tokenizer, f'"{token_text(tokenizer, token_id)}"', "target") == token_id


def test_every_token_of_a_sentencepiece_vocabulary_can_be_named(sentencepiece):
    plain = {token_text(sentencepiece, i) for i in range(259, len(sentencepiece))}
    for token_id in range(len(sentencepiece)):
        text = token_text(sentencepiece, token_id)
        if token_id >= 259 or text not in plain:  # a letter has a byte's entry too: its own is meant
            assert find_token(sentencepiece, f'"{text}"', "target") == token_id


@pytest.mark.parametrize(("typed", "piece"), [("Paris", "▁Paris"), (" Paris", "▁Paris"), ('"Paris"', "Paris")])
def test_a_space_put_first_by_the_tokenizer_does_not_hide_the_answer(sentencepiece, typed, piece):
    assert len(encode(sentencepiece, " Paris")) > 1  # why the vocabulary is asked, and not the encoder
    assert sentencepiece.convert_ids_to_tokens(find_token(sentencepiece, typed, "target")) == piece


def test_several_tokens_are_refused_and_the_first_suggested(mini):
    with pytest.raises(InputError, match=r"“a·b” is 2 tokens for this model \(“·a”, “·b”\)") as caught:
        mini.token_id("a b", "foil")
    assert caught.value.field == "foil"
    assert mini.text(mini.token_id(caught.value.suggestion)) == " a"


def test_fragments_are_not_suggested(mini):
    with pytest.raises(InputError, match="is 4 tokens for this model .* try another word") as caught:
        mini.token_id("🙂")
    assert caught.value.suggestion is None


def test_unknown_words_are_refused():
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "yes": 1}, unk_token="<unk>"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert find_token(tokenizer, "yes", "target") == 1
    with pytest.raises(InputError, match="“maybe” is not in this model's vocabulary: try another word"):
        find_token(tokenizer, "maybe", "target")


def test_an_empty_answer_is_refused(mini):
    with pytest.raises(InputError, match="The answer is empty: type one word"):
        mini.token_id("")


def test_very_long_answers_are_shortened_in_the_message(mini):
    with pytest.raises(InputError) as caught:
        mini.token_id("word " * 500)
    assert len(caught.value.message) < 300


# The analysis -----------------------------------------------------------------------------------------------------


def test_a_prompt_and_its_answers(mini, monkeypatch):
    monkeypatch.setattr(type(mini), "run", None)  # no forward pass
    found = tokens(mini, "The capital of Texas is", target="Austin", foil="Paris")
    assert (found.target_text, found.foil_text) == (" Austin", " Paris")
    assert (found.target_id, found.foil_id) == (mini.token_id("Austin"), mini.token_id("Paris"))
    assert found.n_ctx == 256 and found.notes == ()
    table = found.tables()["tokens"]
    assert list(table.columns) == ["pos", "token", "token_id", "special"]
    assert table["token"].tolist() == ["<|endoftext|>", "The", " capital", " of", " Texas", " is"]
    assert table["special"].tolist() == [True] + [False] * 5
    assert found.reading().title == "The model reads 6 tokens; it can read up to 256"


def test_no_answer_is_none(mini):
    found = tokens(mini, "The", target="", foil=None)
    assert (found.target_id, found.target_text, found.foil_id, found.foil_text) == (None, None, None, None)


def test_twice_the_same_answer_is_refused(mini):
    with pytest.raises(InputError, match="the same token: change one of them") as caught:
        tokens(mini, "The", target="Paris", foil=" Paris")
    assert caught.value.field == "foil"


@pytest.mark.parametrize(
    ("prompt", "settings", "note"),
    [
        ("The capital ", {}, "ends with a space, which usually makes the prediction worse"),
        ("The capital\n", {}, "ends with a line break"),
        ("The\u00a0", {}, "ends with white space (⍽)"),
        ("a <|endoftext|> b", {}, "<|endoftext|> was typed as text and is read as one special token"),
        ("<|endoftext|>a", {}, "remove one of the two"),
        ("a\x00b\x07", {}, "characters that cannot be seen, shown as ␀ and ␇"),
        ("a\u200bb", {}, "shown as ⟨U+200B⟩"),
        ("a 🙂", {}, "several tokens; each is shown by its bytes"),
        ("The", {"prepend_bos": False}, "beginning-of-sequence token, which is switched off"),
    ],
)
def test_surprises_are_pointed_out(mini, prompt, settings, note):
    notes = tokens(mini, prompt, **settings).notes
    assert any(note in said for said in notes), notes


def test_typed_special_tokens_replace_the_switched_off_one(mini):
    notes = tokens(mini, "<|endoftext|>The", prepend_bos=False).notes
    assert notes == ("<|endoftext|> was typed as text and is read as one special token.",)
