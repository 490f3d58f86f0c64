"""Every hook name Loupe reads or writes, spelled once.

The classic TransformerLens names, which `TransformerBridge` accepts as aliases on every architecture.
"""

EMBED = "hook_embed"
POS_EMBED = "hook_pos_embed"
FINAL_NORM_IN = "ln_final.hook_in"


def resid_pre(layer: int) -> str:
    """Residual stream entering block `layer`: [batch, pos, d_model]."""
    return f"blocks.{layer}.hook_resid_pre"


def resid_mid(layer: int) -> str:
    """Residual stream between attention and MLP; parallel blocks (GPT-NeoX, Phi) have none: [batch, pos, d_model]."""
    return f"blocks.{layer}.hook_resid_mid"


def resid_post(layer: int) -> str:
    """Residual stream leaving block `layer`: [batch, pos, d_model]."""
    return f"blocks.{layer}.hook_resid_post"


def attn_out(layer: int) -> str:
    """What attention adds to the residual stream, after any post-norm: [batch, pos, d_model]."""
    return f"blocks.{layer}.hook_attn_out"


def mlp_out(layer: int) -> str:
    """What the MLP adds to the residual stream, after any post-norm: [batch, pos, d_model]."""
    return f"blocks.{layer}.hook_mlp_out"


def mlp_key(layer: int) -> str:
    """What enters the MLP's last projection, a number per neuron: [batch, pos, d_mlp]."""
    return f"blocks.{layer}.mlp.out.hook_in"


def mlp_value(layer: int) -> str:
    """Output of the MLP's last projection, before any post-norm: [batch, pos, d_model]."""
    return f"blocks.{layer}.mlp.out.hook_out"


def attn_o(layer: int) -> str:
    """Output of the attention's O projection, before any post-norm: [batch, pos, d_model]."""
    return f"blocks.{layer}.attn.o.hook_out"


def z(layer: int) -> str:
    """Per-head mix of values, before O: [batch, pos, head, d_head]."""
    return f"blocks.{layer}.attn.hook_z"


def q(layer: int) -> str:
    """Queries, before any rotation by position: [batch, pos, head, d_head]."""
    return f"blocks.{layer}.attn.hook_q"


def k(layer: int) -> str:
    """Keys, before any rotation; grouped-query models have fewer than heads: [batch, pos, kv_head, d_head]."""
    return f"blocks.{layer}.attn.hook_k"


def v(layer: int) -> str:
    """Values; grouped-query models have fewer of them than heads: [batch, pos, kv_head, d_head]."""
    return f"blocks.{layer}.attn.hook_v"


def pattern(layer: int) -> str:
    """Attention weights after softmax: [batch, head, query_pos, key_pos]."""
    return f"blocks.{layer}.attn.hook_pattern"


def post(layer: int) -> str:
    """What an MLP's neurons pass on, after activation function and gate: [batch, pos, d_mlp]."""
    return f"blocks.{layer}.mlp.hook_post"


def mlp_o(layer: int) -> str:
    """Output of the MLP's last projection, before any post-norm: [batch, pos, d_model]."""
    return f"blocks.{layer}.mlp.out.hook_out"
