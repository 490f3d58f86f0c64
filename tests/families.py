"""Tiny random models: those of the ordinary tests, one for each kind of difference between families, and any other."""

from pathlib import Path

import torch
import transformers

from tests.architectures import MODELS

SHARED = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0}

#: Name among `MODELS` → what is different.
FAMILIES = {
    "opt, no final norm": "no final norm",
    "opt, no weights in norms": "rows and positions are one axis in its MLPs",
    "openai-gpt": "norm after each part",
    "xglm": "streams named otherwise",
    "bloom": "slopes for positions",
    "falcon": "writes in place",
    "gpt_bigcode": "one key for all heads",
    "gpt_oss": "learned sink",
    "deepseek_v3": "latent attention",
    "mixtral": "experts",
    "qwen3_moe, experts in some layers": "experts in some layers",
    "jetmoe": "experts of attention",
    "olmo, clipped queries, keys and values": "clipped queries, keys and values",
    "bitnet": "norm on the way out of attention",
    "afmoe": "gated heads",
    "gemma4_text": "normed values, tokens read in every layer",
    "granite": "scaled logits",
    "gemma2": "capped logits",
    "modernbert-decoder": "layers before the unembedding",
    "lfm2": "convolutions in place of some layers' attention",
    "qwen3_next": "gated linear attention in place of some layers' attention, and gated heads in the others",
    "falcon_h1": "states beside attention",
    "phi3, factors by length": "factors of positions that depend on the length (longrope)",
    "llama, factors by length": "factors of positions that depend on the length (dynamic)",
}


def family(folder: Path, name: str, tokenizer) -> Path:
    """The folder of a tiny model of that name, with weights large enough that every part matters."""
    model_type, config = MODELS[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(model_type, **(SHARED | config)), attn_implementation="eager"
    )
    for parameter_name, parameter in model.named_parameters():
        is_norm = parameter.dim() == 1 and "bias" not in parameter_name
        parameter.data.normal_(1.0 if is_norm else 0.0, 0.4 if parameter.dim() > 1 else 0.1)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
