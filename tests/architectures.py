"""A tiny configuration of every architecture that TransformerLens' bridge lists and transformers alone can build."""

from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

BASE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
        "max_position_embeddings": 64}  # fmt: skip
GROUPED = BASE | {"num_key_value_heads": 2}
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LOCAL_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
SHARED_EXPERT = EXPERTS | {"shared_expert_intermediate_size": 24}
ROUTED_EXPERTS = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
                  "moe_intermediate_size": 16, "first_k_dense_replace": 1}  # fmt: skip
LATENT = {"num_key_value_heads": 4, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4,
          "v_head_dim": 8}  # fmt: skip
SLIDING = {"sliding_window": 9}
ALTERNATING = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"], **SLIDING}
NARROW = {"head_dim": 8}  # as many numbers in all heads as in the residual stream
WIDE = {"head_dim": 16}  # more
PAD = {"pad_token_id": 299}
GEMMA = WIDE | PAD | SLIDING | {"query_pre_attn_scalar": 16}
MULTIPLIED = {"embedding_multiplier": 3.0, "residual_multiplier": 0.5, "attention_multiplier": 0.3,
              "logits_scaling": 4.0}  # fmt: skip
LINEAR = {"layer_types": ["linear_attention", "full_attention", "linear_attention"], "linear_num_value_heads": 4,
          "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}  # fmt: skip
CONVOLUTION = {"layer_types": ["conv", "full_attention", "conv"]}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}
INDEXED = {"index_n_heads": 2, "index_head_dim": 8, "index_topk": 64}
STATES = {"hidden_size": 32, "num_hidden_layers": 3, "state_size": 8}

#: Model type → configuration.
ARCHITECTURES = {
    # What GPT-2 and GPT-NeoX began
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
    "codegen": GPT | {"rotary_dim": 4},
    "falcon": BASE,
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "gpt_neo": BASE | {"num_layers": 3, "num_heads": 4, "window_size": 5,
                       "attention_types": [[["global", "local", "global"], 1]]},
    "gpt_neox": BASE,
    "gptj": GPT | {"rotary_dim": 4},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 3, "expansion_ratio": 2, "max_seq_len": 64},
    "openai-gpt": GPT,
    "opt": BASE | {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "phi": BASE | {"partial_rotary_factor": 0.5},
    "stablelm": GROUPED,
    "starcoder2": GROUPED | SLIDING,
    "xglm": {"d_model": 32, "ffn_dim": 48, "num_layers": 3, "attention_heads": 4, "max_position_embeddings": 64},
    # What Llama began
    **dict.fromkeys(["apertus", "arcee", "bitnet", "jais2", "llama", "nanochat", "nemotron", "olmo", "olmo2", "qwen2"],
                    GROUPED),
    **dict.fromkeys(["ernie4_5", "hunyuan_v1_dense", "ministral3", "qwen3", "seed_oss"], GROUPED | WIDE),
    **dict.fromkeys(["glm", "glm4"], GROUPED | NARROW | PAD),
    "cohere": GROUPED | PAD | {"logit_scale": 0.25},
    "cohere2": GROUPED | PAD | SLIDING | {"logit_scale": 0.25},
    "exaone4": GROUPED | SLIDING | {"sliding_window_pattern": 2},
    "gemma": GROUPED | WIDE | PAD,
    "gemma2": GROUPED | GEMMA | {"final_logit_softcapping": 3.0},
    "gemma3_text": GROUPED | GEMMA | ALTERNATING,
    "gemma4_text": GROUPED | GEMMA | {"vocab_size_per_layer_input": 300, "hidden_size_per_layer_input": 8},
    "granite": GROUPED | MULTIPLIED,
    "hrm_text": GROUPED | NARROW | {"num_layers_per_stack": 2, "num_hidden_layers": 4},
    "mistral": GROUPED | SLIDING,
    "modernbert-decoder": BASE | PAD,
    "olmo3": GROUPED | ALTERNATING,
    "phi3": GROUPED | PAD | SLIDING,
    "smollm3": GROUPED | PAD | {"no_rope_layers": [1, 0, 1]},
    "vaultgemma": GROUPED | GEMMA | {"final_logit_softcapping": 3.0},
    # Mixtures of experts
    "afmoe": GROUPED | EXPERTS | NARROW | SLIDING | {"num_dense_layers": 1},
    "ernie4_5_moe": GROUPED | PAD | {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 16},
    "flex_olmo": GROUPED | EXPERTS | PAD,
    "glm4_moe": GROUPED | ROUTED_EXPERTS | NARROW | PAD,
    "gpt_oss": GROUPED | LOCAL_EXPERTS | WIDE | ALTERNATING,
    "granitemoe": GROUPED | LOCAL_EXPERTS | MULTIPLIED,
    "jetmoe": GROUPED | {"num_local_experts": 4, "kv_channels": 8},
    "laguna": GROUPED | SHARED_EXPERT | NARROW,
    "llama4_text": GROUPED | LOCAL_EXPERTS | NARROW | PAD | {
        "num_experts_per_tok": 1, "intermediate_size_mlp": 48, "attention_chunk_size": 9, "no_rope_layers": [1, 1, 0]},
    "minimax_m2": GROUPED | LOCAL_EXPERTS | NARROW,
    "mixtral": GROUPED | LOCAL_EXPERTS,
    "olmoe": GROUPED | EXPERTS,
    "qwen2_moe": GROUPED | SHARED_EXPERT,
    "qwen3_moe": GROUPED | EXPERTS | NARROW,
    # Latent attention
    **dict.fromkeys(["deepseek_v2", "deepseek_v3", "glm4_moe_lite", "youtu"], BASE | LATENT | ROUTED_EXPERTS),
    "deepseek_v4": GROUPED | ROUTED_EXPERTS | WIDE | INDEXED | SLIDING | {
        "num_key_value_heads": 1, "q_lora_rank": 8, "o_lora_rank": 8, "o_groups": 2, "partial_rotary_factor": 0.25},
    "glm_moe_dsa": BASE | LATENT | ROUTED_EXPERTS | INDEXED,
    # Attention in some layers
    "bamba": GROUPED | MAMBA | PAD | {"attn_layer_indices": [1]},
    "falcon_h1": GROUPED | MAMBA | NARROW | PAD | {"mamba_d_ssm": 64},
    "granitemoehybrid": GROUPED | LOCAL_EXPERTS | MULTIPLIED | MAMBA | {
        "shared_intermediate_size": 24, "layer_types": ["mamba", "attention", "mamba"]},
    "jamba": GROUPED | PAD | {
        "num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "mamba_d_state": 8,
        "mamba_dt_rank": 4, "use_mamba_kernels": False},
    "lfm2": GROUPED | CONVOLUTION,
    "lfm2_moe": GROUPED | EXPERTS | CONVOLUTION | {"num_dense_layers": 1},
    "nemotron_h": GROUPED | NARROW | PAD | {
        "layers_block_type": ["linear_attention", "full_attention", "mlp"], "mamba_num_heads": 8, "mamba_head_dim": 8,
        "ssm_state_size": 8, "n_groups": 1, "use_mamba_kernels": False},
    "olmo_hybrid": GROUPED | LINEAR | PAD,
    "qwen3_5_moe_text": GROUPED | SHARED_EXPERT | NARROW | LINEAR,
    "qwen3_5_text": GROUPED | NARROW | LINEAR,
    "qwen3_next": GROUPED | SHARED_EXPERT | NARROW | LINEAR,
    "recurrent_gemma": GROUPED | NARROW | PAD | {
        "lru_width": 32, "attention_window_size": 9, "block_types": ["recurrent", "attention", "recurrent"]},
    "zamba2": BASE | PAD | {
        "layers_block_type": ["mamba", "hybrid", "mamba"], "n_mamba_heads": 8, "mamba_d_state": 8, "mamba_ngroups": 1,
        "use_mamba_kernels": False},
    # No attention
    "falcon_mamba": STATES | PAD,
    "mamba": STATES | PAD,
    "mamba2": STATES | PAD | {"num_heads": 8, "head_dim": 8, "n_groups": 1},
    "rwkv": BASE | {"attention_hidden_size": 32, "context_length": 64},
}  # fmt: skip

LONGROPE = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 3.2, 5.2, 9.3]}

#: What differs from the architecture above → model type, and the difference.
VARIANTS = {
    "bloom, streams taken after the norm": ("bloom", {"apply_residual_connection_post_layernorm": True}),
    "cohere, normed queries": ("cohere", {"use_qk_norm": True}),
    "falcon, slopes for positions": ("falcon", {"alibi": True, "multi_query": False, "parallel_attn": False,
                                                "bias": True}),
    "falcon, two norms side by side": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "gpt2, scale by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    "gpt_bigcode, keys of every head": ("gpt_bigcode", {"multi_query": False}),
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "llama, biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama, factors by length": ("llama", {"max_position_embeddings": 16,
                                           "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
    "olmo, clipped queries, keys and values": ("olmo", {"clip_qkv": 0.5}),
    "opt, no final norm": ("opt", {"word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    "opt, no weights in norms": ("opt", {"layer_norm_elementwise_affine": False}),
    "phi3, factors by length": ("phi3", {"original_max_position_embeddings": 12, "rope_scaling": LONGROPE}),
    "qwen3_moe, experts in some layers": ("qwen3_moe", {"mlp_only_layers": [0], "decoder_sparse_step": 1}),
    "stablelm, side by side": ("stablelm", {"use_parallel_residual": True, "qk_layernorm": True}),
}  # fmt: skip

#: By name, what is built: model type and configuration.
MODELS = {name: (name, config) for name, config in ARCHITECTURES.items()} | {
    name: (model_type, ARCHITECTURES[model_type] | more) for name, (model_type, more) in VARIANTS.items()
}


def listed() -> dict[str, str]:
    """The classes that TransformerLens lists and transformers opens as language models, by model type."""
    return {kind: name for kind, name in CAUSAL.items() if name in SUPPORTED_ARCHITECTURES}
