"""tools/gpu/serve_check.py, which judges `ingot serve` on machines with a GPU, on a CPU: it must
run, and find nothing, for a small model with random weights and SmolLM2's tokenizer."""

import json
import os
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import save_file

import server_harness  # noqa: F401, the way to cli_harness
from cli_harness import BINARY, GOLDENS, ROOT, Checks, real_model

SECONDS = 5
TOKENS, DIM, INNER, LAYERS = 49152, 64, 128, 1


def make_model(folder):
    draw = numpy.random.default_rng(1)

    def weight(*shape):
        return (draw.standard_normal(shape) * 0.02).astype(numpy.float32)

    tensors = {"model.embed_tokens.weight": weight(TOKENS, DIM),
               "model.norm.weight": numpy.ones(DIM, numpy.float32)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{at}self_attn.{name}_proj.weight"] = weight(DIM, DIM)
        for name in ("gate", "up"):
            tensors[f"{at}mlp.{name}_proj.weight"] = weight(INNER, DIM)
        tensors[at + "mlp.down_proj.weight"] = weight(DIM, INNER)
        for name in ("input", "post_attention"):
            tensors[f"{at}{name}_layernorm.weight"] = numpy.ones(DIM, numpy.float32)
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": TOKENS,
              "hidden_size": DIM, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": 4, "num_key_value_heads": 4, "hidden_act": "silu",
              "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
              "torch_dtype": "float32"}
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)


def main():
    checks = Checks()
    tokenizer = real_model()
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder)
        figures = os.path.join(folder, "figures.json")
        done = subprocess.run(
            [sys.executable, os.path.join(ROOT, "tools/gpu/serve_check.py"), "--binary", BINARY,
             "--device", "cpu", "--model", folder, "--tokenizer", tokenizer, "--goldens",
             GOLDENS[0], "--many", "2", "--json", figures],
            capture_output=True, check=False, timeout=600, text=True,
            env={**os.environ, "INGOT_PROGRESS": "none"})
        lines = done.stdout.splitlines()
        for line in lines:
            print(f"     {line}")
        checks.equal((done.returncode, lines[-1:]), (0, ["0 failed"]), f"it passes {done.stderr}")
        good = [line for line in lines if line.startswith("ok ")]
        for what in ("fits its schema", "fits its regex", "one of the choices", "a forced call",
                     "held answers beside", "clients that left", "embeddings of roberta",
                     "embeddings of llama-mha", "ends with status 0"):
            checks.check(any(what in line for line in good), f"it judges: {what}")
        checks.check(os.path.exists(figures), "and keeps its figures")
    checks.finish()


if __name__ == "__main__":
    main()
