#!/usr/bin/env python3
"""Writes tests/data/formats/<format>.bin from the `gguf` package of PyPI (numpy).

Each file: uint32 number of decode blocks D and encode blocks E; D encoded blocks of random bytes
whose float16 scales are finite; their float32 values; then, for the formats that the package can
quantize (E > 0), E blocks of float32 input and their encoding.
"""
import pathlib
import sys

import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.quants import dequantize, quantize

# Byte offsets of the float16 fields in a block.
FORMATS = {
    "q4_0": (Q.Q4_0, 32, 18, [0], True),
    "q4_1": (Q.Q4_1, 32, 20, [0, 2], True),
    "q5_0": (Q.Q5_0, 32, 22, [0], True),
    "q5_1": (Q.Q5_1, 32, 24, [0, 2], True),
    "q8_0": (Q.Q8_0, 32, 34, [0], True),
    "q2_k": (Q.Q2_K, 256, 84, [80, 82], False),
    "q3_k": (Q.Q3_K, 256, 110, [108], False),
    "q4_k": (Q.Q4_K, 256, 144, [0, 2], False),
    "q5_k": (Q.Q5_K, 256, 176, [0, 2], False),
    "q6_k": (Q.Q6_K, 256, 210, [208], False),
}


def main() -> None:
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/formats")
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240607)
    for name, (kind, elements, size, scales, encodes) in FORMATS.items():
        blocks = 2048 // elements
        data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
        for at in scales:  # every finite float16 is fair, infinities and NaN are not
            bits = rng.integers(0, 0x7C00, blocks, dtype=np.uint16)
            bits |= rng.integers(0, 2, blocks, dtype=np.uint16) << 15
            data[:, at : at + 2] = bits.view(np.uint8).reshape(blocks, 2)
        values = dequantize(data, kind).astype(np.float32)
        encode = 32 if encodes else 0
        x = rng.standard_normal((encode, elements)).astype(np.float32)
        x *= np.exp(rng.uniform(-6, 6, (encode, 1))).astype(np.float32)
        if encodes:
            x[0] = 0
            x[1] = 1
        with open(out / f"{name}.bin", "wb") as file:
            file.write(np.array([blocks, encode], np.uint32).tobytes())
            file.write(data.tobytes() + values.tobytes() + x.tobytes())
            if encodes:
                file.write(quantize(x, kind).tobytes())


if __name__ == "__main__":
    main()
