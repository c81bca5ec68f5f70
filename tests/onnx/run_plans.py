"""Plans and their memory: one Llama block, written in ONNX and read by models/llama.cc, is the same
GEMMs, norms, rotations and activations in the same order; the arenas of SmolLM2 and ResNet-50.

DEV_INGOT_UPDATE_GOLDEN=1 writes tests/data/plans/llama-block-*.txt anew.
"""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "tests", "cli")]
import models  # noqa: E402
from cli_harness import DATA, Checks, ingot, ingot_json, real_model  # noqa: E402

BOUND = os.path.join(ROOT, "tools", "arena_bound.py")
SHARED = {"linear", "rms_norm", "add_rms_norm", "rope", "act_mul"}
FUSED = "rope_kv_append"  # two rotations and the append to the KV pages, which ONNX has not
ONE_BLOCK = ["rms_norm", "linear", "rope", "rope", "linear", "add_rms_norm", "linear", "act_mul",
             "linear"]
TOKENS = 9
STEP = re.compile(r"  (%\S.*?) = (?:view )?(\w+)\((.*?)\)( \{.*\})? : (.*)$", re.MULTILINE)


def write_llama(folder, model):
    """The block's weights as a Hugging Face model of one layer with a small vocabulary."""
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    random = np.random.default_rng(8)
    layer = "model.layers.0."
    tensors = {
        "model.embed_tokens.weight": random.standard_normal((32, 64)),
        "model.norm.weight": np.ones(64), "lm_head.weight": random.standard_normal((32, 64)),
        layer + "input_layernorm.weight": weights["norm1"],
        layer + "post_attention_layernorm.weight": weights["norm2"]}
    for ours, name in {"self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v",
                       "self_attn.o_proj": "o", "mlp.gate_proj": "gate", "mlp.up_proj": "up",
                       "mlp.down_proj": "down"}.items():
        tensors[f"{layer}{ours}.weight"] = weights[name].T
    header, data = {}, b""
    for name, array in tensors.items():
        array = np.ascontiguousarray(array, np.float32)
        header[name] = {"dtype": "F32", "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32,
              "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1,
              "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
              "rope_theta": 10000.0, "max_position_embeddings": 64, "hidden_act": "silu",
              "tie_word_embeddings": False, "torch_dtype": "float32"}
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)


def execute(folder, model, inputs, *flags):
    """What `ingot exec` prints to standard error, and its report."""
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    arguments = ["exec", path, "--json", *flags]
    for i, (name, array) in enumerate(inputs.items()):
        file = os.path.join(folder, f"input_{i}.npy")
        np.save(file, array)
        arguments += ["--load-inputs", f"{name}:{file}"]
    done = ingot(*arguments)
    if done.returncode != 0:
        sys.exit(f"exec: {done.stderr.decode()}")
    return done.stderr.decode(), json.loads(done.stdout)


def built(folder, source, name, **env):
    """An engine made by rule, and what building printed: the plan."""
    engine = os.path.join(folder, name)
    done = ingot("build", source, "--no-tune", "--print-plan", "--output", engine,
                 env={"INGOT_PROGRESS": "none", **env})
    if done.returncode != 0:
        sys.exit(f"build: {done.stderr.decode()}")
    return engine, done.stderr.decode()


def plan_of(printed):
    """The plan alone, without limits and memory."""
    begin = printed.index("plan ")
    return printed[begin:printed.index("\nlimits", begin) + 1]


def steps_of(plan, last):
    """(op, attributes, output width) of the shared steps up to the `last` linear."""
    out = [(op, attrs.strip(), int(re.search(r"(\d+)\]", types)[1]))
           for _, op, _, attrs, types in STEP.findall(plan) if op in SHARED or op == FUSED]
    linears = [i for i, step in enumerate(out) if step[0] == "linear"]
    return out[:linears[last] + 1]


def unfused(steps):
    """rope_kv_append as the two rotations it is made of; widths of rotations are left out."""
    out = []
    for op, attrs, *rest in steps:
        rotation = op in (FUSED, "rope")
        out += [("rope" if rotation else op, attrs, *([] if rotation else rest))] * (
            2 if op == FUSED else 1)
    return out


def check_golden(checks, name, plan):
    path = os.path.join(DATA, "plans", f"llama-block-{name}.txt")
    if os.environ.get("DEV_INGOT_UPDATE_GOLDEN"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(plan)
    with open(path, encoding="utf-8") as file:
        checks.equal(plan, file.read(), f"llama block, {name}: the plan as in {path}")


def kernels_of(steps, last):
    """(op, kernel) of the shared steps up to the `last` linear."""
    out = [(step["op"], step["kernel"]) for step in steps
           if step["op"] in SHARED or step["op"] == FUSED]
    linears = [i for i, step in enumerate(out) if step[0] == "linear"]
    return out[:linears[last] + 1]


def check_block(checks, folder):
    model, inputs = models.llama_block(tokens=TOKENS)
    printed, report = execute(folder, model, inputs, "--print-plan", "--profile")
    source = os.path.join(folder, "llama")
    os.mkdir(source)
    write_llama(source, model)
    engine, text = built(folder, source, "block.engine")
    from_onnx, from_hf = plan_of(printed), plan_of(text)
    check_golden(checks, "onnx", from_onnx)
    check_golden(checks, "hf", from_hf)
    onnx_steps, hf_steps = steps_of(from_onnx, 3), steps_of(from_hf, 3)
    checks.equal([op for op, *_ in onnx_steps], ONE_BLOCK, "llama block, ONNX: its steps")
    checks.equal(unfused(hf_steps), unfused(onnx_steps),
                 "llama block: one sequence of steps, attributes and widths from both")
    # Kernels: as built, where the rotation is fused with the append, and with that fusion off.
    fast = kernels_of(report["profile"], 3)
    checks.check(all(kernel != "reference" for _, kernel in fast), f"no reference kernel: {fast}")
    fused = kernels_of(ingot_json("compare", engine, "--tokens", str(TOKENS))["steps"], 3)
    joined = [(FUSED, fast[2][1].replace("rope", FUSED)) if i == 2 else step
              for i, step in enumerate(fast) if i != 3]
    checks.equal(fused, joined, "llama block: the same kernels, the rotation's fused twin")
    plain, _ = built(folder, source, "plain.engine", INGOT_DISABLE_PASSES="fuse_rope_kv_append")
    found = kernels_of(ingot_json("compare", plain, "--tokens", str(TOKENS))["steps"], 3)
    checks.equal(found, fast, "llama block, KV append apart: exactly the same kernels")


def bound(text):
    done = subprocess.run([sys.executable, BOUND], input=text, capture_output=True, text=True,
                          check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def check_arena(checks, name, text):
    status, said = bound(text)
    checks.check(status == 0 and "from the plan's" in said, f"{name}: {said}")
    # The script sees a life that ends early, an item left out, and a loose arena.
    header = re.search(r"^arena (\d+) bound (\d+)$", text, re.MULTILINE)
    item = re.compile(r"^(\S+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
    long_lived = next(m for m in item.finditer(text) if int(m[4]) > int(m[3]))
    early = f"{long_lived[1]} {long_lived[2]} {long_lived[3]} {long_lived[3]} {long_lived[5]}"
    loose = f"arena {int(header[2]) * 12 // 10} bound {header[2]}"
    for what, changed in {
            "a life cut short": text.replace(long_lived[0], early),
            "an item left out": text.replace(long_lived[0] + "\n", ""),
            "an arena of 1.2 times the bound": text.replace(header[0], loose)}.items():
        checks.equal(bound(changed)[0], 1, f"{name}: {what} is seen")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        check_block(checks, folder)
        _, printed = built(folder, real_model(), "smollm2.engine")
        check_arena(checks, "SmolLM2", printed)
        model, inputs = models.light("resnet50")
        check_arena(checks, "ResNet-50", execute(folder, model, inputs, "--print-plan")[0])
    checks.finish()


if __name__ == "__main__":
    main()
