"""A prompt as the model reads it: token ids, the text of each token, and how that text is made visible."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mi_core.errors import InputError, shortened

if TYPE_CHECKING:
    import pandas as pd

TOKEN_COLUMNS = (
    "token", "prediction", "first_prediction", "second_prediction", "query_token", "key_token", "target",
    "corrupted_token", "replacement",
)  # fmt: skip
VISIBLE = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
BYTES_SHOWN = re.compile(r"⟨((?:[0-9A-F]{2})+)⟩")
BEFORE = "x"  # a piece for another to follow: decoders leave out the space before the first one
BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True)
class Tokens:
    """The tokens of one prompt.

    `ids` are vocabulary indices, `texts` the raw text of each (`" Paris"`; a byte that is only part of a
    character reads `⟨E2⟩`), `special` marks tokens that are not text (`<|endoftext|>`), `has_bos` whether
    position 0 is a beginning-of-sequence token that Loupe put there.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    special: tuple[bool, ...]
    has_bos: bool

    def __len__(self) -> int:
        return len(self.ids)


def visible(text: str) -> str:
    """`text` with whitespace and control characters as signs that can be seen: `" a\\n"` → `"·a↵"`."""
    return "".join(_visible_char(char) for char in text)


def readable(text: str) -> str:
    """Running text on one line: what cannot be seen is shown as `visible` shows it, but for spaces."""
    return "".join(char if char == " " else _visible_char(char) for char in text)


def with_visible_tokens(frame: pd.DataFrame) -> pd.DataFrame:
    """A table for the eye: `visible` applied to its columns of token text. Exports keep the raw text."""
    present = [column for column in TOKEN_COLUMNS if column in frame]
    return frame.assign(**{column: frame[column].map(visible, na_action="ignore") for column in present})


def _visible_char(char: str) -> str:
    if char in VISIBLE:
        return VISIBLE[char]
    if ord(char) < 32:
        return chr(0x2400 + ord(char))
    if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"):
        return f"⟨U+{ord(char):04X}⟩"
    return char


def token_text(tokenizer, token_id: int) -> str:
    """Raw text of one token, exact about the spaces around it, whatever the tokenizer's family.

    It is what the tokenizer's own decoder makes of it after another token: a piece that begins a word has its space in
    front, or, where vocabularies mark the end of a word instead (`</w>`), behind.
    """
    piece = tokenizer.convert_ids_to_tokens(int(token_id))
    if piece is None:
        return f"⟨id_{token_id}⟩"
    if token_id in tokenizer.all_special_ids:
        return piece
    spelling = _spelling(tokenizer)
    if spelling.byte_level:
        raw = piece if token_id in spelling.added else _piece_bytes(piece)
        return raw if isinstance(raw, str) else _decode(raw)
    if match := BYTE_TOKEN.fullmatch(piece):
        return _decode(bytes([int(match.group(1), 16)]))
    if spelling.suffix:
        return piece.replace(spelling.suffix, " ")
    return tokenizer.convert_tokens_to_string([BEFORE, piece]).removeprefix(BEFORE)


def encode(tokenizer, text: str) -> list[int]:
    """Token ids of `text` alone: no BOS or EOS added."""
    return tokenizer.encode(whole(text), add_special_tokens=False)


def whole(text: str) -> str:
    """`text` with halves of characters, which no encoder accepts, joined or replaced by `�`."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def find_token(tokenizer, text: str, field: str) -> int:
    """The single token a person means by `text`.

    Without a leading space, the word with one is preferred, since that is how a word follows a prompt; text in
    double quotes is taken exactly. A byte that is only part of a character is written as it is shown: `⟨E2⟩`.

    Raises:
        InputError: `text` is empty, or several tokens (the first is suggested), or unknown to the vocabulary.
    """
    if not text:
        raise InputError("The answer is empty: type one word.", field)
    exact = len(text) > 2 and text[0] == text[-1] == '"'
    wanted = whole(text[1:-1] if exact else text)
    as_a_word = wanted + " " if _spelling(tokenizer).suffix else " " + wanted
    candidates = [wanted] if exact or wanted[0].isspace() else [as_a_word, wanted]
    for candidate in candidates:
        if (token_id := _entry(tokenizer, candidate)) is not None:
            return token_id
    encoded = [ids for candidate in candidates if (ids := encode(tokenizer, candidate))]
    for ids in encoded:  # tokenizers that change the text first: lower case, accents
        if len(ids) == 1 and ids[0] != tokenizer.unk_token_id:
            return ids[0]
    raise _not_one_token(tokenizer, wanted, encoded, field)


def _entry(tokenizer, text: str) -> int | None:
    """The vocabulary's entry that reads exactly `text`; asking the vocabulary, because encoders may add a space."""
    raw = bytes.fromhex(match.group(1)) if (match := BYTES_SHOWN.fullmatch(text)) else text.encode()
    spelling = _spelling(tokenizer)
    if spelling.byte_level:
        char_of = {byte: char for char, byte in _byte_of_char().items()}
        pieces = ["".join(char_of[byte] for byte in raw), text]
    else:
        pieces = [text.replace(" ", "▁"), text, text.removeprefix(" "), spelling.prefix + text]
        pieces += [text.removesuffix(" ") + spelling.suffix] if spelling.suffix else []
        pieces += [f"<0x{raw[0]:02X}>"] if len(raw) == 1 else []
    found = (tokenizer.convert_tokens_to_ids(piece) for piece in pieces)
    return next((i for i in found if i is not None and token_text(tokenizer, i) == text), None)


def _not_one_token(tokenizer, wanted: str, encoded: list[list[int]], field: str) -> InputError:
    split = [[token_text(tokenizer, token_id) for token_id in ids] for ids in encoded]
    pieces = next((pieces for pieces in split if pieces[0].strip()), split[-1] if split else [])
    shown = shortened(visible(wanted))
    if len(pieces) <= 1:
        return InputError(f"“{shown}” is not in this model's vocabulary: try another word.", field)
    listed = ", ".join(f"“{visible(piece)}”" for piece in pieces[:6]) + (" …" if len(pieces) > 6 else "")
    message = f"“{shown}” is {len(pieces)} tokens for this model ({listed}) and an answer is one: "
    first = next((piece for piece in pieces if piece.strip()), pieces[0])
    if BYTES_SHOWN.fullmatch(first):
        return InputError(f"{message}try another word.", field)
    return InputError(f"{message}use the first, “{visible(first)}”, or another word.", field, suggestion=f'"{first}"')


@lru_cache(maxsize=1)
def _byte_of_char() -> dict[str, int]:
    """GPT-2's reversible map from bytes to printable characters, inverted (Radford et al. 2019, `encoder.py`)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _piece_bytes(piece: str) -> bytes | str:
    """The bytes a byte-level piece stands for; added tokens that are plain text come back as they are."""
    table = _byte_of_char()
    return bytes(table[char] for char in piece) if all(char in table for char in piece) else piece


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{raw.hex().upper()}⟩"


@dataclass(frozen=True)
class _Spelling:
    """How a tokenizer's vocabulary writes bytes and the ends of words.

    `byte_level`: each byte as a character that can be printed; `added` are the tokens that are plain text all the
    same. `prefix` marks what continues a word (`##`), `suffix` what ends one (`</w>`); empty where there is none.
    """

    byte_level: bool
    prefix: str = ""
    suffix: str = ""
    added: frozenset[int] = frozenset()


def _spelling(tokenizer) -> _Spelling:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return _spelling_of(backend)
    return _Spelling(hasattr(tokenizer, "byte_decoder"), added=frozenset(tokenizer.added_tokens_decoder))


@lru_cache(maxsize=16)
def _spelling_of(backend) -> _Spelling:
    whole = json.loads(backend.to_str())
    model, decoder = whole["model"], whole.get("decoder") or {}
    ends = decoder.get("suffix") if decoder.get("type") == "BPEDecoder" else None
    return _Spelling(
        byte_level='"ByteLevel"' in json.dumps(decoder),
        prefix=decoder.get("prefix") or model.get("continuing_subword_prefix") or "",
        suffix=ends or "",
        added=frozenset(one["id"] for one in whole.get("added_tokens") or ()),
    )
