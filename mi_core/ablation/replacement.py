"""What takes the place of an activation: nothing, its mean over other text, what another prompt has, or a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.text.sentences import lines, sentences

SET = "set"
MODES = ("zero", "mean", "resample", SET)

#: What to read of a run: an activation, or the amounts of features.
Reader = Callable[[Activations], Float[Tensor, "pos ..."]]


def replacements(
    model: Model,
    tokens: Tokens,
    acts: Activations,
    parts: Mapping[str, Reader],
    names: set[str],
    mode: str,
    reference: str,
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None],
) -> dict[str, Float[Tensor, "pos ..."]]:
    """What is put in place of each part of the activations.

    Zero takes away more than a part's information: its usual output too, which everything after it counts on. The mean
    over other text keeps what is the same everywhere (Wang et al. 2022, "Interpretability in the Wild"). Another
    prompt's value keeps the part in its usual range and breaks only what it says of this one (resample ablation, Chan
    et al. 2022, "Causal Scrubbing"). How they differ: Heimersheim and Nanda 2024, "How to use and interpret activation
    patching".

    Args:
        model: The model.
        tokens: The prompt.
        acts: A run of it that kept `names`.
        parts: What to read of a run, by any name.
        names: Hook names that the parts need.
        mode: ``"zero"``; ``"mean"`` over all positions of the reference prompts; ``"resample"``, what the first
            reference prompt has at the position as far from its end (its first token where it is shorter). A
            beginning-of-sequence token reads the same in every prompt, so its mean and its sample are its own.
        reference: Prompts, one per line; `SENTENCES` where it is empty.
        prepend_bos: None follows the model's own habit.
        between: Called between prompts.

    Raises:
        InputError: No such mode, or an unusable reference prompt.
    """
    if mode not in MODES:
        raise InputError(f"“{str(mode)[:40]}” is no way to ablate: use zero, mean, resample or set.", "mode")
    if mode == "zero" or not parts:
        return {name: torch.zeros_like(part(acts)) for name, part in parts.items()}
    prompts = lines(reference, "reference", "reference prompts") or sentences(model)
    prompts = prompts[: 1 if mode == "resample" else None]
    seen = {name: [] for name in parts}
    for prompt in prompts:
        read = model.tokens(prompt, prepend_bos, "reference")
        run = model.run(read, names)
        for name, part in parts.items():
            seen[name].append(part(run)[int(read.has_bos) :])
        between()
    kept = int(tokens.has_bos)
    n = len(tokens) - kept
    values = {}
    for name, pieces in seen.items():
        piece = torch.cat(pieces)
        if mode == "mean":
            other = piece.mean(0).expand(n, *piece.shape[1:])
        else:
            other = piece[torch.arange(len(piece) - n, len(piece), device=piece.device).clamp(min=0)]
        values[name] = torch.cat([parts[name](acts)[:kept], other])
    return values


def without(what: str, set_to: float | None) -> str:
    """A knockout in the middle of a sentence: `without L3H0`, `with feature 115 set to 5`."""
    return f"without {what}" if set_to is None else f"with {what} set to {set_to:g}"
