"""The same model before training: its configuration with random weights, as a control."""

from __future__ import annotations

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM

from mi_core.errors import InputError
from mi_core.models import loading
from mi_core.models.model import Model

MOST_BYTES = 2 * 10**9  # of weights: a second model of that size has to fit beside the first


def untrained(model: Model, seed: int) -> Model:
    """A model of the same configuration whose weights are drawn as they are before training.

    Args:
        model: The trained one.
        seed: Of the draws.

    Raises:
        InputError: The model is too large for a second one beside it, or cannot be made from its configuration alone.
    """
    if sum(parameter.nbytes for parameter in model.hf_model.parameters()) > MOST_BYTES:
        raise InputError(f"{model.id} is too large for a second one with random weights beside it.", "random_weights")
    folder = loading.locate(model.id)
    try:
        with loading.boot_lock, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = AutoModelForCausalLM.from_config(
                model.hf_model.config, attn_implementation="eager", dtype=torch.float32
            )
            bridge = TransformerBridge.boot_transformers(
                str(folder), hf_model=fresh.to(model.device), trust_remote_code=False
            )
            loading.leave_to_transformers(fresh)
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError) as error:
        raise InputError(f"{model.id} cannot be made anew from its configuration.", "random_weights") from error
    other = Model(bridge, model.id, f"{model.fingerprint}, untrained {seed}", model.opening, model.tokenizer)
    if model.opening.attention_left:
        other.leave_attention()
    return other
