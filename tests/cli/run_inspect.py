"""ingot inspect says before loading whether a model will run, and names all that is in the way."""

import json
import os
import pty
import shutil
import struct
import subprocess
import tempfile

import onnx
from onnx import TensorProto, helper

from cli_harness import (BINARY, CASE, DATA, IDS, BadInput, Checks, ingot, ingot_json,
                         real_model)


def verdict(bad, path, what, runs=False):
    """The reasons as (kind, where), and as printed for people."""
    found = ingot("inspect", path, "--json", env=bad.env)
    bad.checks.equal(found.returncode, 0 if runs else 1, f"{what}: exit status")
    bad.checks.equal(found.stderr, b"", f"{what}: nothing on standard error")
    info = json.loads(found.stdout)
    bad.checks.equal(info["runs"], runs, f"{what}: runs")
    printed = ingot("inspect", path, env=bad.env)
    bad.checks.equal(printed.returncode, found.returncode, f"{what}: exit status for people")
    lines = printed.stdout.decode().splitlines()
    bad.checks.check(f"will run: {'yes' if runs else 'no'}" in lines, f"{what}: says so")
    for reason in info["reasons"]:
        bad.checks.equal(sorted(reason),
                         ["expected", "file", "found", "kind", "text", "where"], f"{what}: fields")
        bad.checks.check(any(line.split() == [reason["kind"], *reason["text"].split()]
                             for line in lines), f"{what}: prints {reason['text']!r}")
    return info["reasons"]


def places(reasons):
    return [(reason["kind"], reason["where"]) for reason in reasons]


def edit_tensors(path, edit):
    """Rewrites the header of a safetensors file; `edit` changes its entries by name."""
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entries, data = json.loads(file.read(size)), file.read()
    edit(entries)
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def check_runs(bad):
    reasons = verdict(bad, CASE, "a good model", runs=True)
    bad.checks.equal(reasons, [], "a good model: no reason")


def check_config_and_weights(bad):
    """Values of the config that leave the weights as they are, and weights, in one go."""
    folder = bad.model_with("faulty", hidden_act="tanh", rms_norm_eps=2, torch_dtype="float8",
                            rope_scaling={"rope_type": "spiral"})
    query, norm = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.input_layernorm.weight"
    down = "model.layers.1.mlp.down_proj.weight"

    def edit(entries):
        entries["stranger"] = entries.pop(query)
        entries[down]["shape"].reverse()
        entries[norm]["dtype"] = "I16"

    edit_tensors(os.path.join(folder, "model.safetensors"), edit)
    reasons = verdict(bad, folder, "config and weights")
    bad.checks.equal(sorted(places(reasons)), sorted([
        ("config", "hidden_act"), ("config", "rms_norm_eps"), ("config", "torch_dtype"),
        ("config", "rope_type"), ("weight", query), ("weight", down), ("weight", norm)]),
        "all of them are named")
    by_place = {reason["where"]: reason for reason in reasons}
    bad.checks.equal((by_place["hidden_act"]["expected"], by_place["hidden_act"]["found"]),
                     ("silu", "'tanh'"), "expected and found")
    bad.checks.equal((by_place[down]["expected"], by_place[down]["found"]),
                     ("shape [128, 256]", "[256, 128]"), "shapes")
    bad.checks.equal(by_place[norm]["found"], "int16", "a type that is no weight's")
    bad.refused("run says the config's faults in one line", "run", folder, *IDS,
                names=["'hidden_act'", "'rms_norm_eps'", "'torch_dtype'", "'rope_type'"])
    folder = bad.model_with("weights")
    edit_tensors(os.path.join(folder, "model.safetensors"), edit)
    bad.refused("run says the weights' faults in one line", "run", folder, *IDS,
                names=[f"tensor '{query}' is missing", f"'{down}': expected shape", f"'{norm}'"])


def check_sizes(bad):
    """What follows from a wrong size is not told as a fault of its own."""
    folder = bad.model_with("sizes", hidden_size=0, vocab_size="many", num_key_value_heads=3,
                            quantization_config={"quant_method": "awq"})
    bad.checks.equal(places(verdict(bad, folder, "sizes")), [
        ("config", "quantization_config"), ("config", "hidden_size"), ("config", "vocab_size"),
        ("config", "num_key_value_heads")], "sizes and quantization")


def check_texts(bad):
    folder = bad.model_with("texts", architectures=["LlamaForCausalML"])
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": [],
                   "normalizer": {"type": "Strange"}, "pre_tokenizer": {"type": "Stranger"},
                   "post_processor": None, "decoder": None}, file)
    with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as file:
        file.write("{% for m in messages %}\n{{ m.content ")
    reasons = verdict(bad, folder, "texts")
    bad.checks.equal([reason["kind"] for reason in reasons],
                     ["architecture", "tokenizer", "tokenizer", "template"], "texts: kinds")
    for reason, part in zip(reasons, ("did you mean 'LlamaForCausalLM'?", "normalizer 'Strange'",
                                      "pre-tokenizer 'Stranger'", "line 2")):
        bad.checks.check(part in reason["text"], f"texts: {part!r} in {reason['text']!r}")


def check_types(bad):
    """Element types that no tensor here has: the model cannot be opened, and all are named."""
    folder = bad.model_with("types")
    names = []

    def edit(entries):
        names.extend(sorted(set(entries) - {"__metadata__"})[:2])
        for name in names:
            entries[name]["dtype"] = "F8_E4M3"

    edit_tensors(os.path.join(folder, "model.safetensors"), edit)
    bad.checks.equal(sorted(places(verdict(bad, folder, "types"))),
                     [("weight", name) for name in names], "types: all are named")


def check_onnx(bad):
    """All operators without an import, by their nodes, and nodes that ask for what is not done."""
    nodes = [helper.make_node("Frobnicate", ["x"], ["a"], name="f1", domain="com.example"),
             helper.make_node("Frobnicate", ["x"], ["b"], name="f2", domain="com.example"),
             helper.make_node("NonZero", ["x"], ["c"], name="n1"),
             helper.make_node("Relu", ["a"], ["d"], name="behind"),
             helper.make_node("AveragePool", ["x"], ["e"], name="pool", kernel_shape=[1, 1],
                              auto_pad="SIDEWAYS"),
             helper.make_node("Elu", ["x"], ["g"], name="elu", strange=1)]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])],
        [helper.make_tensor_value_info("d", TensorProto.FLOAT, [1, 1, 4, 4])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                    helper.make_opsetid("com.example", 7)])
    path = bad.path("net.onnx")
    onnx.save(model, path)
    reasons = verdict(bad, path, "onnx")
    bad.checks.equal({reason["kind"] for reason in reasons}, {"op"}, "onnx: kinds")
    found = sorted(reason["text"] for reason in reasons)
    bad.checks.equal(len(found), 4, f"onnx: each of them: {found}")
    for part in ("2 nodes ('f1', 'f2'): expected a supported operator, found Frobnicate "
                 "(com.example opset 7)",
                 "node 'n1': expected a supported operator, found NonZero (ai.onnx opset 17)",
                 "node 'pool' (AveragePool opset 17): auto_pad SIDEWAYS",
                 "node 'elu' (Elu opset 17): attribute 'strange'"):
        bad.checks.check(part in found, f"onnx: {part!r}")
    bad.refused("build says them in one line", "build", path, "--output", bad.path("net.engine"),
                names=["'f1', 'f2'", "'n1'", "'pool'", "'elu'"])


def check_encoders(bad):
    """They give embeddings, in a way that a folder may state."""
    golden = os.path.join(DATA, "goldens", "roberta")
    bad.checks.equal(verdict(bad, golden, "an encoder", runs=True), [], "an encoder: no reason")
    info = json.loads(ingot("inspect", golden, "--json", env=bad.env).stdout)
    bad.checks.equal(info["task"], "embed", "an encoder: its task")
    info = json.loads(ingot("inspect", CASE, "--json", env=bad.env).stdout)
    bad.checks.equal(info["task"], "generate", "a decoder: its task")
    folder = bad.path("dense")
    shutil.copytree(golden, folder)
    with open(os.path.join(folder, "modules.json"), "w", encoding="utf-8") as file:
        json.dump([{"path": "", "type": "a.Transformer"}, {"path": "1", "type": "a.Dense"}], file)
    reasons = verdict(bad, folder, "an encoder with a module that is not computed")
    bad.checks.equal([kind for kind, _ in places(reasons)], ["embedding"], "its reason")
    bad.checks.check("a.Dense" in reasons[0]["text"], f"and its text: {reasons[0]['text']}")


def check_unanswered(bad):
    done = ingot("inspect", os.path.join(CASE, "model.safetensors"), "--json", env=bad.env)
    bad.checks.equal(json.loads(done.stdout)["kind"], "Hugging Face model", "a lone .safetensors")
    bad.refused("inspect of what is no model", "inspect", bad.path("none"), names=["none"])
    folder = bad.model_with("short")
    weights = os.path.join(folder, "model.safetensors")
    os.truncate(weights, os.path.getsize(weights) - 64)
    bad.refused("inspect of a file cut short", "inspect", folder, names=["model.safetensors"])


def check_controls(bad):
    """Names in files that would steer a terminal, or make two lines of one, are shown escaped."""
    evil = "a\x1b]0;title\x07\nwill run: yes\x9b31m"
    shown = "a\\x1b]0;title\\x07\\x0awill run: yes\\xc2\\x9b31m"
    folder = bad.model_with("controls")

    def add(entries):
        norm = next(name for name in entries if name.endswith("norm.weight"))
        entries[evil] = entries.pop(norm)

    edit_tensors(os.path.join(folder, "model.safetensors"), add)
    more = bad.model_with("controls-more")
    edit_tensors(os.path.join(more, "model.safetensors"), lambda entries: entries.update(
        {evil: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}))
    steering = bad.model_with("m" + evil)
    net = bad.path("controls.onnx")
    graph = helper.make_graph(
        [helper.make_node("Neg", [evil], ["y"], name=evil)], "g",
        [helper.make_tensor_value_info(evil, TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10),
              net)
    for what, arguments in {"a tensor that is missing": ["inspect", folder],
                            "one too many": ["inspect", more],
                            "a warning": ["run", more, *IDS],
                            "a network's input": ["inspect", net],
                            "a random input": ["exec", net],
                            "a flag": ["run", CASE, "--" + evil],
                            "a path": ["run", bad.path(evil), *IDS],
                            "plan's model": ["plan", steering],
                            "bench's model": ["bench", "latency", steering, "--isl", "4", "--osl",
                                              "2", "--repeat", "1"]}.items():
        done = ingot(*arguments, env=bad.env)
        text = (done.stdout + done.stderr).decode()
        spaced = shown.replace("\\x0a", " ")  # an error's line breaks are spaces
        bad.checks.check(shown in text or spaced in text,
                         f"controls, {what}: shown escaped: {text[-300:]!r}")
        bad.checks.check("\x1b" not in text and "\x9b" not in text and "\x07" not in text,
                         f"controls, {what}: not raw")
        bad.checks.equal(text.splitlines().count("will run: yes\x9b31m"), 0,
                         f"controls, {what}: no line of its own")
    printed = ingot("inspect", net, "--json", env=bad.env).stdout.decode()
    bad.checks.check("\\u009b31m" in printed and "\x9b" not in printed,
                     f"controls, as JSON: shown escaped: {printed[-300:]!r}")
    bad.checks.check(repr(evil) in repr(json.loads(printed)), "controls, as JSON: the very name")


def check_terminal(bad):
    """What a model writes reaches a terminal without controls, and others as it is."""
    ids = ingot_json("tokenize", real_model(), "a\x1b[31m\tb")["ids"]
    command = [BINARY, "detokenize", real_model(), ",".join(map(str, ids))]
    done = subprocess.run(command, capture_output=True, check=False)
    bad.checks.equal(done.stdout, b"a\x1b[31m\tb\n", "detokenize into a pipe: the very text")
    ours, its = pty.openpty()
    subprocess.run(command, stdout=its, check=False)
    os.close(its)
    shown = os.read(ours, 4096)
    os.close(ours)
    bad.checks.equal(b"".join(shown.split()), b"a[31mb", f"and to a terminal: {shown!r}")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_runs(bad)
        check_config_and_weights(bad)
        check_sizes(bad)
        check_texts(bad)
        check_types(bad)
        check_onnx(bad)
        check_encoders(bad)
        check_unanswered(bad)
        check_controls(bad)
        check_terminal(bad)
    checks.finish()


if __name__ == "__main__":
    main()
