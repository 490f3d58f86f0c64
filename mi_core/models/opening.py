"""What comparing an opened model with plain transformers found, and where that is kept for the next time."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mi_core.disk import cache_folder, whole


@dataclass(frozen=True)
class Opening:
    """What the comparison found; as it is by default where a model was not compared."""

    errors: dict[str, float] = field(default_factory=dict)
    """Largest difference of the logits as a share of the largest, by what was read."""
    unread: dict[str, str] = field(default_factory=dict)
    """Why a site cannot be shown, by site."""
    unfelt: dict[str, str] = field(default_factory=dict)
    """Why a site cannot be changed, by site; holds all that `unread` does."""
    headless: tuple[int, ...] = ()
    """Layers that have something else in attention's place."""
    attention_alone: bool = True
    """Whether positions learn of one another through nothing but attention, or what stands in its place."""
    attention_left: bool = False
    """Whether transformers' own modules compute attention, as the bridge's own code gives other numbers here."""
    sinks: bool = False
    """Whether a learned sink takes a share of the attention."""
    adds_up: bool = True
    """Whether what attention and MLP write sums to the residual stream."""
    mixes: bool = True
    """Whether a head's output is its pattern times its values."""
    logit_scale: float | None = 1.0
    """The logits are the unembedding's output times this; None where another computation stands between."""
    cache_holds: bool = True
    """Whether text written with kept keys and values is the text written without."""
    tokens_once: bool = True
    """Whether layers learn of the tokens from the residual stream alone, so that all of it is another prompt's run."""

    @property
    def keys_and_values(self) -> bool:
        """Whether keys and values are all that a position needs to know of the earlier ones."""
        return self.attention_alone and not self.headless

    def sentences(self) -> tuple[str, ...]:
        """For people: how close the logits are, and what is left out; none where the model was not compared."""
        if not self.errors:
            return ()
        error = max(self.errors.values())
        how = f"equal to {error:.0e} of the largest" if error else "the very same"
        closeness = f"Compared with plain transformers: logits {how}."
        left_out = dict.fromkeys([*self.unread.values(), *self.unfelt.values()])
        text = () if self.cache_holds else ("text is written without a cache, which gives other text here",)
        if not self.tokens_once:
            text += ("its layers read the tokens again, beside the residual stream, which patches do not reach",)
        if self.headless:
            text += (
                f"{len(self.headless)} of its layers have something else in attention's place, which is shown there, "
                "without heads",
            )
        said = "; ".join((*left_out, *text))
        return (closeness, f"{said[0].upper()}{said[1:]}.") if said else (closeness,)


def remembered(fingerprint: str) -> Opening | None:
    """What was found for a model of this fingerprint, by this code and these libraries; None where it is not known."""
    try:
        return Opening(**_tuples(json.loads(_file(fingerprint).read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return None


def remember(fingerprint: str, opening: Opening) -> None:
    """Keep what was found; where the folder cannot be written to, it is found again next time."""
    path = _file(fingerprint)
    with contextlib.suppress(OSError), whole(path) as unfinished:
        unfinished.write_text(json.dumps(dataclasses.asdict(opening)), encoding="utf-8")


def _file(fingerprint: str) -> Path:
    digest = hashlib.sha256()
    for name in ("comparison.py", "hooks.py", "loading.py", "model.py", "opening.py", "plain.py"):
        digest.update((Path(__file__).with_name(name)).read_bytes())
    for library in ("torch", "transformers", "transformer-lens"):
        digest.update(importlib.metadata.version(library).encode())
    return cache_folder() / "openings" / f"{fingerprint}-{digest.hexdigest()[:12]}.json"


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"headless": tuple(fields["headless"])}
