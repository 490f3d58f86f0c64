"""What the lenses share that were learned from text: the tuned and the Jacobian lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.lenses.files import Kind, open_lens
from mi_core.lenses.lens import Lens, Normed, Stage, look
from mi_core.lenses.translator import Translator
from mi_core.metrics import distribution
from mi_core.models.model import Model


@dataclass(frozen=True, kw_only=True)
class LearnedLens(Lens):
    """The vocabulary's view of every layer and position, through maps that were learned."""

    origin: str
    """Where the maps are from, as the end of a sentence that begins with the lens."""


def look_through(
    model: Model,
    kind: Kind,
    source: str | None,
    prompt: str,
    *,
    target: str | None,
    foil: str | None,
    pos: int | None,
    top_k: int,
    prepend_bos: bool | None,
) -> tuple[Translator, dict[str, Any]]:
    """The lens, and the fields of a `LearnedLens` by name. Raises InputError as the analyses of these lenses say."""
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    asked = {"target": target, "foil": foil, "pos": model.position(tokens, pos), "top_k": top_k}
    translator = open_lens(model, kind, source)
    return translator, {"origin": translator.origin} | look(model, tokens, *_through(model, translator), **asked)


def _through(model: Model, translator: Translator) -> tuple[list[Stage], Normed]:
    """The stages that a learned lens maps and the output, and what the unembedding is given there."""
    names = model.resid_names()
    mapped = [Stage(names[layer], "resid_pre", layer) for layer in translator.layers]
    stages = [*mapped, Stage(names[-1], "resid_post", model.n_layers)]

    def normed(resid: Float[Tensor, "stage pos d_model"]) -> Float[Tensor, "stage pos d_model"]:
        rows = [translator.translate(x, stage.passed) for x, stage in zip(resid, stages, strict=True)]
        return model.final_norm.apply(torch.stack(rows))

    return stages, normed
