"""Letters that files cannot hold, or that would turn the letters after them around, as signs that are seen."""

from __future__ import annotations

# Signs for what a browser drops or refuses, and for what would turn the letters after it around.
UNSEEN = {
    **{code: chr(0x2400 + code) for code in range(32) if code not in (9, 10, 13)},
    **{code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys((*range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"),
}


def seen(text: str) -> str:
    """`text` with a sign in place of every such letter: `"a\\x00"` → `"a␀"`."""
    return text.translate(UNSEEN)
