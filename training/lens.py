"""The tuned lens (Belrose et al. 2023): per layer an affine translator, N(x + A x + b), trained by KL to the output."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from training.network import Network
from training.saes import SAE_MIXTURE, residual
from training.stream import Stream


def train_lens(
    network: Network, tokenizer: Path, out: Path, seed: int, steps: int = 400, progress: Callable[[str], None] = print
) -> None:
    """Write ``tuned_lens.safetensors``: ``layers.<L>.weight`` [d_model, d_model] and ``layers.<L>.bias`` [d_model].

    They belong to the residual stream x before layer L, which becomes ``x + x @ weight.T + bias``; then the final norm.
    """
    torch.manual_seed(seed)
    width, layers = network.wte.weight.shape[1], len(network.blocks)
    device = network.wte.weight.device
    maps = nn.ModuleList([nn.Linear(width, width, device=device) for _ in range(layers)])
    for each in maps:
        nn.init.zeros_(each.weight)
        nn.init.zeros_(each.bias)
    optimizer = torch.optim.Adam(maps.parameters(), lr=1e-3)
    stream = Stream(tokenizer, seed + 3000, 4, network.wpe.num_embeddings, SAE_MIXTURE)
    for step, batch in zip(range(steps), stream.batches(0), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - 0.9 * step / steps)
        with torch.no_grad():
            chosen = (batch.ids.flatten() != 0).nonzero()[::2, 0].to(device)
            streams = [x.flatten(0, 1)[chosen] for x in residual(network, batch)]
            wanted = say(network, streams[-1])
        loss = sum(divergence(wanted, say(network, x + each(x))) for each, x in zip(maps, streams, strict=False))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0:
            progress(f"tuned lens: step {step} of {steps}, KL summed over layers {loss.item():.3f}")
    state = {
        f"layers.{i}.{name}": p.detach().cpu().clone() for i, m in enumerate(maps) for name, p in m.named_parameters()
    }
    save_file(state, out / "tuned_lens.safetensors")


def say(network: Network, x: Tensor) -> Tensor:
    """Log probabilities of the next token read off a residual stream."""
    return (network.ln_f(x) @ network.wte.weight.detach().T).log_softmax(-1)


def divergence(wanted: Tensor, guessed: Tensor) -> Tensor:
    """KL of the guess from the model's output, nats, mean over positions."""
    return (wanted.exp() * (wanted - guessed)).sum(-1).mean()
