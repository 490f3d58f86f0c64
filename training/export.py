"""From the training network to the files that everybody can open."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.network import Network

NAMES = {
    "ln_1": ("ln_1", False),
    "ln_2": ("ln_2", False),
    "qkv": ("attn.c_attn", True),
    "out": ("attn.c_proj", True),
    "up": ("mlp.c_fc", True),
    "down": ("mlp.c_proj", True),
}


def to_transformers(weights: dict[str, Tensor], heads: int):
    """The same function as a ``GPT2LMHeadModel`` (which stores its matrices transposed), in float32."""
    from transformers import GPT2Config, GPT2LMHeadModel

    vocabulary, width = weights["wte.weight"].shape
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=weights["wpe.weight"].shape[0],
        n_embd=width,
        n_layer=1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks.")),
        n_head=heads,
        n_inner=weights["blocks.0.up.weight"].shape[0],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    model.load_state_dict(renamed(weights))
    return model.eval()


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names of transformers' GPT-2."""
    out = {f"transformer.{n}": w.float() for n, w in weights.items() if not n.startswith("blocks.")}
    out["lm_head.weight"] = out["transformer.wte.weight"]
    for name, tensor in weights.items():
        if name.startswith("blocks."):
            _, layer, part, kind = name.split(".")
            target, transpose = NAMES[part]
            matrix = transpose and kind == "weight"
            out[f"transformer.h.{layer}.{target}.{kind}"] = (tensor.T.contiguous() if matrix else tensor).float()
    return out


def write(model, tokenizer_folder: Path, out: Path) -> None:
    """A folder that ``from_pretrained`` opens: config, weights and tokenizer."""
    from transformers import PreTrainedTokenizerFast

    model.save_pretrained(out, safe_serialization=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder)
    tokenizer.save_pretrained(out)
    # older readers know this class; the rest of what save_pretrained notes is about this machine
    ends = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), tokenizer.eos_token)
    about = ends | {"model_max_length": tokenizer.model_max_length, "tokenizer_class": "PreTrainedTokenizerFast"}
    (out / "tokenizer_config.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    (out / "model.safetensors").chmod(0o644)


@torch.no_grad()
def network_of(folder: Path) -> Network:
    """The training network with the weights of a shipped folder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    sizes = [config[key] for key in ("vocab_size", "n_positions", "n_layer", "n_embd", "n_head")]
    network = Network(*sizes, config["n_inner"] or 4 * config["n_embd"])
    weights = load_file(folder / "model.safetensors")
    for name, parameter in network.named_parameters():
        parameter.copy_(weights_like(name, weights))
    return network.eval()


def weights_like(name: str, weights: dict[str, Tensor]) -> Tensor:
    """One parameter of the training network out of the shipped weights."""
    if not name.startswith("blocks."):
        return weights[f"transformer.{name}"]
    _, layer, part, kind = name.split(".")
    target, transpose = NAMES[part]
    tensor = weights[f"transformer.h.{layer}.{target}.{kind}"]
    return tensor.T if transpose and kind == "weight" else tensor


def read(folder: Path):
    """(model, tokenizer) of a shipped folder, float32 on the CPU."""
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    return model, PreTrainedTokenizerFast.from_pretrained(folder)
