"""Training from a seed: one stream of steps, saved every chunk, resumed where it stopped."""

import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.corpus.generate import KINDS
from training.network import Network
from training.stream import CHUNK, Batch, Stream


@dataclass(frozen=True)
class Recipe:
    """Everything that the figures depend on."""

    seed: int = 0
    vocabulary: int = 5120
    context: int = 256
    layers: int = 4
    width: int = 128
    heads: int = 4
    hidden: int = 512
    rows: int = 8
    steps: int = 15000
    level_end: int = 500
    phases: tuple[tuple[int, str], ...] = (
        (0, "early"),
        (2400, "drill"),
        (3200, "early"),
        (4500, "middle"),
        (8950, "late"),
        (10600, "last"),
        (14500, "end"),
    )
    rate: float = 1.5e-3
    warm_up: int = 150
    decay_share: float = 0.25
    last_rate: float = 0.04
    weight_decay: float = 0.05

    def network(self) -> Network:
        """The untrained network."""
        return Network(self.vocabulary, self.context, self.layers, self.width, self.heads, self.hidden)

    def rate_at(self, step: int) -> float:
        """Learning rate: up, level, a straight line down over ``decay_share`` of the steps, level for the last few."""
        falling = self.steps - self.level_end
        left = max(0.0, (falling - step) / (self.decay_share * falling))
        return (
            self.rate * min(1.0, (step + 1) / self.warm_up) * (self.last_rate + (1 - self.last_rate) * min(1.0, left))
        )


def optimiser(network: Network, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW: decay on matrices alone, embeddings at 0.7 of the rate."""
    named = list(network.named_parameters())
    embeddings = [p for name, p in named if name.startswith("w")]
    matrices = [p for name, p in named if p.dim() > 1 and not name.startswith("w")]
    vectors = [p for _, p in named if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay, "scale": 1.0},
        {"params": vectors, "weight_decay": 0.0, "scale": 1.0},
        {"params": embeddings, "weight_decay": 0.0, "scale": 0.7},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.99), eps=1e-8, fused=True)


def train(
    recipe: Recipe,
    folder: Path,
    snapshots: Iterable[int],
    device: str,
    *,
    mixture: dict[str, float] | None = None,
    every: int = 100,
) -> Network:
    """Train to the end of the recipe, writing ``state.pt`` after each chunk and half-precision snapshots on the way."""
    torch.manual_seed(recipe.seed)
    network = recipe.network()
    network.to(device)
    optimizer = optimiser(network, recipe)
    step = resume(folder / "state.pt", network, optimizer)
    stream = Stream(folder / "tokenizer.json", recipe.seed + 1000, recipe.rows, recipe.context, mixture, recipe.phases)
    losses, wanted, began, first = Losses(device), set(snapshots), time.monotonic(), step
    for batch in stream.batches(step):
        if step in wanted:
            snapshot(network, folder / f"step_{step}.pt")
        if step % CHUNK == 0 and step > first:
            save(folder / "state.pt", step, network, optimizer, recipe)
        if step % every == 0 and step > first:
            report(folder, step, recipe, losses, (time.monotonic() - began) / (step - first))
        if step == recipe.steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step) * group["scale"]
        learn(network, optimizer, batch, losses, device)
        step += 1
    return network


def learn(network: Network, optimizer: torch.optim.Optimizer, batch: Batch, losses: "Losses", device: str) -> None:
    """One step on the weighted cross-entropy."""
    weight = batch.weight.flatten()
    chosen = (weight > 0).nonzero()[:, 0]
    # few different sizes, or buffers of a new size at every step make the memory grow; the end of a row weighs nothing
    chosen = torch.cat([chosen, chosen.new_full((-len(chosen) % 256,), batch.ids.shape[1] - 1)])
    place = [t.to(device) for t in (batch.ids, batch.place, batch.mask, chosen)]
    target, weight = batch.target.flatten()[chosen].to(device), weight[chosen].to(device)
    with precision(device):
        loss = network(*place, target)
    ((loss * weight).sum() / weight.sum()).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    losses.add(batch.kind.flatten()[chosen].to(device), loss.detach(), weight)


def precision(device: str) -> torch.autocast:
    """Matrix products in bfloat16 where the processor has units for them (ten times faster), in float32 elsewhere."""
    fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.split(":")[0], dtype=torch.bfloat16, enabled=fast)


class Losses:
    """Mean loss on answers (and on all of the prose) per kind of document since the last report."""

    def __init__(self, device: str) -> None:
        self.sums = torch.zeros(2, len(KINDS), device=device)

    def add(self, kind: Tensor, loss: Tensor, weight: Tensor) -> None:
        """Count the tokens that weigh 1 or more."""
        told = (weight >= 1).float()
        self.sums[0].index_add_(0, kind, loss * told)
        self.sums[1].index_add_(0, kind, told)

    def take(self) -> dict[str, float]:
        """The means, and start anew."""
        sums, counts = self.sums.cpu().clone()
        self.sums.zero_()
        return {k: round((sums[i] / counts[i]).item(), 3) for i, k in enumerate(KINDS) if counts[i] > 0}


def report(folder: Path, step: int, recipe: Recipe, losses: Losses, seconds: float) -> None:
    """One line of progress, also appended to ``log.jsonl``."""
    means = losses.take()
    record = {"step": step, "tokens": step * recipe.rows * recipe.context, "rate": recipe.rate_at(step), "loss": means}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(record) + "\n")
    left = math.ceil((recipe.steps - step) * seconds / 60)
    told = " ".join(f"{kind} {loss:.2f}" for kind, loss in means.items())
    print(f"step {step} of {recipe.steps}, {left} min left ({seconds:.2f} s a step): {told}", flush=True)


def snapshot(network: Network, path: Path) -> None:
    """The weights in half precision."""
    torch.save({name: tensor.half().cpu() for name, tensor in network.state_dict().items()}, path)


def save(path: Path, step: int, network: Network, optimizer: torch.optim.Optimizer, recipe: Recipe) -> None:
    """Everything needed to go on, replaced in one move."""
    state = {
        "step": step,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "recipe": asdict(recipe),
    }
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def resume(path: Path, network: Network, optimizer: torch.optim.Optimizer) -> int:
    """Load a saved state if there is one; the step to go on with."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]
