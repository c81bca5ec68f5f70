#!/usr/bin/env python3
"""InternLM2 as its remote code defines it, in a tiny size (needs numpy).

wqkv holds, for each KV head, the queries that read it, its key and its value. The gated unit is
w2(silu(w1(x)) * w3(x)). Halves of heads turn; scaling "dynamic" begins past the trained length.
"""
import numpy as np

from numpy_reference import (Weights, attend, frequencies, rms_norm, rotate_halves, silu,
                             write_case)


def make_weights(c, seed):
    w = Weights(seed)
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    dim = hidden // c["num_attention_heads"]
    w.table("model.tok_embeddings.weight", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        w.norm(p + "attention_norm.weight", hidden)
        rows = (c["num_attention_heads"] + 2 * c["num_key_value_heads"]) * dim
        w.matrix(p + "attention.wqkv.weight", rows, hidden)
        w.matrix(p + "attention.wo.weight", hidden, hidden)
        w.norm(p + "ffn_norm.weight", hidden)
        w.matrix(p + "feed_forward.w1.weight", inner, hidden)
        w.matrix(p + "feed_forward.w3.weight", inner, hidden)
        w.matrix(p + "feed_forward.w2.weight", hidden, inner)
    w.norm("model.norm.weight", hidden)
    w.matrix("output.weight", c["vocab_size"], hidden)
    return w


def reference(c, w):
    heads, groups, epsilon = c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]
    dim, share = c["hidden_size"] // heads, heads // groups
    freqs = frequencies(c["rope_theta"], dim)

    def forward(ids, prompt):
        del prompt
        length = len(ids)
        x = w["model.tok_embeddings.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = rms_norm(x, w[p + "attention_norm.weight"], epsilon)
            qkv = (h @ w[p + "attention.wqkv.weight"].T).reshape(length, groups, share + 2, dim)
            q = qkv[:, :, :share].reshape(length, heads, dim)
            k, v = qkv[:, :, share], qkv[:, :, share + 1]
            h = attend(rotate_halves(q, freqs), rotate_halves(k, freqs), v)
            x = x + h @ w[p + "attention.wo.weight"].T
            h = rms_norm(x, w[p + "ffn_norm.weight"], epsilon)
            gate = silu(h @ w[p + "feed_forward.w1.weight"].T)
            h = gate * (h @ w[p + "feed_forward.w3.weight"].T)
            x = x + h @ w[p + "feed_forward.w2.weight"].T
        return rms_norm(x, w["model.norm.weight"], epsilon) @ w["output.weight"].T

    return forward


CONFIG = {
    "architectures": ["InternLM2ForCausalLM"], "model_type": "internlm2", "hidden_act": "silu",
    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 2, "rms_norm_eps": 1e-5, "vocab_size": 128, "rope_theta": 1000000,
    "max_position_embeddings": 64, "bias": False, "tie_word_embeddings": False,
    "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bos_token_id": 1, "eos_token_id": 2,
    "pad_token_id": 0}

if __name__ == "__main__":
    weights = make_weights(CONFIG, 9)
    write_case("internlm2", CONFIG, weights, reference(CONFIG, weights), [24, 17], 128, 19)
