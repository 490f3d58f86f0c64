"""Sparse autoencoders on the residual stream of every layer, trained with sae_lens' own classes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from training.corpus.generate import MIXTURE
from training.network import Network
from training.stream import Batch, Stream
from training.train import precision

#: Few repeats: what the features are to show is text.
SAE_MIXTURE = MIXTURE | {"repeat": 0.04}
NAME = "loupe-mini"


@dataclass(frozen=True)
class SaeRecipe:
    """Top-k autoencoders; per site (each resid_pre, the last resid_post): features, how many per token, tokens seen."""

    features: tuple[int, ...] = (1024, 1024, 1024, 704, 768)
    active: tuple[int, ...] = (32, 34, 40, 34, 28)
    text: int = 200_000
    tokens: tuple[int, ...] = (600_000, 600_000, 600_000, 700_000, 600_000)
    rows: int = 1024
    rate: float = 2e-3


def hooks(layers: int) -> list[str]:
    """The residual stream before each layer and after the last."""
    return [f"blocks.{layer}.hook_resid_pre" for layer in range(layers)] + [f"blocks.{layers - 1}.hook_resid_post"]


def train_saes(
    network: Network, tokenizer: Path, out: Path, recipe: SaeRecipe, seed: int, progress: Callable[[str], None] = print
) -> None:
    """Train and write ``saes/<hook>/`` for every hook that is not there yet."""
    missing = [hook for hook in hooks(len(network.blocks)) if not (out / "saes" / hook / "cfg.json").exists()]
    if not missing:
        return
    stream = Stream(tokenizer, seed + 2000, 16, network.wpe.num_embeddings, SAE_MIXTURE)
    acts = activations(network, stream, recipe.text)
    for site, hook in enumerate(hooks(len(network.blocks))):
        if hook in missing:
            sae = fit(shuffled(acts[site], recipe.rows), hook, site, network, recipe, seed)
            sae.save_inference_model(str(out / "saes" / hook))
            (out / "saes" / hook / "sae_weights.safetensors").chmod(0o644)
            progress(f"SAE at {hook} trained")


@torch.no_grad()
def activations(network: Network, stream: Stream, n: int) -> list[Float[Tensor, "n width"]]:
    """The residual stream at every site over ``n`` tokens of text, without BOS."""
    kept: list[list[Tensor]] = [[] for _ in range(len(network.blocks) + 1)]
    batches = stream.batches(0)
    while sum(map(len, kept[0])) < n:
        batch = next(batches)
        text = batch.ids.flatten() != 0
        with precision(str(network.wte.weight.device)):
            streams = residual(network, batch)
        for keep, x in zip(kept, streams, strict=True):
            keep.append(x.flatten(0, 1)[text].float())
    return [torch.cat(keep) for keep in kept]


def residual(network: Network, batch: Batch) -> list[Tensor]:
    """The residual stream at every site of a batch."""
    device = network.wte.weight.device
    return network.residual(batch.ids.to(device), batch.place.to(device), batch.mask.to(device))


def shuffled(acts: Float[Tensor, "n width"], rows: int) -> Iterator[Float[Tensor, "rows width"]]:
    """Batches in random order, epoch after epoch."""
    while True:
        order = torch.randperm(len(acts))
        for first in range(0, len(acts) - rows + 1, rows):
            yield acts[order[first : first + rows]]


def fit(acts: Iterator[Tensor], hook: str, site: int, network: Network, recipe: SaeRecipe, seed: int):
    """One top-k SAE."""
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.saes.sae import SAEMetadata
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(seed)
    device = str(network.wte.weight.device)
    layer = min(site, len(network.blocks) - 1)
    about = SAEMetadata(
        model_name=NAME,
        hook_name=hook,
        hook_layer=layer,
        prepend_bos=True,
        context_size=network.wpe.num_embeddings,
    )
    config = TopKTrainingSAEConfig(
        d_in=network.wte.weight.shape[1],
        d_sae=recipe.features[site],
        k=recipe.active[site],
        device=device,
        normalize_activations="expected_average_only_in",
        apply_b_dec_to_input=True,
        metadata=about,
    )
    tokens = recipe.tokens[site]
    steps = tokens // recipe.rows
    schedule = SAETrainerConfig(
        total_training_samples=tokens,
        train_batch_size_samples=recipe.rows,
        lr=recipe.rate,
        lr_end=recipe.rate / 10,
        lr_warm_up_steps=min(50, steps // 4),
        lr_decay_steps=steps // 3,
        device=device,
        dead_feature_window=100,
        feature_sampling_window=500,
        n_batches_for_norm_estimate=20,
        logger=LoggingConfig(log_to_wandb=False),
    )
    sae = TopKTrainingSAE(config)
    SAETrainer(schedule, sae, acts).fit()
    return sae


@torch.no_grad()
def quality(network: Network, sae, site: int, tokenizer: Path, seed: int = 4242, batches: int = 12) -> dict[str, float]:
    """On fresh text without BOS: L0, explained variance, loss plain / with the reconstruction put in / of a uniform
    guess, share of the loss recovered against uniform, share of features that never fire."""
    from math import log

    size = network.wte.num_embeddings
    stream = Stream(tokenizer, seed, 16, network.wpe.num_embeddings, SAE_MIXTURE)
    losses, error, rows, fired, active, n = torch.zeros(2), 0.0, [], torch.zeros(sae.cfg.d_sae), 0.0, 0
    for batch, _ in zip(stream.batches(0), range(batches), strict=False):
        x = residual(network, batch)[site]
        codes = sae.encode(x)
        back, text = sae.decode(codes), batch.ids != 0
        error += (x - back)[text].pow(2).sum().item()
        rows.append(x[text])
        fired += (codes[text] > 0).sum(0)
        active += (codes[text] > 0).sum().item()
        spliced = torch.where(text[..., None], back, x)
        chosen = batch.weight.flatten() >= 1
        for i, stream_in in enumerate((x, spliced)):
            y = stream_in
            for block in network.blocks[site:]:
                y = block(y, batch.mask)
            logits = network.ln_f(y).flatten(0, 1)[chosen] @ network.wte.weight.T
            losses[i] += torch.nn.functional.cross_entropy(logits, batch.target.flatten()[chosen], reduction="sum")
        n += int(chosen.sum())
    seen = torch.cat(rows)
    plain, with_sae = (losses / n).tolist()
    return {
        "l0": round(active / len(seen), 2),
        "explained_variance": round(1 - error / (seen - seen.mean(0)).pow(2).sum().item(), 4),
        "loss": round(plain, 4),
        "loss_with_sae": round(with_sae, 4),
        "recovered": round((log(size) - with_sae) / (log(size) - plain), 4),
        "dead": round((fired == 0).float().mean().item(), 4),
        "tokens": len(seen),
    }
