"""Tiny random models, one for each kind of difference between families of language models."""

from pathlib import Path

import torch
import transformers

SHARED = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 0}
BASE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": 64}  # fmt: skip
GROUPED = BASE | {"num_key_value_heads": 2}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
OPT = {"hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
       "max_position_embeddings": 64}  # fmt: skip
LATENT = BASE | {"num_key_value_heads": 4, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4,
                 "qk_nope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2,
                 "n_group": 1, "topk_group": 1, "moe_intermediate_size": 16, "first_k_dense_replace": 1}  # fmt: skip
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 3.2, 5.2, 9.3]}
ALTERNATING = ["sliding_attention", "full_attention", "sliding_attention"]

#: What is different → (model type, configuration).
FAMILIES = {
    "no final norm": ("opt", OPT | {"word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    "no weights in norms": ("opt", OPT | {"word_embed_proj_dim": 32, "layer_norm_elementwise_affine": False}),
    "norm after each part": ("openai-gpt", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "streams named otherwise": ("xglm", {"d_model": 32, "ffn_dim": 48, "num_layers": 3, "attention_heads": 4,
                                         "max_position_embeddings": 64}),
    "slopes for positions": ("bloom", {"hidden_size": 32, "n_layer": 3, "n_head": 4}),
    "writes in place": ("falcon", {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
                                   "max_position_embeddings": 64}),
    "one key for all heads": ("gpt_bigcode", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "learned sink": ("gpt_oss", GROUPED | {"head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
                                           "sliding_window": 9, "layer_types": ALTERNATING}),
    "latent attention": ("deepseek_v3", LATENT),
    "experts": ("mixtral", GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "experts in some layers": ("qwen3_moe", GROUPED | EXPERTS | {"head_dim": 8, "mlp_only_layers": [0],
                                                                "decoder_sparse_step": 1}),
    "experts of attention": ("jetmoe", GROUPED | {"num_local_experts": 4, "kv_channels": 8}),
    "clipped queries, keys and values": ("olmo", GROUPED | {"clip_qkv": 0.5}),
    "norm on the way out of attention": ("bitnet", GROUPED),
    "gated heads": ("afmoe", GROUPED | EXPERTS | {"num_dense_layers": 1, "head_dim": 8, "sliding_window": 9}),
    "normed values": ("gemma4_text", GROUPED | {"head_dim": 16, "pad_token_id": 299, "sliding_window": 9}),
    "scaled logits": ("granite", GROUPED | {"logits_scaling": 4.0, "embedding_multiplier": 3.0,
                                            "residual_multiplier": 0.5, "attention_multiplier": 0.3}),
    "capped logits": ("gemma2", GROUPED | {"head_dim": 16, "pad_token_id": 299, "sliding_window": 9,
                                           "query_pre_attn_scalar": 16, "final_logit_softcapping": 3.0}),
    "layers before the unembedding": ("modernbert-decoder", BASE | {"pad_token_id": 0}),
    "factors by length (longrope)": ("phi3", GROUPED | {"pad_token_id": 0, "original_max_position_embeddings": 12,
                                                        "rope_scaling": LONGROPE}),
    "factors by length (dynamic)": ("llama", GROUPED | {"max_position_embeddings": 12,
                                                        "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
}  # fmt: skip


def family(folder: Path, name: str, tokenizer) -> Path:
    """The folder of a tiny model of that kind, with weights large enough that every part matters."""
    model_type, config = FAMILIES[name]
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model(model_type, **(SHARED | config)), attn_implementation="eager"
    )
    for parameter_name, parameter in model.named_parameters():
        is_norm = parameter.dim() == 1 and "bias" not in parameter_name
        parameter.data.normal_(1.0 if is_norm else 0.0, 0.4 if parameter.dim() > 1 else 0.1)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
