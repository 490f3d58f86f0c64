"""Where the built-in model does what it does, as figures: patching between two prompts, and heads taken away.

*Localised*: of all that single patches bring back (the sum of the absolute restored shares over every layer and
position, or every head), the part that the `FEW` strongest patches have. *Heads*: the roles of each head beside what
its ablation costs on the same repeated random tokens; and the heads with a role taken away together, beside as many of
the others.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mi_core.analyses.patching import patching
from mi_core.models.loading import load
from training import questions as ask
from training.measure import Examinee, head_scores, share

#: name → (clean prompt, corrupted prompt of as many tokens, the words between which they decide)
PAIRS = {
    "landmark": ("The Eiffel Tower is in the city of", "The old Colosseum is in the city of", " Paris", " Rome"),
    "indirect object": (
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
        " Mary",
        " John",
    ),
}
#: Places of the residual stream are one per layer at least; attention outputs and heads can be fewer.
FEW = {"resid_pre": 6, "attn_out": 4, "head": 5}
#: A head has a role from this attention on.
ROLE = 0.4
PERIOD, BEFORE, ROWS = 30, 20, 16

Head = tuple[int, int]


def localised(folder: Path) -> dict[str, dict[str, float]]:
    """Pair → place → share of the whole effect that its strongest patches have, and the largest alone."""
    model, found = load(str(folder)), {}
    for name, (clean, corrupted, target, foil) in PAIRS.items():
        for site, few in FEW.items():
            result = patching(model, clean, corrupted=corrupted, site=site, target=target, foil=foil)
            found.setdefault(name, {})[site] = concentrated(result.restored, few)
            found[name][f"{site}_largest"] = round(float(result.restored.max()), 4)
    return found


def concentrated(restored: np.ndarray, few: int) -> float:
    """Share of the summed absolute effect in the `few` strongest cells."""
    effect = np.sort(np.abs(np.asarray(restored, dtype=float)), axis=None)[::-1]
    return round(float(effect[:few].sum() / effect.sum()), 4)


def head_ablations(m: Examinee) -> dict:
    """Roles and ablation costs of every head, and what the named heads together are worth.

    ``heads``: per head its three role scores, the loss (nats per token of the second copy) and accuracy that its
    ablation costs; ``named`` / ``others``: accuracy without all heads of a role, without as many of those that have
    none (the layers alike as far as there are enough).
    """
    scores = {name: values.tolist() for name, values in head_scores(m).items()}
    ids = ask.repeats(m.model.config.vocab_size, PERIOD, BEFORE, ROWS, seed=21)
    means = mean_outputs(m, ask.repeats(m.model.config.vocab_size, PERIOD, BEFORE, ROWS, seed=22))
    every = [(layer, head) for layer in range(m.model.config.n_layer) for head in range(m.heads)]
    loss, accuracy = copies(m, ids)
    rows = []
    for layer, head in every:
        with without(m, [(layer, head)], means):
            cost, right = copies(m, ids)
        roles = {name: round(values[layer][head], 4) for name, values in scores.items()}
        rows.append({"head": f"L{layer}H{head}", "loss": round(cost - loss, 4), "accuracy": round(right - accuracy, 4)})
        rows[-1] |= roles
    named = [h for h, row in zip(every, rows, strict=True) if max(row["induction"], row["previous"]) >= ROLE]
    rest = [h for h in every if h not in named]
    others = rest[: len(named)]
    found = {"plain": round(accuracy, 4), "heads": rows}
    for name, group in (("named", named), ("others", others)):
        with without(m, group, means):
            found[name] = round(copies(m, ids)[1], 4)
        found[f"{name}_are"] = [f"L{layer}H{head}" for layer, head in group]
    return found | {"agreement": agreement(rows)}


def agreement(rows: list[dict]) -> float:
    """Of as many heads as have a role, those whose ablation costs most: the share that has one."""
    named = {row["head"] for row in rows if max(row["induction"], row["previous"]) >= ROLE}
    worst = sorted(rows, key=lambda row: -row["loss"])[: len(named)]
    return round(sum(row["head"] in named for row in worst) / max(1, len(named)), 4)


def copies(m: Examinee, ids: Int[Tensor, "row pos"]) -> tuple[float, float]:
    """(loss in nats, accuracy) on the second copy, its first token left out."""
    logits = torch.stack(m.logits(ids.tolist(), [PERIOD] * len(ids)))[:, :-1]
    wanted = ids[:, -PERIOD + 1 :]
    loss = -logits.log_softmax(-1).gather(-1, wanted[..., None]).mean().item()
    return loss, share(logits.argmax(-1) == wanted)


def mean_outputs(m: Examinee, ids: Int[Tensor, "row pos"]) -> dict[int, Tensor]:
    """Layer → mean of what its heads hand to the output matrix, over all positions but BOS [head × d_head]."""
    kept: dict[int, Tensor] = {}

    def keep(layer: int):
        def hook(_module, args) -> None:
            kept[layer] = args[0][:, 1:].flatten(0, 1).mean(0)

        return hook

    with ExitStack() as stack:
        for layer, block in enumerate(m.model.transformer.h):
            stack.callback(block.attn.c_proj.register_forward_pre_hook(keep(layer)).remove)
        m.logits(ids.tolist())
    return kept


@contextmanager
def without(m: Examinee, heads: Iterable[Head], means: dict[int, Tensor]) -> Iterator[None]:
    """Within: these heads hand on their mean at every position."""
    taken: dict[int, list[int]] = {}
    for layer, head in heads:
        taken.setdefault(layer, []).append(head)

    def put(layer: int):
        def hook(_module, args):
            z = args[0].clone()
            size = z.shape[-1] // m.heads
            for head in taken[layer]:
                part = slice(head * size, (head + 1) * size)
                z[..., part] = means[layer][part]
            return (z, *args[1:])

        return hook

    with ExitStack() as stack:
        for layer in taken:
            proj = m.model.transformer.h[layer].attn.c_proj
            stack.callback(proj.register_forward_pre_hook(put(layer)).remove)
        yield


def table(found: dict, most: int = 8) -> str:
    """The heads whose ablation costs most, with their roles, as Markdown."""
    lines = ["| without | loss in the second copy | accuracy | induction | previous token | duplicate |"]
    lines += ["|---|---|---|---|---|---|"]
    for row in sorted(found["heads"], key=lambda row: -row["loss"])[:most]:
        roles = " | ".join(f"{row[name]:.2f}" for name in ("induction", "previous", "duplicate"))
        lines.append(f"| {row['head']} | {row['loss']:+.2f} | {row['accuracy']:+.2f} | {roles} |")
    return "\n".join(lines)
