"""What a visitor typed or sent, as a file that a computation can be asked about."""

from __future__ import annotations

import hashlib

from mi_core.disk import cache_folder, whole


def kept_file(content: bytes, suffix: str) -> str:
    """The path of a file that holds this, named by its content, so that the same text is the same file.

    Args:
        content: What it holds.
        suffix: Its ending, such as ``.csv``.
    """
    path = cache_folder() / "texts" / (hashlib.sha256(content).hexdigest()[:16] + suffix.lower())
    if not path.is_file():
        with whole(path) as unfinished:
            unfinished.write_bytes(content)
    return str(path)
