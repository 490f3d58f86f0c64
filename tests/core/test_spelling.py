"""Texts of tokens, for every way in which vocabularies spell: joined, they are what the tokenizer itself decodes."""

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mi_core.models.tokens import encode, find_token, token_text

TEXT = [
    "The capital of France is Paris. The capital of Texas is Austin, isn't it?",
    "a newline (in code)",
    "café 😀 naïve",
]
ADDED = ("Zoë", "đem", "<tool_call>", " spaced", "   ")


def _wrapped(backend, **names):
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def _byte_level(added=()):
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet))
    tokenizer = _wrapped(backend)
    tokenizer.add_tokens(list(added))
    return tokenizer


def _byte_fallback():
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    vocab = {"<unk>": 0} | {f"<0x{byte:02X}>": 1 + byte for byte in range(256)}
    for char in sorted({char for char in "▁" + TEXT[0] + TEXT[1] if char != " "}):
        vocab[char] = len(vocab)
    merges = [("T", "h"), ("Th", "e"), ("▁", "The"), ("▁", "c"), ("i", "s"), ("▁", "is")]
    for left, right in merges:
        vocab[left + right] = len(vocab)
    backend.model = models.BPE(vocab, merges, byte_fallback=True, unk_token="<unk>")
    return _wrapped(backend, unk_token="<unk>")


def _unigram():
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    backend.train_from_iterator(
        TEXT, trainers.UnigramTrainer(vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>")
    )
    return _wrapped(backend, unk_token="<unk>")


def _wordpiece():
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]"]))
    return _wrapped(backend, unk_token="[UNK]")


def _end_of_word():
    backend = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder(suffix="</w>")
    backend.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>"], end_of_word_suffix="</w>")
    )
    return _wrapped(backend, unk_token="<unk>")


def _words():
    backend = Tokenizer(models.WordLevel(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(TEXT, trainers.WordLevelTrainer(special_tokens=["<unk>"]))
    return _wrapped(backend, unk_token="<unk>")


def _characters():
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    backend.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=80, special_tokens=["<unk>"]))
    return _wrapped(backend, unk_token="<unk>")


KINDS = {
    "byte level": _byte_level,
    "byte fallback": _byte_fallback,
    "unigram": _unigram,
    "pieces of words": _wordpiece,
    "ends of words": _end_of_word,
    "words": _words,
    "characters": _characters,
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return KINDS[request.param]()


def _joined(tokenizer, text):
    texts = [token_text(tokenizer, token_id) for token_id in encode(tokenizer, text)]
    raw = b"".join(bytes.fromhex(one[1:-1]) if one[0] + one[-1] == "⟨⟩" else one.encode() for one in texts)
    return raw.decode()


@pytest.mark.parametrize("text", TEXT)
def test_texts_joined_are_what_the_tokenizer_decodes(tokenizer, text):
    ids = encode(tokenizer, text)
    assert len(ids) >= 3
    decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert _joined(tokenizer, text).strip(" ") == decoded.strip(" ")


def test_every_ordinary_token_can_be_named(tokenizer):
    for token_id in set(range(len(tokenizer))) - set(tokenizer.all_special_ids):
        text = token_text(tokenizer, token_id)
        assert token_text(tokenizer, find_token(tokenizer, f'"{text}"', "target")) == text


def test_added_tokens_are_plain_text():
    tokenizer = _byte_level(ADDED)
    for added in ADDED:
        token_id = tokenizer.convert_tokens_to_ids(added)
        assert token_text(tokenizer, token_id) == added
        assert find_token(tokenizer, f'"{added}"', "target") == token_id
    assert _joined(tokenizer, "Zoë said đem   <tool_call>") == "Zoë said đem   <tool_call>"


def test_a_piece_that_begins_a_word_has_its_space():
    tokenizer = _wordpiece()
    texts = [token_text(tokenizer, token_id) for token_id in encode(tokenizer, "the capital.")]
    assert texts[0][0] == " " and texts[-1] == "." and sum(text.startswith(" ") for text in texts) == 2


def test_a_word_typed_plainly_is_the_whole_word():
    tokenizer = _end_of_word()
    assert tokenizer.convert_ids_to_tokens(find_token(tokenizer, "the", "target")) == "the</w>"
