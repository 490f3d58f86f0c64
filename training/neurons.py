"""Where every MLP neuron fires: the contexts of its largest activations, with a label by the rule of the features.

One file per layer, ``neurons/layer_<L>.json``: ``{"sample", "label_rule", "neurons": [{"neuron", "max_activation",
"density", "label", "rule", "confidence", "promoted", "suppressed", "things", "contexts": [...]}]}``; activation = after
GELU; density = share of the tokens above a tenth of the largest; contexts as in an SAE's ``contexts.json``, things as
in its ``features.json``.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import concepts
from training.contexts import LABEL_RULE, Firing, describe, save_json, strongest, top_contexts
from training.sample import Document, documents

LARGEST = 200
RULE = f"Over the {LARGEST} largest activations. {LABEL_RULE}"


def write_neurons(model, tokenizer, out: Path, n_tokens: int = 40_000, seed: int = 1) -> None:
    """Write ``neurons/layer_<L>.json`` for every layer of a GPT-2-shaped model."""
    sample = documents(tokenizer, n_tokens, seed)
    texts = [tokenizer.decode([i]) for i in range(model.config.vocab_size)]
    about = {"tokens": sum(len(d.ids) - 1 for d in sample), "seed": seed, "documents": len(sample)}
    acts, left_out = activations(model, sample), concepts.common(sample, texts)
    about |= concepts.by_chance(sample, texts, left_out)
    where = np.repeat(np.arange(len(sample)), [len(d.ids) for d in sample])
    pos = np.concatenate([np.arange(len(d.ids)) for d in sample])
    (out / "neurons").mkdir(parents=True, exist_ok=True)
    for layer, block in enumerate(model.transformer.h):
        effects = direct_effects(model, block.mlp.c_proj.weight)
        rows = []
        for neuron in range(acts[layer].shape[1]):
            values = acts[layer][:, neuron]
            fires = largest(values, where, pos)
            row = describe(neuron, fires, sample, texts, about["tokens"])
            row["density"] = round(float((values > values.max() / 10).float().mean()), 6)
            row["neuron"] = row.pop("feature")
            peaks = concepts.peaks(fires.document, fires.pos, fires.value)
            row["things"] = concepts.things(peaks, sample, texts, left_out)
            rows.append(
                row | strongest(effects[neuron], texts, 5) | {"contexts": top_contexts(fires, sample, texts, 5)}
            )
        content = {"sample": about, "label_rule": RULE, "neurons": rows}
        save_json(out / "neurons" / f"layer_{layer}.json", content)


@torch.no_grad()
def activations(model, sample: list[Document]) -> list[Tensor]:
    """Per layer [token of all documents, neuron] after GELU, zero on BOS."""
    kept: list[list[Tensor]] = [[] for _ in model.transformer.h]
    handles = [
        block.mlp.act.register_forward_hook(lambda _m, _i, out, keep=keep: keep.append(out[0].half()))
        for block, keep in zip(model.transformer.h, kept, strict=True)
    ]
    for document in sample:
        ids = torch.tensor([document.ids])
        model.transformer(ids, attention_mask=torch.ones_like(ids))
    for handle in handles:
        handle.remove()
    for keep in kept:
        for each in keep:
            each[0] = 0
    return [torch.cat(keep).float() for keep in kept]


def largest(values: Tensor, where: np.ndarray, pos: np.ndarray) -> Firing:
    """The largest positive activations of one neuron."""
    top, at = values.topk(min(LARGEST, len(values)))
    at = at[top > 0].numpy()
    return Firing(np.zeros(len(at), dtype=int), where[at], pos[at], values.numpy()[at])


@torch.no_grad()
def direct_effects(model, rows: Tensor) -> Tensor:
    """[neuron, vocabulary]: logit effect of one unit of activation through the final norm's weight, mean removed."""
    rows = rows - rows.mean(-1, keepdim=True)
    effects = (rows * model.transformer.ln_f.weight) @ model.lm_head.weight.T
    return effects - effects.mean(-1, keepdim=True)
