#!/usr/bin/env python3
"""Writes tests/data/formats/<format>.bin from the `gguf` package of PyPI (numpy), for each format
of src/tensor/formats, or for those named.

Each file: uint32 type number in GGUF (2^32 - 1: none), elements and bytes of a block, number of
decode blocks D and encode blocks E; D encoded blocks of random bytes that decode to finite numbers;
their float32 values; then, for the formats that the package can quantize (E > 0), E blocks of
float32 input and their encoding.
"""
import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

ROOT = pathlib.Path(__file__).resolve().parent.parent


def random_blocks(rng, kind, count, size):
    """Blocks of random bytes, those drawn again that hold infinities or NaN."""
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    while True:
        with np.errstate(all="ignore"):
            values = dequantize(data, kind).astype(np.float32)
        bad = ~np.isfinite(values).all(axis=1)
        if not bad.any():
            return data, values
        data[bad] = rng.integers(0, 256, (int(bad.sum()), size), dtype=np.uint8)


def encoded(rng, kind, elements):
    """(input, blocks) where the package has an encoder, else none of both."""
    x = rng.standard_normal((32, elements)).astype(np.float32)
    x *= np.exp(rng.uniform(-6, 6, (32, 1))).astype(np.float32)
    x[0], x[1] = 0, 1
    try:
        return x, quantize(x, kind)
    except NotImplementedError:
        return x[:0], np.zeros((0,), np.uint8)


def write(path, name):
    kind = GGMLQuantizationType[name.upper()]
    elements, size = GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(20240607 + int(kind))
    data, values = random_blocks(rng, kind, 2048 // elements, size)
    x, blocks = encoded(rng, kind, elements)
    head = np.array([int(kind), elements, size, len(data), len(x)], np.uint32)
    path.write_bytes(b"".join(part.tobytes() for part in (head, data, values, x, blocks)))


def main() -> int:
    shelf = sorted(path.stem for path in (ROOT / "src/tensor/formats").glob("*.h"))
    unknown = 0
    for name in sys.argv[1:] or shelf:
        if name.upper() not in GGMLQuantizationType.__members__:
            print(f"{name}: the gguf package lacks it; its fixture must come from elsewhere")
            unknown = 1
            continue
        write(ROOT / "tests/data/formats" / f"{name}.bin", name)
    return unknown


if __name__ == "__main__":
    sys.exit(main())
