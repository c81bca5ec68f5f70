#!/usr/bin/env python3
"""The same work in Hugging Face transformers, eager, on this machine's GPU: a baseline for
tools/gpu/bench.sh. Random weights of Llama 3.1 8B's shapes, bfloat16.

    hf_llama.py [--layers 32] [--steps 32] [--offline "128/128 2048/128"]

prints one JSON object a line. An offline row is one batch of 128 requests of equal lengths, as
transformers' own generate runs it: the prompts, then steps. Of longer outputs than 128 tokens the
first 128 steps are timed and taken for all: an upper bound, since later steps read more keys.
"""
import argparse
import json
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def timed(work):
    torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) * 1e3


def offline(model, prompts, osl, most_steps=128):
    """Greedy tokens of one batch of prompts [batch, length]; the first comes with the prompts."""
    batch, isl = prompts.shape
    state = {}

    def step(ids):
        out = model(ids, past_key_values=state.get("cache"), use_cache=True, logits_to_keep=1)
        state.update(cache=out.past_key_values, token=out.logits[:, -1].argmax(-1, keepdim=True))

    def steps(count):
        for _ in range(count):
            step(state["token"])

    prefill_ms = timed(lambda: step(prompts))
    timed_steps = min(max(osl - 1, 1), most_steps)
    steps_ms = timed(lambda: steps(timed_steps))
    total_ms = prefill_ms + steps_ms / timed_steps * (osl - 1)
    return {"work": f"offline {isl}/{osl} batch {batch}", "prefill_ms": prefill_ms,
            "ms_per_step": steps_ms / timed_steps, "steps_timed": timed_steps,
            "steps": osl - 1, "output_tok_s": batch * osl * 1e3 / total_ms}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--offline", default="128/128 1000/1000 2048/128 128/2048")
    options = parser.parse_args()
    config = LlamaConfig(vocab_size=128256, hidden_size=4096, intermediate_size=14336,
                         num_hidden_layers=options.layers, num_attention_heads=32,
                         num_key_value_heads=8, max_position_embeddings=131072,
                         rope_theta=500000.0)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).eval()
    about = {"peer": "transformers eager", "torch": torch.__version__,
             "gpu": torch.cuda.get_device_name(), "layers": options.layers, "dtype": "bfloat16"}

    def ids(batch, length):
        return torch.randint(0, 128256, (batch, length), device="cuda")

    with torch.inference_mode():
        for length in (1024, 2048):
            prompt = ids(1, length)
            times = [timed(lambda: model(prompt, logits_to_keep=1)) for _ in range(6)][1:]
            print(json.dumps({**about, "work": f"prefill {length}",
                              "ms": statistics.median(times)}), flush=True)
        for batch, length in ((1, 1024), (8, 128), (64, 128), (128, 128), (256, 128)):
            cache = model(ids(batch, length), use_cache=True, logits_to_keep=1).past_key_values
            times = []
            for _ in range(options.steps):
                token = ids(batch, 1)
                times.append(timed(lambda: model(token, past_key_values=cache, use_cache=True)))
            ms = statistics.median(times)
            print(json.dumps({**about, "work": f"decode batch {batch} context {length}",
                              "ms_per_step": ms, "tok_s": batch * 1e3 / ms}), flush=True)
            del cache
        for row in options.offline.split():
            isl, osl = map(int, row.split("/"))
            print(json.dumps({**about, **offline(model, ids(128, isl), osl)}), flush=True)


if __name__ == "__main__":
    main()
