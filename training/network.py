"""The network as plain torch: GPT-2's architecture, with the start that lets induction heads form early."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """One transformer block, pre-norm, GELU."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "row pos width"], mask: Tensor) -> Float[Tensor, "row pos width"]:
        """The residual stream after this block; ``mask`` is True where a query may look."""
        rows, length, width = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(z.transpose(1, 2).reshape(rows, length, width))
        return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))


class Network(nn.Module):
    """Tied embeddings, learned positions, ``layers`` blocks."""

    def __init__(self, vocabulary: int, context: int, layers: int, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads, hidden) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """Small random weights, strong sinusoidal positions, and value-output pairs that begin as 0.09 × identity.

        Heads that copy from the first step, and positions loud enough to find the token before, brought induction
        after 2-3 million tokens; with plain 0.02 noise and quiet positions it had not come after 6 million.
        """
        width = self.wte.weight.shape[1]
        self.wte.weight.normal_(0, 0.06)
        place = torch.arange(self.wpe.num_embeddings)[:, None].float()
        rate = torch.exp(-math.log(300.0) * torch.arange(0, width, 2) / width)
        self.wpe.weight[:, 0::2], self.wpe.weight[:, 1::2] = 0.12 * (place * rate).sin(), 0.12 * (place * rate).cos()
        for block in self.blocks:
            for linear in (block.qkv, block.out, block.up, block.down):
                linear.weight.normal_(0, 0.02)
                linear.bias.zero_()
            block.down.weight.div_(math.sqrt(2 * len(self.blocks)))
            block.qkv.weight[: 2 * width].normal_(0, 0.05)
            turn = nn.init.orthogonal_(torch.empty(width, width))
            block.qkv.weight[2 * width :] = turn * 0.3
            block.out.weight.copy_(turn.T * 0.3)

    def residual(self, ids: Int[Tensor, "row pos"], place: Int[Tensor, "row pos"], mask: Tensor) -> list[Tensor]:
        """The residual stream before each block, and after the last."""
        x = self.wte(ids) + self.wpe(place)
        streams = [x]
        for block in self.blocks:
            x = block(x, mask)
            streams.append(x)
        return streams

    def forward(
        self, ids: Int[Tensor, "row pos"], place: Tensor, mask: Tensor, chosen: Tensor, target: Tensor
    ) -> Tensor:
        """Cross-entropy at the chosen flat positions only: the unembedding is a good part of the work."""
        x = self.ln_f(self.residual(ids, place, mask)[-1]).flatten(0, 1)[chosen]
        return CrossEntropy.apply(x, self.wte.weight, target)


class CrossEntropy(torch.autograd.Function):
    """Unembedding, softmax and cross-entropy in one buffer: on a CPU a third faster than the three in a row."""

    @staticmethod
    def forward(
        ctx, x: Float[Tensor, "n width"], unembed: Float[Tensor, "vocab width"], target: Int[Tensor, " n"]
    ) -> Tensor:
        """Cross-entropy of each row, nats; the buffer ends up holding the probabilities."""
        logits = (x.bfloat16() @ unembed.bfloat16().T).float() if half(x) else x @ unembed.T
        logits -= logits.amax(-1, keepdim=True)
        right = logits.gather(-1, target[:, None])[:, 0]
        total = logits.exp_().sum(-1, keepdim=True)
        logits /= total
        ctx.save_for_backward(x, unembed, target, logits)
        ctx.half = half(x)
        return total[:, 0].log() - right

    @staticmethod
    def backward(ctx, upstream: Float[Tensor, " n"]) -> tuple[Tensor, Tensor, None]:
        """Probabilities less one at the target, times what comes from above."""
        x, unembed, target, gradient = ctx.saved_tensors
        gradient[torch.arange(len(target), device=target.device), target] -= 1
        gradient *= upstream[:, None]
        if ctx.half:
            gradient = gradient.bfloat16()
            return (gradient @ unembed.bfloat16()).float(), (gradient.T @ x.bfloat16()).float(), None
        return gradient @ unembed, gradient.T @ x, None


def half(x: Tensor) -> bool:
    """Whether large products run in bfloat16 (decided by ``training.train.precision``)."""
    return torch.is_autocast_enabled(x.device.type)
