"""The Jacobian lens (Gurnee et al. 2026): per layer the mean derivative of the last layer's output by the stream.

Fitted by transformer_lens' own `JacobianLens`, on texts of the kinds that the model was trained on, in two halves
whose agreement is kept beside the mean of both.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from training.sample import documents

FEWEST, MOST = 32, 96  # tokens of a text
SKIPPED = 4  # the first positions of a text, whose streams are like no others


def fit_lens(folder: Path, out: Path, seed: int, texts: int = 96, progress: Callable[[str], None] = print) -> None:
    """Write ``jacobian_lens.safetensors``: ``layers.<L>.weight`` [d_model, d_model] for the residual stream x after L
    blocks, which becomes ``x @ weight.T``; then the final norm. Before the first block there is none.
    """
    from transformer_lens.model_bridge import TransformerBridge
    from transformer_lens.tools.analysis.jacobian_lens import JacobianLens
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    plain = GPT2LMHeadModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    bridge = TransformerBridge.boot_transformers(str(folder), hf_model=plain, tokenizer=tokenizer).eval()
    sample = [each for each in documents(tokenizer, 200 * texts, seed + 4000, MOST) if len(each.ids) >= FEWEST][:texts]
    written = [tokenizer.decode(each.ids[1:]) for each in sample]
    halves = []
    for half in (written[0::2], written[1::2]):
        halves.append(
            JacobianLens.fit(
                bridge, half, corpus="training/corpus", dim_batch=32, max_seq_len=MOST, skip_first_positions=SKIPPED,
                show_progress=False,
            )
        )  # fmt: skip
        progress(f"Jacobian lens: {sum(each.n_prompts for each in halves)} of {texts} texts")
    lens = JacobianLens.merge(halves)
    agreement = [
        torch.cosine_similarity(*(half.jacobians[layer].flatten() for half in halves), dim=0)
        for layer in lens.source_layers
    ]
    # transformer_lens counts by the block whose output is read: one less than the blocks that were passed
    state = {f"layers.{layer + 1}.weight": lens.jacobians[layer].half().contiguous() for layer in lens.source_layers}
    about = {
        "lens": "jacobian",
        "texts": str(lens.n_prompts),
        "first_pos": str(SKIPPED),
        "agreement": " ".join(f"{value:.3f}" for value in agreement),
    }
    save_file(state, out / "jacobian_lens.safetensors", about)
