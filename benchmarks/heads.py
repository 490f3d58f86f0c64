"""Head roles of 144 heads against the loop that tutorials have; composition of all their pairs against one forward pass
that keeps every activation, and against `all_composition_scores` on a smaller model.

Roles: both sides read the same number of random tokens in one batch, and an excerpt of ordinary text of the same
length. The usual way keeps the whole pass and goes through the heads one by one, a diagonal for each role. Whoever
wants patterns of all layers must run all blocks; of a pass at GPT-2 small's size only the unembedding of all positions
can be left out, three tenths of its multiplications (39 of 124 million a token). So 1.45 times is what the arithmetic
allows; what goes beyond it is the keeping of activations and the loop over heads.
"""

from __future__ import annotations

import torch

from benchmarks import gpt2_size
from benchmarks.timing import Row, bounded, duration, faster, in_turns
from mi_core.analyses.composition import composition
from mi_core.analyses.head_roles import head_roles
from mi_core.heads.profile import excerpts
from mi_core.models.loading import load
from mi_core.models.model import Model
from mi_core.text.sample import TEXTS

ROWS, PERIOD = 4, 50
TOKENS = 512  # of the pass that composition is measured against
REPETITIONS = 5


def measure() -> list[Row]:
    """Roles, composition against a pass, and composition against TransformerLens'."""
    model = gpt2_size.opened()
    ids = torch.randint(model.d_vocab, (ROWS, 1 + 2 * PERIOD), generator=torch.Generator().manual_seed(0))
    text = torch.tensor(excerpts(model, TEXTS, 1))
    roles = in_turns(
        {
            "usual": lambda: (by_head(model, ids), in_text(model, text)),
            "loupe": lambda: head_roles(model, rows=ROWS, period=PERIOD, excerpts=1),
        },
        REPETITIONS,
    )
    long = ids.new_tensor(range(TOKENS))[None]
    whole = in_turns({"pass": lambda: cached(model, long), "pairs": lambda: composition(model)}, REPETITIONS)
    mini = load("loupe-mini")
    small = in_turns({"usual": lambda: all_scores(mini), "loupe": lambda: composition(mini)}, REPETITIONS)
    return [
        faster(
            f"head roles, 144 heads, {ROWS} × {ids.shape[1]} random tokens and {text.shape[1]} of text",
            roles["usual"], roles["loupe"],
        ),
        bounded(
            f"composition of all pairs, in passes of {TOKENS} tokens that keep all activations",
            whole["pairs"] / whole["pass"], 2.0, "passes", usual=duration(whole["pass"]),
        ),
        faster("composition of all pairs, loupe-mini, control and spread included", small["usual"], small["loupe"]),
    ]  # fmt: skip


@torch.no_grad()
def by_head(model: Model, ids: torch.Tensor) -> list[tuple[float, ...]]:
    """The usual way: one pass, then head by head the mean of a diagonal for each role."""
    _, cache = model.bridge.run_with_cache(ids)
    found = []
    for layer in range(model.n_layers):
        for head in range(model.n_heads):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
            second = pattern[:, 1 + PERIOD :]
            found.append(
                (
                    float(pattern.diagonal(-1, 1, 2).mean()),
                    float(second.diagonal(2, 1, 2).mean()),
                    float(second.diagonal(1, 1, 2).mean()),
                    float(pattern[:, 1:, 0].mean()),
                    float(pattern.diagonal(0, 1, 2)[:, 1:].mean()),
                )
            )
    return found


@torch.no_grad()
def in_text(model: Model, ids: torch.Tensor) -> list[tuple[float, ...]]:
    """The same in text, where nothing comes again at a known distance: three diagonals, and the entropy."""
    _, cache = model.bridge.run_with_cache(ids)
    found = []
    for layer in range(model.n_layers):
        for head in range(model.n_heads):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"][:, head]
            found.append(
                (
                    float(pattern.diagonal(-1, 1, 2).mean()),
                    float(pattern[:, 1:, 0].mean()),
                    float(pattern.diagonal(0, 1, 2)[:, 1:].mean()),
                    float(-torch.xlogy(pattern, pattern).sum(-1).mean()),
                )
            )
    return found


@torch.no_grad()
def cached(model: Model, ids: torch.Tensor):
    """One forward pass that keeps every activation."""
    return model.bridge.run_with_cache(ids)


def all_scores(model: Model):
    """TransformerLens' scores of all pairs, of the three kinds."""
    return [model.bridge.all_composition_scores(kind) for kind in "QKV"]
