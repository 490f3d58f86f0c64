ROW = "matrix"
ELSEWHERE = {k: "" for k in ['bert', 'gemma3', 'gemma3n', 'gemma4', 'gemma4_unified', 'gpt-sw3', 'internlm3', 'iquestcoder', 'llama4', 'qwen3_5', 'qwen3_5_moe']}

def question(analysis, settings):
    short = {k: v for k, v in settings.items() if k not in ("corrupted", "direction", "positive", "negative", "max_new_tokens", "settings")}
    return analysis + " " + " ".join(f"{k}={v}" for k, v in short.items())
