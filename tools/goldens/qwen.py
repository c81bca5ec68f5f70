#!/usr/bin/env python3
"""Qwen 1 as its model card's remote code defines it, in tiny sizes (needs numpy).

q, k and v come out of c_attn one after the other; the gated unit is w1(x) * silu(w2(x)), each of
half of intermediate_size. Past seq_length a query at position p (from 0) is scaled by
log(p + 1) / log(seq_length), and the rotation's base by alpha^(dim / (dim - 2)), where alpha =
max(1, 2^ceil(log2(n / seq_length) + 1) - 1) and n is the length of the first forward: the prompt.
Tokens generated later keep its alpha.
"""
import math

import numpy as np

from numpy_reference import (Weights, attend, frequencies, rms_norm, rotate_halves, silu,
                             write_case)


def make_weights(c, seed):
    w = Weights(seed)
    hidden, half = c["hidden_size"], c["intermediate_size"] // 2
    inner = c["num_attention_heads"] * c["kv_channels"]
    w.table("transformer.wte.weight", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        p = f"transformer.h.{i}."
        w.norm(p + "ln_1.weight", hidden)
        w.matrix(p + "attn.c_attn.weight", 3 * inner, hidden)
        w.bias(p + "attn.c_attn.bias", 3 * inner)
        w.matrix(p + "attn.c_proj.weight", hidden, inner)
        w.norm(p + "ln_2.weight", hidden)
        w.matrix(p + "mlp.w1.weight", half, hidden)
        w.matrix(p + "mlp.w2.weight", half, hidden)
        w.matrix(p + "mlp.c_proj.weight", hidden, half)
    w.norm("transformer.ln_f.weight", hidden)
    w.matrix("lm_head.weight", c["vocab_size"], hidden)
    return w


def reference(c, w):
    heads, dim, trained = c["num_attention_heads"], c["kv_channels"], c["seq_length"]
    epsilon = c["layer_norm_epsilon"]

    def alpha(length):
        if not c["use_dynamic_ntk"]:
            return 1
        return max(1, 2 ** math.ceil(math.log2(length / trained) + 1) - 1)

    def forward(ids, prompt):
        length = len(ids)
        freqs = frequencies(c["rotary_emb_base"] * alpha(prompt) ** (dim / (dim - 2)), dim)
        at = np.arange(1, length + 1)
        factor = np.where(at > trained, np.log(at) / np.log(trained), 1.0)
        if not c["use_logn_attn"]:
            factor = np.ones(length)
        x = w["transformer.wte.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            p = f"transformer.h.{i}."
            h = rms_norm(x, w[p + "ln_1.weight"], epsilon)
            qkv = h @ w[p + "attn.c_attn.weight"].T + w[p + "attn.c_attn.bias"]
            q, k, v = (part.reshape(length, heads, dim) for part in np.split(qkv, 3, -1))
            q = rotate_halves(q, freqs) * factor[:, None, None]
            h = attend(q, rotate_halves(k, freqs), v)
            x = x + h @ w[p + "attn.c_proj.weight"].T
            h = rms_norm(x, w[p + "ln_2.weight"], epsilon)
            h = (h @ w[p + "mlp.w1.weight"].T) * silu(h @ w[p + "mlp.w2.weight"].T)
            x = x + h @ w[p + "mlp.c_proj.weight"].T
        return rms_norm(x, w["transformer.ln_f.weight"], epsilon) @ w["lm_head.weight"].T

    return forward


CONFIG = {
    "architectures": ["QWenLMHeadModel"], "model_type": "qwen", "hidden_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "kv_channels": 16, "intermediate_size": 192,
    "vocab_size": 128, "max_position_embeddings": 64, "seq_length": 16, "layer_norm_epsilon": 1e-6,
    "rotary_emb_base": 10000, "rotary_pct": 1.0, "no_bias": True, "scale_attn_weights": True,
    "tie_word_embeddings": False, "use_dynamic_ntk": True, "use_logn_attn": True,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

if __name__ == "__main__":
    # Prompts within the trained length, answers that go past it.
    weights = make_weights(CONFIG, 1)
    write_case("qwen", CONFIG, weights, reference(CONFIG, weights), [16, 13], 128, 11)
    # Prompts that stretch the rotation, by twice and by four times the trained length.
    stretched = CONFIG | {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 96}
    weights = make_weights(stretched, 3)
    write_case("qwen-ntk", stretched, weights, reference(stretched, weights), [30, 45, 9], 128, 13)
    # A prompt past it, whose rotation stays.
    longer = CONFIG | {"use_dynamic_ntk": False, "hidden_size": 32, "num_attention_heads": 2,
                       "intermediate_size": 96}
    weights = make_weights(longer, 2)
    write_case("qwen-logn", longer, weights, reference(longer, weights), [30, 23], 128, 12)
