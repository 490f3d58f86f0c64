"""What a run that is stopped has found, on disk until it is done."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from mi_core import disk
from mi_core.firing import passages
from mi_core.firing.strongest import Strongest
from mi_core.firing.unit import Unit
from mi_core.models.model import Model

FORM = 1  # of what is written


def place(model: Model, one: Unit, file: str, top_k: int) -> Path:
    """Where a run for this unit on what the file holds now is kept; without a file, on the sample."""
    held = ""
    if file:
        with Path(file).open("rb") as content:
            held = hashlib.file_digest(content, "sha256").hexdigest()
    cut = (passages.LONGEST, passages.PART, passages.WINDOW, passages.AT_ONCE)
    key = (FORM, cut, model.fingerprint, one.hook, one.name, one.stamp, held, top_k)
    return disk.cache_folder() / "firing" / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:24]}.json"


def begun(path: Path, top_k: int) -> Strongest:
    """From where a run that was stopped has left off."""
    return Strongest.of(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Strongest(top_k)


def keep(found: Strongest, path: Path) -> None:
    """Write it; where there is no room, a run that is stopped begins anew, and that is all."""
    with contextlib.suppress(OSError), disk.whole(path) as unfinished:
        unfinished.write_text(json.dumps(found.kept()), encoding="utf-8")
