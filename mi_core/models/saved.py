"""What was saved in a model's folder, read by transformers alone and checked: weights, tokenizer, context length."""

from __future__ import annotations

from pathlib import Path

from mi_core.errors import InputError, shortened

# What families call the number of positions that they read.
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "context_length")


def context(config, otherwise: int) -> int:
    """How many positions the model reads, by its own configuration."""
    named = (getattr(config, name, None) for name in CONTEXT_NAMES)
    return next((value for value in named if isinstance(value, int) and value > 0), otherwise)


def read_tokenizer(folder: Path, model_id: str):
    """The tokenizer as it was saved, with the special tokens that it has and no others."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers fail in many ways on files that are not theirs
        raise InputError(
            f"The tokenizer of {model_id} cannot be read ({first_line(error)}): save it again with "
            "tokenizer.save_pretrained(folder).",
            "model",
        ) from error


def read_weights(folder: Path, model_id: str):
    """The plain Hugging Face model. Weights that the files lack would be made up at random, so they are refused."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    hf_model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",  # the only one that leaves attention patterns behind
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
        output_attentions=True,
        ignore_mismatched_sizes=True,  # told below, in a sentence of our own
    )
    _check_weights(hf_model, found, model_id)
    return hf_model


def _check_weights(hf_model, found: dict, model_id: str) -> None:
    """Refuse weights that are not the configuration's, or not numbers.

    Raises:
        InputError: Tensors are missing, left over, of another shape, or hold NaN or infinities.
    """
    if mismatched := sorted(found.get("mismatched_keys") or ()):
        name, held, wanted = mismatched[0]
        raise InputError(
            f"{model_id}'s weights do not fit its config.json: {name} is {_size(held)} in the file and {_size(wanted)} "
            "by the configuration. Fetch the model again.",
            "model",
        )
    if missing := sorted(found["missing_keys"]):
        raise InputError(
            f"{model_id}'s weights do not fit its config.json: {len(missing)} tensors are missing, such as "
            f"{missing[0]}. Fetch the model again.",
            "model",
        )
    modules = {name for name, _ in hf_model.named_modules()}
    if unused := sorted(name for name in found["unexpected_keys"] if name.rpartition(".")[0] in modules):
        raise InputError(
            f"{model_id}'s weights do not fit its config.json: {len(unused)} tensors of the file would not be used, "
            f"such as {unused[0]}. Correct the configuration, or fetch the model again.",
            "model",
        )
    for name, tensor in hf_model.named_parameters():
        if not bool(tensor.isfinite().all()):
            raise InputError(
                f"{model_id}'s weights are damaged: {name} holds values that are not numbers. Fetch the model again.",
                "model",
            )


def _size(shape) -> str:
    return " × ".join(map(str, shape))


def first_line(error: Exception) -> str:
    """The first line of what an error says, short enough for a sentence."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shortened(line, 200)
