#!/usr/bin/env python3
"""Times tokens of free answers while another answer gets to new states of its form.

    build/venv/bin/python bench/late_masks.py NAME=BINARY...    e.g. new=build/dev/ingot

A llama of random weights with Tekken's 131,072 tokens, on the CPU; each program serves it in turn,
ROUNDS times over: STREAMS free answers alone, then the same while one client at a time asks for
answers in JSON schemas that nobody has used (each of an answer's first states costs tens of
milliseconds). One JSON object on standard output: milliseconds between the tokens of the free
answers, as their clients see them, and the draws put off as the server counts them, for each round.
"""

import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time

import mistral_common
import numpy
from origin import ROOT, commit, machine
from safetensors.numpy import save_file

for folder in ("server", "cli"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))
import server_harness  # noqa: E402
from server_harness import Server, Wire, exchange, request  # noqa: E402

VOCABULARY = pathlib.Path(mistral_common.__file__).parent / "data/tekken_240911.json"
TOKENS, DIM, LAYERS, INNER, HEADS = 131072, 256, 2, 512, 4
STREAMS, FREE_TOKENS, ROUNDS = 4, 300, 5


def make_model(folder):
    random = numpy.random.default_rng(1)

    def weight(*shape):
        return (random.standard_normal(shape, dtype=numpy.float32) * 0.02).astype(numpy.float16)

    tensors = {"model.embed_tokens.weight": weight(TOKENS, DIM),
               "model.norm.weight": numpy.ones(DIM, numpy.float16)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{at}self_attn.{name}_proj.weight"] = weight(DIM, DIM)
        for name in ("gate", "up"):
            tensors[f"{at}mlp.{name}_proj.weight"] = weight(INNER, DIM)
        tensors[at + "mlp.down_proj.weight"] = weight(DIM, INNER)
        for name in ("input", "post_attention"):
            tensors[f"{at}{name}_layernorm.weight"] = numpy.ones(DIM, numpy.float16)
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": TOKENS,
              "hidden_size": DIM, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "hidden_act": "silu",
              "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
              "torch_dtype": "float16"}
    pathlib.Path(folder, "config.json").write_text(json.dumps(config), encoding="utf-8")
    shutil.copy(VOCABULARY, os.path.join(folder, "tekken.json"))


def schema(number):
    """Its strings have a length that no other's have: what was worked out for those does not serve,
    and each character of a string is a state of its own."""
    return {"type": "object", "additionalProperties": False, "required": ["name", "age"],
            "properties": {"name": {"type": "string", "maxLength": 60 + number},
                           "age": {"type": "integer", "minimum": 0, "maximum": 150}}}


def free_gaps(port, seed):
    """Milliseconds between the tokens of one free answer."""
    body = {"prompt": [1, 1000 + seed, 2000], "max_tokens": FREE_TOKENS, "temperature": 0,
            "ignore_eos": True, "stream": True}
    times = []
    with Wire(port) as wire:
        wire.send(request("POST", "/v1/completions", body))
        wire.head()
        while chunk := wire.chunk():
            times += [time.monotonic()] * chunk.count(b"data: {")
    return [(b - a) * 1e3 for a, b in zip(times, times[1:])]


def answers_in_forms(port, over, done):
    """One after the other, until it is over; counts answers, and seconds of each, into `done`."""
    number = 0
    while not over.is_set():
        body = {"prompt": [1, 5000 + number], "max_tokens": 30, "temperature": 1, "seed": number,
                "response_format": {"type": "json_schema", "json_schema": {
                    "name": "form", "schema": schema(number)}}}
        began = time.monotonic()
        answer = exchange(port, request("POST", "/v1/completions", body))
        if answer is None or answer.status != 200:
            sys.exit(f"an answer in a form: {answer and answer.body}")
        done.append((time.monotonic() - began, answer.json()["usage"]["completion_tokens"]))
        number += 1


def put_off(port):
    text = exchange(port, request("GET", "/metrics")).body.decode()
    found = re.search(r"^ingot_draws_put_off_total\{.*\} (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None


def figures(values):
    values = sorted(values)
    return {"count": len(values), "median": round(statistics.median(values), 2),
            "mean": round(statistics.mean(values), 2),
            "p90": round(values[int(len(values) * 0.9)], 2),
            "p99": round(values[int(len(values) * 0.99)], 2), "most": round(values[-1], 2)}


def measure(binary, model, cache):
    """One program's round: figures, and the times that they are of."""
    server_harness.BINARY = binary
    began = machine()["load_average"][0]
    with Server(model, "--max-num-seqs", "8", "--max-seq-len", "1024",
                env={"INGOT_CACHE_DIR": cache}) as server:
        def free():
            with concurrent.futures.ThreadPoolExecutor(STREAMS) as pool:
                gaps = pool.map(lambda seed: free_gaps(server.port, seed), range(STREAMS))
                return [gap for one in gaps for gap in one]

        free()  # warm
        alone = free()
        over, done = threading.Event(), []
        asker = threading.Thread(target=answers_in_forms, args=(server.port, over, done))
        asker.start()
        while not done and asker.is_alive():  # the vocabulary is sorted for the first form
            time.sleep(0.01)
        done.clear()
        beside = free()
        over.set()
        asker.join()
        return {"alone_ms": figures(alone), "beside_forms_ms": figures(beside),
                "form_answers": len(done), "form_tokens": sum(tokens for _, tokens in done),
                "form_answer_s": figures([seconds for seconds, _ in done]),
                "draws_put_off": put_off(server.port), "load_average": began}


def main():
    programs = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    if not programs or len(programs) != len(sys.argv) - 1:
        sys.exit("usage: bench/late_masks.py NAME=BINARY...")
    out = {"command": " ".join(["bench/late_masks.py", *sys.argv[1:]]),
           "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
           "commit": commit("bench/late_masks.py"), "machine": machine(),
           "model": {"tokens": TOKENS, "hidden": DIM, "layers": LAYERS, "weights": "random"},
           "streams": STREAMS, "tokens": FREE_TOKENS,
           "rounds": {name: [] for name in programs}}
    with tempfile.TemporaryDirectory() as folder:
        model, cache = os.path.join(folder, "model"), os.path.join(folder, "cache")
        os.mkdir(model)
        make_model(model)
        for _ in range(ROUNDS):
            for name, binary in programs.items():
                out["rounds"][name].append(measure(os.path.abspath(binary), model, cache))
                print(f"{name}: {out['rounds'][name][-1]}", file=sys.stderr, flush=True)
    out["medians_of_rounds"] = {
        name: {what: {key: statistics.median(one[what][key] for one in rounds)
                      for key in ("median", "mean", "p90", "p99", "most")}
               for what in ("alone_ms", "beside_forms_ms", "form_answer_s")}
        for name, rounds in out["rounds"].items()}
    out["machine"]["load_average_after"] = machine()["load_average"]
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
