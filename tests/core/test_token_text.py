"""The text of a token is what its own tokenizer makes of it, whatever the tokenizer's family."""

import pytest
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from mi_core.errors import InputError
from mi_core.models import loading
from mi_core.models.tokens import encode, find_token, token_text

TEXT = ["The capital of France is Paris.", "When Mary and John went to the store", "newline and lowercase words"] * 4


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=90, special_tokens=["[UNK]"]))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def end_of_word():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>"], end_of_word_suffix="</w>")
    tokenizer.train_from_iterator(TEXT, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(TEXT, trainer)
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    whole.add_tokens(["Zoë", "đem", "<tool_call>", "   "])
    return whole


def byte_fallback():
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=350, special_tokens=special))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


@pytest.mark.parametrize("make", [word_piece, end_of_word, byte_level, byte_fallback])
def test_the_texts_of_a_prompt_are_its_decoded_text(make):
    tokenizer = make()
    ids = encode(tokenizer, "the capital of france is paris and lowercase newline")
    texts = "".join(token_text(tokenizer, token_id) for token_id in ids)
    assert texts.strip() == tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip()
    assert "##" not in texts and "</w>" not in texts and "▁" not in texts


@pytest.mark.parametrize("text", ["Zoë", "đem", "<tool_call>", "   "])
def test_added_tokens_of_byte_level_vocabularies_are_plain_text(text):
    tokenizer = byte_level()
    (token_id,) = encode(tokenizer, text)
    assert token_text(tokenizer, token_id) == text


@pytest.mark.parametrize("make", [word_piece, end_of_word, byte_level, byte_fallback])
def test_every_text_finds_a_token_that_reads_the_same(make):
    tokenizer = make()
    special = set(tokenizer.all_special_ids)
    for token_id in range(0, len(tokenizer), 3):
        text = token_text(tokenizer, token_id)
        if token_id not in special and text.strip() and "⟨" not in text and '"' not in text:
            assert token_text(tokenizer, find_token(tokenizer, f'"{text}"', "target")) == text


@pytest.fixture
def saved(tmp_path):
    """saved(tokenizer, n_vocab): a tiny Llama of so many tokens beside it, open."""

    def make(tokenizer, n_vocab):
        config = transformers.LlamaConfig(
            vocab_size=n_vocab, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=32,
        )  # fmt: skip
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return loading.load(str(tmp_path))

    return make


def test_no_start_token_is_invented(saved):
    tokenizer = word_piece()
    model = saved(tokenizer, len(tokenizer))
    assert not model.prepends_bos
    assert model.tokens("the capital").ids == tuple(encode(tokenizer, "the capital"))
    with pytest.raises(InputError, match="has no beginning-of-sequence token"):
        model.tokens("the capital", prepend_bos=True)


def test_a_token_that_the_weights_do_not_know_is_named(saved):
    tokenizer = byte_level()
    model = saved(tokenizer, len(tokenizer) - 4)
    with pytest.raises(InputError, match="has no weights for “đem”") as caught:
        model.tokens("said đem")
    assert caught.value.field == "prompt"
