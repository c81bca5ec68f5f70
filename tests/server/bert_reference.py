"""BERT's sentence vectors in numpy, float32, written from its paper: the oracle of run_embeddings.

Texts go through the tokenizers library; each is computed alone, so there is no padding.
"""

import json
import math
import os

import numpy as np
import tokenizers
from safetensors.numpy import load_file

ERF = np.vectorize(math.erf, otypes=[np.float32])


def norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * weight + bias


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Bert:
    def __init__(self, folder):
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            self.config = json.load(file)
        self.weights = load_file(os.path.join(folder, "model.safetensors"))
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.known = {}  # hidden states by ids

    def ids(self, text):
        return self.tokenizer.encode(text).ids

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        return norm(x, self.weights[name + ".weight"], self.weights[name + ".bias"],
                    self.config["layer_norm_eps"])

    def attention(self, x, name):
        heads = self.config["num_attention_heads"]
        rows, width = x.shape

        def split(which):
            y = self.linear(x, f"{name}.self.{which}")
            return y.reshape(rows, heads, width // heads).transpose(1, 0, 2)

        q, k, v = split("query"), split("key"), split("value")
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(width // heads))
        joined = (softmax(scores) @ v).transpose(1, 0, 2).reshape(rows, width)
        return self.norm(self.linear(joined, f"{name}.output.dense") + x,
                         f"{name}.output.LayerNorm")

    def hidden(self, ids):
        key = tuple(ids)
        if key not in self.known:
            self.known[key] = self.compute(ids)
        return self.known[key]

    def compute(self, ids):
        table = self.weights
        x = table["embeddings.word_embeddings.weight"][ids]
        x = x + table["embeddings.position_embeddings.weight"][:len(ids)]
        x = x + table["embeddings.token_type_embeddings.weight"][0]
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(self.config["num_hidden_layers"]):
            name = f"encoder.layer.{layer}"
            x = self.attention(x, f"{name}.attention")
            h = self.linear(x, f"{name}.intermediate.dense")
            h = h * 0.5 * (1 + ERF(h / np.float32(math.sqrt(2))))
            x = self.norm(self.linear(h, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")
        return x

    def vector(self, ids, pooling="mean", normalize=True):
        hidden = self.hidden(ids)
        pooled = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        return pooled / np.linalg.norm(pooled) if normalize else pooled
