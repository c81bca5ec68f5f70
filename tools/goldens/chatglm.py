#!/usr/bin/env python3
"""ChatGLM2 and ChatGLM3 as their remote code defines them, in tiny sizes (needs numpy).

query_key_value holds all query heads, then the groups' keys, then their values. The first half of
each head turns in neighbouring pairs, with frequencies of that half's size and a base of 10000
(ChatGLM3-32k: times rope_ratio; ChatGLM2-32k divides positions by rope_ratio). dense_h_to_4h holds
the gate's rows before the other half's; silu(gate) * other.
"""
import numpy as np

from numpy_reference import (Weights, attend, frequencies, rms_norm, rotate_pairs, silu,
                             write_case)


def make_weights(c, seed):
    w = Weights(seed)
    hidden, inner, dim = c["hidden_size"], c["ffn_hidden_size"], c["kv_channels"]
    q, kv = c["num_attention_heads"] * dim, c["multi_query_group_num"] * dim
    w.table("transformer.embedding.word_embeddings.weight", c["padded_vocab_size"], hidden)
    for i in range(c["num_layers"]):
        p = f"transformer.encoder.layers.{i}."
        w.norm(p + "input_layernorm.weight", hidden)
        w.matrix(p + "self_attention.query_key_value.weight", q + 2 * kv, hidden)
        w.bias(p + "self_attention.query_key_value.bias", q + 2 * kv)
        w.matrix(p + "self_attention.dense.weight", hidden, q)
        w.norm(p + "post_attention_layernorm.weight", hidden)
        w.matrix(p + "mlp.dense_h_to_4h.weight", 2 * inner, hidden)
        w.matrix(p + "mlp.dense_4h_to_h.weight", hidden, inner)
    w.norm("transformer.encoder.final_layernorm.weight", hidden)
    w.matrix("transformer.output_layer.weight", c["padded_vocab_size"], hidden)
    return w


def reference(c, w, interpolated=False):
    heads, groups, dim = c["num_attention_heads"], c["multi_query_group_num"], c["kv_channels"]
    epsilon, ratio = c["layernorm_epsilon"], c.get("rope_ratio", 1)
    freqs = frequencies(10000 * (1 if interpolated else ratio), dim // 2)
    if interpolated:
        freqs = freqs / ratio

    def forward(ids, prompt):
        del prompt
        length = len(ids)
        x = w["transformer.embedding.word_embeddings.weight"][ids]
        for i in range(c["num_layers"]):
            p = f"transformer.encoder.layers.{i}."
            h = rms_norm(x, w[p + "input_layernorm.weight"], epsilon)
            qkv = (h @ w[p + "self_attention.query_key_value.weight"].T
                   + w[p + "self_attention.query_key_value.bias"])
            q, k, v = np.split(qkv, [heads * dim, (heads + groups) * dim], -1)
            q, k, v = (part.reshape(length, -1, dim) for part in (q, k, v))
            h = attend(rotate_pairs(q, freqs), rotate_pairs(k, freqs), v)
            x = x + h @ w[p + "self_attention.dense.weight"].T
            h = rms_norm(x, w[p + "post_attention_layernorm.weight"], epsilon)
            gate, other = np.split(h @ w[p + "mlp.dense_h_to_4h.weight"].T, 2, -1)
            x = x + (silu(gate) * other) @ w[p + "mlp.dense_4h_to_h.weight"].T
        x = rms_norm(x, w["transformer.encoder.final_layernorm.weight"], epsilon)
        return x @ w["transformer.output_layer.weight"].T

    return forward


CONFIG = {
    "architectures": ["ChatGLMModel"], "model_type": "chatglm", "add_bias_linear": False,
    "add_qkv_bias": True, "apply_query_key_layer_scaling": True,
    "apply_residual_connection_post_layernorm": False, "attention_softmax_in_fp32": True,
    "ffn_hidden_size": 96, "fp32_residual_connection": False, "hidden_size": 64, "kv_channels": 16,
    "layernorm_epsilon": 1e-5, "multi_query_attention": True, "multi_query_group_num": 2,
    "num_attention_heads": 4, "num_layers": 2, "original_rope": True, "padded_vocab_size": 128,
    "post_layer_norm": True, "rmsnorm": True, "seq_length": 64, "tie_word_embeddings": False,
    "eos_token_id": 2, "pad_token_id": 0}

if __name__ == "__main__":
    weights = make_weights(CONFIG, 3)
    write_case("chatglm", CONFIG, weights, reference(CONFIG, weights), [24, 17], 128, 13)
    small = {"hidden_size": 32, "num_attention_heads": 2, "multi_query_group_num": 1,
             "ffn_hidden_size": 48}
    base = CONFIG | small | {"rope_ratio": 50, "_name_or_path": "THUDM/chatglm3-6b-32k"}
    weights = make_weights(base, 4)
    write_case("chatglm3-32k", base, weights, reference(base, weights), [24, 9], 128, 14)
    linear = CONFIG | small | {"rope_ratio": 4, "_name_or_path": "THUDM/chatglm2-6b-32k"}
    weights = make_weights(linear, 5)
    write_case("chatglm2-32k", linear, weights, reference(linear, weights, True), [24, 9], 128, 15)
