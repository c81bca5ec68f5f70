#!/usr/bin/env python3
"""Ratios of Ingot to llama.cpp on the CPU, both measured in this run, rounds interleaved.

Builds llama-cpp-python (the PyPI source archive carries llama.cpp) into build/peers once, makes a
BF16 GGUF file from the default model, and measures with the same number of threads:
prefill of 512 tokens and greedy decoding of 64, batch 1; and our own eight sequences together
against one alone. The machine must be idle.

    bench/peers/llama_cpp.py [--threads 2] [--rounds 3] [--output bench/results/NAME.json]
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, "build", "peers")
VERSION = "0.3.36"
# AMX stays off: GCC 12 builds of llama.cpp die of SIGILL in it on Sapphire Rapids.
CMAKE_ARGS = ("-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_AVX512=ON "
              "-DGGML_AVX512_VNNI=ON -DGGML_AVX512_BF16=ON -DGGML_AVX512_VBMI=ON -DLLAMA_CURL=OFF")
PREFILL = 512
DECODE = 64


def peer_python():
    python = os.path.join(VENV, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    probe = subprocess.run([python, "-c", "import llama_cpp"], check=False, capture_output=True)
    if probe.returncode != 0:
        environment = dict(os.environ, CMAKE_ARGS=CMAKE_ARGS)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-binary",
                        "llama-cpp-python", f"llama-cpp-python=={VERSION}"],
                       check=True, env=environment)
    return python


def quantize(python, source, target):
    """Writes the model as BF16; llama.cpp does it itself, so both sides read the same file."""
    code = ("import llama_cpp as l, sys\n"
            "p = l.llama_model_quantize_default_params()\n"
            "p.ftype = 32  # LLAMA_FTYPE_MOSTLY_BF16\n"
            "p.allow_requantize = True\n"
            "sys.exit(l.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), p))\n")
    subprocess.run([python, "-c", code, source, target], check=True, stderr=subprocess.DEVNULL)


PEER_CODE = """
import json, sys, time
from llama_cpp import Llama
model, threads, prefill, decode = sys.argv[1], *map(int, sys.argv[2:5])
llm = Llama(model, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=threads,
            n_threads_batch=threads, verbose=False, logits_all=False)
tokens = [(i * 7919) % 40000 + 100 for i in range(prefill)]
llm.eval(tokens[:32]); llm.reset()
begin = time.perf_counter(); llm.eval(tokens); middle = time.perf_counter()
for i in range(decode):
    llm.eval([tokens[i]])
end = time.perf_counter()
print(json.dumps({"prefill_tok_s": prefill / (middle - begin),
                  "decode_tok_s": decode / (end - middle)}))
"""


def measure_peer(python, model, threads):
    out = subprocess.run([python, "-c", PEER_CODE, model, str(threads), str(PREFILL), str(DECODE)],
                         check=True, capture_output=True, text=True)
    return json.loads(out.stdout.strip().splitlines()[-1])


def measure_ingot(binary, model, threads):
    out = subprocess.run([binary, "bench", model, "--threads", str(threads), "--json"], check=True,
                         capture_output=True, text=True)
    return json.loads(out.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "release", "ingot"))
    parser.add_argument("--output")
    arguments = parser.parse_args()
    python = peer_python()
    model = os.path.join(VENV, "smollm2-bf16.gguf")
    if not os.path.exists(model):
        cache = os.environ.get("INGOT_CACHE_DIR", os.path.expanduser("~/.cache/ingot"))
        quantize(python, glob.glob(f"{cache}/models/smollm2-135m-instruct/*.gguf")[0], model)
    peers, ours = [], []
    for _ in range(arguments.rounds):
        peers.append(measure_peer(python, model, arguments.threads))
        ours.append(measure_ingot(arguments.binary, model, arguments.threads))
    result = {"date": time.strftime("%Y-%m-%d"), "peer": f"llama-cpp-python {VERSION}",
              "model": "SmolLM2-135M-Instruct, BF16", "threads": arguments.threads,
              "rounds": arguments.rounds, "ingot": ours[-1]}
    for key in ("prefill_tok_s", "decode_tok_s"):
        theirs = statistics.median(p[key] for p in peers)
        mine = statistics.median(o[key] for o in ours)
        result[key] = {"ingot": mine, "peer": theirs, "ratio": mine / theirs}
    # Both figures of a round come from one process, one after the other.
    together = [o["batch_decode_tok_s"] / o["decode_tok_s"] for o in ours]
    result["eight_sequences_over_one"] = {"median": statistics.median(together),
                                          "rounds": together}
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
