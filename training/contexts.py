"""Where the features of an SAE fire, in a sample of fresh text.

    python -m training.contexts --model models/loupe-mini --sae models/loupe-mini/saes/blocks.2.hook_resid_pre \\
        --tokens 60000 --seed 0

reads the SAE at its hook over the documents of `training.sample` (the beginning token is left out of every figure) and
writes two files beside it:

- ``features.json``: per feature its density, largest activation, label, the tokens it promotes and suppresses, and the
  concept that its strongest contexts share (`training.concepts`), with the share of them and how many there were, and
  the concepts that it takes to tell all of them (`things`);
- ``contexts.json``: the eight documents in which it fires most, around the largest activation.

**Labels** follow `LABEL_RULE` from the counts alone; `confidence` is the share of the feature's total activation that
bears the label out. A label says where a feature fires in this sample, not what it means or does.

**Promoted and suppressed tokens**: the direct logit effect of one unit of activation,
`effect = (d - mean(d)) * w @ W_U`, less its mean over the vocabulary, where `d` is the residual direction of one unit
(the decoder row, of length one where the SAE counts its activations in units of that length) and `w` the weight of the
final norm. It leaves out the division by the norm's scale, the same for all tokens at a position, and everything that
later layers do. A norm without centring (RMSNorm) does not subtract `mean(d)`.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mi_core.phrases import quoted
from training import concepts
from training.sample import Document, documents

SHARE = 0.6
CONTEXTS, BEFORE, AFTER = 8, 12, 6
DEAD = "never active in the sample"
LABEL_RULE = (
    f"The first of these that holds for at least {SHARE:.0%} of the feature's total activation: it falls on one token "
    "(the token, quoted); right after one token ('after …'); right before one token ('before …'); in one kind of text "
    "('in …'). If none holds, the one with the largest share, preceded by 'often'. Without any activation: "
    f"'{DEAD}'. Confidence is the share."
)


@dataclass(frozen=True)
class Firing:
    """Every activation above zero. All arrays have one entry each: `feature`, `document`, `pos`, and its `value`."""

    feature: np.ndarray
    document: np.ndarray
    pos: np.ndarray
    value: np.ndarray

    def of(self, feature: int) -> Firing:
        """The activations of one feature; the arrays are sorted by feature."""
        part = slice(*np.searchsorted(self.feature, [feature, feature + 1]))
        return Firing(self.feature[part], self.document[part], self.pos[part], self.value[part])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder")
    parser.add_argument("--sae", type=Path, required=True, help="folder of the SAE")
    parser.add_argument("--out", type=Path, help="where to write (default: beside the SAE)")
    parser.add_argument("--tokens", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    write(options.model, options.sae, options.out or options.sae, options.tokens, options.seed)


def write(model_folder: Path, sae_folder: Path, out: Path, n_tokens: int, seed: int) -> None:
    """Read the sample and write ``features.json`` and ``contexts.json`` into `out`."""
    bridge, sae = read(model_folder, sae_folder)
    sample = documents(bridge.tokenizer, n_tokens, seed, context=min(128, bridge.cfg.n_ctx))
    found = firing(bridge, sae, sample)
    texts = [bridge.tokenizer.decode([i]) for i in range(bridge.cfg.d_vocab)]
    total = sum(len(document.ids) - 1 for document in sample)
    effects, left_out = logit_effects(bridge, sae), concepts.common(sample, texts)
    rows, contexts = [], {}
    for feature in range(sae.cfg.d_sae):
        fires = found.of(feature)
        peaks = concepts.peaks(fires.document, fires.pos, fires.value)
        row = describe(feature, fires, sample, texts, total) | strongest(effects[feature], texts)
        named = zip(
            ("concept", "concept_share", "concept_contexts"),
            concepts.shared(peaks, sample, texts, left_out),
            strict=True,
        )
        told = concepts.things(peaks, sample, texts, left_out)
        rows.append(row | dict(named) | {"things": told})
        contexts[str(feature)] = top_contexts(fires, sample, texts)
    about = {"tokens": total, "seed": seed, "documents": len(sample)}
    about |= concepts.by_chance(sample, texts, left_out)
    out.mkdir(parents=True, exist_ok=True)
    save_json(out / "features.json", {"sample": about, "label_rule": LABEL_RULE, "features": rows})
    save_json(out / "contexts.json", {"features": contexts})


def read(model_folder: Path, sae_folder: Path):
    """The model with its raw weights and the SAE, both on the CPU."""
    from sae_lens import SAE
    from transformer_lens.model_bridge import TransformerBridge

    bridge = TransformerBridge.boot_transformers(str(model_folder), device="cpu")
    return bridge, SAE.load_from_disk(str(sae_folder), device="cpu")


@torch.no_grad()
def firing(bridge, sae, sample: list[Document], batch: int = 64) -> Firing:
    """Every activation of every feature on the sample, except on the beginning token."""
    hook, found = sae.cfg.metadata.hook_name, []
    for first in range(0, len(sample), batch):
        part = sample[first : first + batch]
        length = max(len(document.ids) for document in part)
        # causal attention: what pads the end changes nothing before it
        ids = torch.tensor([document.ids + (0,) * (length - len(document.ids)) for document in part])
        _, cache = bridge.run_with_cache(ids, names_filter=hook, prepend_bos=False)
        acts = sae.encode(cache[hook])
        lengths = torch.tensor([len(document.ids) for document in part])
        acts[torch.arange(length) >= lengths[:, None]] = 0
        acts[:, 0] = 0
        where, pos, feature = acts.nonzero(as_tuple=True)
        found.append((feature.numpy(), where.numpy() + first, pos.numpy(), acts[where, pos, feature].numpy()))
    arrays = [np.concatenate(each) for each in zip(*found, strict=True)]
    order = np.argsort(arrays[0], kind="stable")
    return Firing(*(array[order] for array in arrays))


def describe(feature: int, fires: Firing, sample: list[Document], texts: list[str], total: int) -> dict:
    """Density (share of the tokens), largest activation, and the label with its confidence."""
    rule, name, confidence = label(fires, sample, texts)
    return {
        "feature": feature,
        "density": round(len(fires.value) / total, 6),
        "max_activation": round(float(fires.value.max(initial=0)), 3),
        "label": name,
        "rule": rule,
        "confidence": round(confidence, 3),
    }


def label(fires: Firing, sample: list[Document], texts: list[str]) -> tuple[str, str, float]:
    """Which part of `LABEL_RULE` applies, the label, and the share of activation that bears it out."""
    shares = list(_shares(fires, sample, texts))
    if not shares:
        return "dead", DEAD, 0.0
    for rule, name, share in shares:
        if share >= SHARE:
            return rule, name, share
    rule, name, share = max(shares, key=lambda each: each[2])
    return rule, f"often {name}", share


_quoted = functools.cache(quoted)  # few texts, asked for each time that one stands beside a feature


def _shares(fires: Firing, sample: list[Document], texts: list[str]) -> Iterator[tuple[str, str, float]]:
    """The commonest token, token before, token after and kind, weighted by activation."""
    if not len(fires.value):
        return
    tallies: dict[str, dict[str, float]] = {"token": {}, "after": {}, "before": {}, "kind": {}}
    for where, pos, value in zip(fires.document, fires.pos, fires.value.astype(float), strict=True):
        ids, kinds = sample[where].ids, sample[where].kinds
        seen = {"token": _quoted(texts[ids[pos]]), "kind": f"in {kinds[pos]}"}
        seen["after"] = f"after {_quoted(texts[ids[pos - 1]])}" if pos > 1 else "on the first token"
        if pos + 1 < len(ids):
            seen["before"] = f"before {_quoted(texts[ids[pos + 1]])}"
        for rule, name in seen.items():
            tallies[rule][name] = tallies[rule].get(name, 0.0) + value
    whole = float(fires.value.astype(float).sum())
    for rule, tally in tallies.items():
        if tally:
            name = max(tally, key=lambda each: (tally[each], each))
            yield rule, name, tally[name] / whole


def top_contexts(fires: Firing, sample: list[Document], texts: list[str], n: int = CONTEXTS) -> list[dict]:
    """Windows around the largest activations: one per document, and no window twice."""
    found: list[dict] = []
    documents_seen, windows_seen = set(), set()
    for i in np.lexsort((fires.pos, fires.document, -fires.value)):
        where, pos = int(fires.document[i]), int(fires.pos[i])
        if where in documents_seen:
            continue
        documents_seen.add(where)
        first, ids = max(1, pos - BEFORE), sample[where].ids
        window = ids[first : pos + AFTER + 1]
        if window in windows_seen:
            continue
        windows_seen.add(window)
        acts = [0.0] * len(window)
        here = (fires.document == where) & (fires.pos >= first) & (fires.pos < first + len(window))
        for at, value in zip(fires.pos[here], fires.value[here], strict=True):
            acts[at - first] = round(float(value), 3)
        found.append({"tokens": [texts[i] for i in window], "activations": acts, "peak": pos - first})
        if len(found) == n:
            break
    return found


@torch.no_grad()
def logit_effects(bridge, sae) -> torch.Tensor:
    """[d_sae, d_vocab]: the direct logit effect of one unit of each feature (formula at the top of this file)."""
    rows = sae.W_dec.float()
    if getattr(sae.cfg, "rescale_acts_by_decoder_norm", False):
        rows = rows / rows.norm(dim=-1, keepdim=True)
    if bridge.cfg.normalization_type and not bridge.cfg.normalization_type.startswith("RMS"):
        rows = rows - rows.mean(dim=-1, keepdim=True)
    effects = (rows * bridge.ln_final.weight) @ bridge.W_U
    return effects - effects.mean(dim=-1, keepdim=True)


def strongest(effects: torch.Tensor, texts: list[str], n: int = 10) -> dict:
    """The `n` tokens raised most and the `n` lowered most, strongest first."""

    def pairs(largest: bool) -> list:
        values, ids = effects.topk(n, largest=largest)
        return [[texts[i], round(value, 3)] for i, value in zip(ids.tolist(), values.tolist(), strict=True)]

    return {"promoted": pairs(True), "suppressed": pairs(False)}


def save_json(path: Path, content: dict) -> None:
    """Compact, UTF-8, the same bytes on every system."""
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8", newline="\n")


if __name__ == "__main__":
    main()
