"""What the numpy references share: bf16 weights, blocks of decoders in float64, the case's files.

A reference is written from a model's publication, not from the program that it tests. It computes
every sequence anew for each token, without a cache. The form of a case is that of the other folders
of tests/data/goldens.
"""
import json
import pathlib
import struct
import sys

import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/data/goldens"
GREEDY = 16  # tokens after each prompt


def bf16(x):
    """Rounded to the nearest bfloat16, ties to even; as float64."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


class Weights:
    """Seeded random bf16 tensors by name, of sizes that keep activations near 1."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.tensors = {}

    def __getitem__(self, name):
        return self.tensors[name]

    def put(self, name, values):
        self.tensors[name] = bf16(values)

    def table(self, name, rows, columns):
        self.put(name, self.rng.standard_normal((rows, columns)))

    def matrix(self, name, rows, columns, gain=1.0):
        self.put(name, gain * self.rng.standard_normal((rows, columns)) / np.sqrt(columns))

    def bias(self, name, size):
        self.put(name, 0.3 * self.rng.standard_normal(size))

    def norm(self, name, size):
        self.put(name, 1 + 0.2 * self.rng.standard_normal(size))


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + epsilon) * weight


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def frequencies(base, dim):
    return 1.0 / np.float64(base) ** (np.arange(0, dim, 2) / dim)


def rotate_halves(x, freqs):
    """x [len, heads, dim]: element i turns with element i + dim / 2."""
    angle = np.arange(len(x))[:, None, None] * freqs
    a, b = np.split(x, 2, -1)
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle),
                           b * np.cos(angle) + a * np.sin(angle)], -1)


def rotate_pairs(x, freqs):
    """x [len, heads, dim]: of the first 2 * len(freqs) elements, 2 i turns with 2 i + 1."""
    angle = np.arange(len(x))[:, None, None] * freqs
    out = x.copy()
    width = 2 * len(freqs)
    a, b = x[..., 0:width:2], x[..., 1:width:2]
    out[..., 0:width:2] = a * np.cos(angle) - b * np.sin(angle)
    out[..., 1:width:2] = b * np.cos(angle) + a * np.sin(angle)
    return out


def attend(q, k, v, bias=None):
    """Causal attention of q [len, heads, dim] and k, v [len, kv_heads, dim]; bias [heads, key]."""
    length, heads, dim = q.shape
    group = heads // k.shape[1]
    hidden = np.triu(np.ones((length, length), bool), 1)
    out = np.empty_like(q)
    for h in range(heads):
        scores = q[:, h] @ k[:, h // group].T / np.sqrt(dim)
        if bias is not None:
            scores = scores + bias[h]
        out[:, h] = softmax(np.where(hidden, -np.inf, scores)) @ v[:, h // group]
    return out.reshape(length, heads * dim)


def write_safetensors(path, tensors):
    """tensors: name -> (dtype as the format names it, array of its bytes' type)."""
    header, at = {}, 0
    for name, (dtype, array) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": list(array.shape),
                        "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, (_, array) in sorted(tensors.items()):
            file.write(array.tobytes())


def write_case(name, config, weights, forward, lengths, vocab, seed):
    """forward(ids, prompt): logits [len, vocab] of ids, whose first `prompt` came at once."""
    rng = np.random.default_rng(seed)
    out, gaps, logits = {}, [], []
    for i, length in enumerate(lengths):
        ids = [int(t) for t in rng.integers(0, vocab, length)]
        rows = forward(np.array(ids), length)
        logits.append(rows)
        greedy, greedy_gap = [], []
        last = rows[-1]
        for _ in range(GREEDY):
            order = np.argsort(last)
            greedy.append(int(order[-1]))
            greedy_gap.append(last[order[-1]] - last[order[-2]])
            last = forward(np.array(ids + greedy), length)[-1]
        gaps += greedy_gap
        out[f"input_ids.{i}"] = ("I32", np.array(ids, "<i4"))
        out[f"logits.{i}"] = ("F32", rows.astype("<f4"))
        out[f"greedy.{i}"] = ("I32", np.array(greedy, "<i4"))
        out[f"greedy_gap.{i}"] = ("F32", np.array(greedy_gap, "<f4"))
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    stored = {key: ("BF16", (value.astype(np.float32).view(np.uint32) >> 16).astype("<u2"))
              for key, value in weights.tensors.items()}
    write_safetensors(folder / "model.safetensors", stored)
    write_safetensors(folder / "golden.safetensors", out)
    config = config | {"torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    facts = {"case": name, "class": config["architectures"][0],
             "reference": "numpy, float64", "weights": "bf16 (exact in float32)",
             "made_by": f"tools/goldens/{pathlib.Path(sys.argv[0]).name}",
             "min_greedy_gap": float(min(gaps)),
             "logits_std": float(np.std(np.concatenate(logits)))}
    (folder / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size // 1024} KiB, std {facts['logits_std']:.3f}, "
          f"smallest gap {facts['min_greedy_gap']:.4f}")
