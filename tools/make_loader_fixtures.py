#!/usr/bin/env python3
"""Writes tests/data/loaders and the seeds of the gguf and safetensors fuzz targets.

GGUF files come from the `gguf` package of PyPI, so that the reader is tested against another
writer; safetensors files are put together here by hand.
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import quantize

ROOT = pathlib.Path(__file__).resolve().parent.parent


def write_gguf(path: pathlib.Path, full: bool) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<s>", "</s>", "a", "b", "ab", "é"])
    writer.add_token_types([3, 3, 1, 1, 1, 1])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(1)
    if full:
        writer.add_uint8("v.u8", 200)
        writer.add_int8("v.i8", -100)
        writer.add_uint16("v.u16", 60000)
        writer.add_int16("v.i16", -30000)
        writer.add_uint32("v.u32", 4000000000)
        writer.add_int32("v.i32", -2000000000)
        writer.add_uint64("v.u64", 1 << 63)
        writer.add_int64("v.i64", -(1 << 62))
        writer.add_float32("v.f32", 0.25)
        writer.add_float64("v.f64", 1e300)
        writer.add_bool("v.bool", True)
        writer.add_array("v.floats", [0.5, -1.5])
        writer.add_array("v.bools", [True, False])
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((2, 64)).astype(np.float32)
    writer.add_tensor("f32", rows[:, :6].copy())
    for name, kind in (("q4_0", Q.Q4_0), ("q4_1", Q.Q4_1), ("q5_0", Q.Q5_0), ("q5_1", Q.Q5_1),
                       ("q8_0", Q.Q8_0)):
        writer.add_tensor(name, quantize(rows, kind), raw_dtype=kind)
    if full:
        writer.add_tensor("f16", rows.astype(np.float16).reshape(2, 2, 32))
        writer.add_tensor("bf16", quantize(rows, Q.BF16), raw_dtype=Q.BF16)
        writer.add_tensor("i32", np.arange(5, dtype=np.int32))
        block = np.zeros((1, 210), np.uint8)
        writer.add_tensor("q6_k", block, raw_dtype=Q.Q6_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def safetensors(header: object, data: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def main() -> None:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    data, corpus = root / "tests/data/loaders", root / "tests/fuzz/corpus"
    for folder in (data, corpus / "gguf", corpus / "safetensors"):
        folder.mkdir(parents=True, exist_ok=True)
    write_gguf(data / "sample.gguf", full=True)
    write_gguf(corpus / "gguf/valid.gguf", full=False)
    whole = (corpus / "gguf/valid.gguf").read_bytes()
    (corpus / "gguf/truncated.gguf").write_bytes(whole[:300])
    (corpus / "gguf/big_endian.gguf").write_bytes(b"GGUF" + struct.pack(">IQQ", 3, 0, 0))

    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    half = {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]}
    seeds = {
        "valid": safetensors({"__metadata__": {"format": "pt"}, "a.weight": entry, "b": half},
                             bytes(range(32))),
        "valid_empty": safetensors({}, b""),
        "gap": safetensors({"a": entry, "b": {**half, "data_offsets": [26, 34]}}, bytes(34)),
        "fp8": safetensors({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"x"),
    }
    for name, content in seeds.items():
        (corpus / f"safetensors/{name}.safetensors").write_bytes(content)


if __name__ == "__main__":
    main()
