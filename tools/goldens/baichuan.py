#!/usr/bin/env python3
"""Baichuan 7B, 13B and Baichuan2 7B as their remote code defines them, in tiny sizes (needs numpy).

W_pack holds q, k and v one after the other. 7B turns halves of heads (base 10000); 13B has no
rotation and adds slope * key position to scores, of slopes 2^(-8 (h + 1) / n) for n heads, n a
power of two, else those of the power below and then every other one of twice as many. Baichuan2's
head has rows of length 1: they are divided by their lengths before the first answer, in the
weights' own type.
"""
import math

import numpy as np

from numpy_reference import (Weights, attend, bf16, frequencies, rms_norm, rotate_halves, silu,
                             write_case)


def make_weights(c, seed):
    w = Weights(seed)
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    w.table("model.embed_tokens.weight", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        p = f"model.layers.{i}."
        w.norm(p + "input_layernorm.weight", hidden)
        w.matrix(p + "self_attn.W_pack.weight", 3 * hidden, hidden)
        w.matrix(p + "self_attn.o_proj.weight", hidden, hidden)
        w.norm(p + "post_attention_layernorm.weight", hidden)
        w.matrix(p + "mlp.gate_proj.weight", inner, hidden)
        w.matrix(p + "mlp.up_proj.weight", inner, hidden)
        w.matrix(p + "mlp.down_proj.weight", hidden, inner)
    w.norm("model.norm.weight", hidden)
    # Rows of lengths that differ, so that a head that is not normalised shows.
    w.matrix("lm_head.weight", c["vocab_size"], hidden)
    w.put("lm_head.weight", w["lm_head.weight"] * np.exp(
        0.5 * w.rng.standard_normal((c["vocab_size"], 1))))
    return w


def slopes(n):
    power = 2 ** math.floor(math.log2(n))
    first = [2.0 ** (-8 * (h + 1) / power) for h in range(power)]
    second = [2.0 ** (-8 * (h + 1) / (2 * power)) for h in range(2 * power)]
    return np.array((first + second[0::2])[:n])


def reference(c, w, rotated, normed):
    heads, epsilon = c["num_attention_heads"], c["rms_norm_eps"]
    dim = c["hidden_size"] // heads
    freqs = frequencies(10000, dim)
    head = w["lm_head.weight"]
    if normed:
        head = bf16(head / np.linalg.norm(head, axis=-1, keepdims=True))

    def forward(ids, prompt):
        del prompt
        length = len(ids)
        bias = None if rotated else slopes(heads)[:, None] * np.arange(length)
        x = w["model.embed_tokens.weight"][ids]
        for i in range(c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = rms_norm(x, w[p + "input_layernorm.weight"], epsilon)
            qkv = h @ w[p + "self_attn.W_pack.weight"].T
            q, k, v = (part.reshape(length, heads, dim) for part in np.split(qkv, 3, -1))
            if rotated:
                q, k = rotate_halves(q, freqs), rotate_halves(k, freqs)
            x = x + attend(q, k, v, bias) @ w[p + "self_attn.o_proj.weight"].T
            h = rms_norm(x, w[p + "post_attention_layernorm.weight"], epsilon)
            gate = silu(h @ w[p + "mlp.gate_proj.weight"].T)
            x = x + (gate * (h @ w[p + "mlp.up_proj.weight"].T)) @ w[p + "mlp.down_proj.weight"].T
        return rms_norm(x, w["model.norm.weight"], epsilon) @ head.T

    return forward


CONFIG = {
    "architectures": ["BaiChuanForCausalLM"], "model_type": "baichuan", "hidden_act": "silu",
    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 2,
    "rms_norm_eps": 1e-6, "vocab_size": 128, "tie_word_embeddings": False, "bos_token_id": 1,
    "eos_token_id": 2, "pad_token_id": 0}

if __name__ == "__main__":
    first = CONFIG | {"max_position_embeddings": 64, "hidden_size": 32, "num_attention_heads": 2}
    weights = make_weights(first, 6)
    write_case("baichuan-7b", first, weights, reference(first, weights, True, False), [24, 17],
               128, 16)
    # Six heads: not a power of two.
    second = CONFIG | {"architectures": ["BaichuanForCausalLM"], "model_max_length": 64,
                       "hidden_size": 48, "num_attention_heads": 6, "intermediate_size": 64}
    weights = make_weights(second, 7)
    write_case("baichuan-13b", second, weights, reference(second, weights, False, False), [24, 17],
               128, 17)
    third = CONFIG | {"architectures": ["BaichuanForCausalLM"], "max_position_embeddings": 64,
                      "model_max_length": 64, "z_loss_weight": 0, "hidden_size": 32,
                      "num_attention_heads": 2}
    weights = make_weights(third, 8)
    write_case("baichuan2-7b", third, weights, reference(third, weights, True, True), [24, 17],
               128, 18)
