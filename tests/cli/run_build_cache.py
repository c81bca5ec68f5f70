"""Built engines: kept, not kept too long, tuned once; every golden case runs by --prompt-ids."""

import json
import os
import shutil
import struct
import tempfile
import time

from cli_harness import DATA, Checks, ingot, ingot_json, real_model

CASES = ["llama-mha", "llama3-gqa-rope", "qwen2-tied", "mistral-swa"]


def tensors_of(path):
    """The integers and floats of a safetensors file, by name."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    out = {}
    formats = {"I64": "q", "I32": "i", "F32": "f"}
    for name, info in header.items():
        if name == "__metadata__" or info["dtype"] not in formats:
            continue
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        code = formats[info["dtype"]]
        out[name] = list(struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}",
                                       data[begin:end]))
    return out


def check_golden(checks, case, env):
    directory = os.path.join(DATA, "goldens", case)
    golden = tensors_of(os.path.join(directory, "golden.safetensors"))
    compared = 0
    for name, prompt in golden.items():
        kind, _, index = name.partition(".")
        if kind != "input_ids" or f"greedy.{index}" not in golden:
            continue
        expected = golden[f"greedy.{index}"]
        found = ingot_json("run", directory, "--prompt-ids", ",".join(map(str, prompt)),
                           "--max-tokens", str(len(expected)), "--dtype", "float32", env=env)
        # An end token ends the answer; the reference went on.
        checks.equal(found["token_ids"], expected[:len(found["token_ids"])],
                     f"{case} prompt {index}: {len(found['token_ids'])} greedy tokens")
        compared += len(found["token_ids"])
    checks.check(compared > 8, f"{case}: {compared} tokens compared")


def check_replaced(checks, folder, env):
    """Another model at the same path: the cached engine of the first one must not answer."""
    env = dict(env, INGOT_LOG="info")  # says "built" when it builds
    model = os.path.join(folder, "model")
    prompt = ["--prompt-ids", "1,2,3,4,5", "--max-tokens", "8", "--dtype", "float32"]
    shutil.copytree(os.path.join(DATA, "goldens", "llama-mha"), model)
    started = ingot("run", model, *prompt, "--json", env=env)
    checks.check(b"built" in started.stderr, "a new model is built")
    first = json.loads(started.stdout)["token_ids"]
    again = ingot("run", model, *prompt, "--json", env=env)
    checks.check(b"built" not in again.stderr, "an unchanged model is served from the cache")
    checks.equal(json.loads(again.stdout)["token_ids"], first, "and answers the same")
    untuned = ingot("run", model, *prompt, "--json", env=dict(env, INGOT_TUNE_SECONDS="0"))
    checks.check(b"built" in untuned.stderr, "an engine without tuning is another one")
    weights = os.path.join(model, "model.safetensors")
    status = os.stat(weights)
    with open(weights, "r+b") as file:
        data = bytearray(file.read())
        (length,) = struct.unpack_from("<Q", data)
        body = data[8 + length:]
        data[8 + length:] = body[len(body) // 2 & ~1:] + body[:len(body) // 2 & ~1]
        file.seek(0)
        file.write(data)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    replaced = ingot("run", model, *prompt, "--json", env=env)
    checks.check(b"built" in replaced.stderr, "a model replaced at the same path, with the same "
                 "size and time, is built anew")
    checks.check(json.loads(replaced.stdout)["token_ids"] != first, "and answers otherwise")


def check_bound(checks, folder, env):
    """The cache keeps to its bound: what was used longest ago goes when an engine is stored."""
    env = dict(env, INGOT_CACHE_DIR=os.path.join(folder, "bounded"), INGOT_CACHE_LIMIT_GB="1")
    engines = os.path.join(env["INGOT_CACHE_DIR"], "engines")
    prompt = ["--prompt-ids", "1,2,3", "--max-tokens", "2"]

    def run(case, **more):
        done = ingot("run", os.path.join(DATA, "goldens", case), *prompt, env={**env, **more})
        checks.equal(done.returncode, 0, f"run of {case}: exit code")
        return done.stderr.decode()

    def stale(name, hours, size=600 << 20):
        """Something of that size in the cache (a hole takes no disk), last used hours ago."""
        path = os.path.join(engines, name)
        with open(path, "wb") as file:
            file.truncate(size)
        used = time.time() - 3600 * hours
        os.utime(path, (used, used))

    run("llama-mha")
    (first,) = os.listdir(engines)
    long_ago = time.time() - 3600 * 50
    os.utime(os.path.join(engines, first), (long_ago, long_ago))
    run("llama-mha")
    checks.check(os.path.getmtime(os.path.join(engines, first)) > time.time() - 3600,
                 "a run marks its cached engine as used")
    stale("oldest.engine", 30)
    stale("older.engine", 20)
    stale("other.file", 90)
    said = run("qwen2-tied", INGOT_CACHE_LIMIT_GB="0")
    checks.check("oldest.engine" in os.listdir(engines) and "deleted" not in said,
                 "0 is no limit")
    said = run("mistral-swa")
    left = os.listdir(engines)
    checks.check("oldest.engine" not in left and "oldest.engine" in said and
                 "INGOT_CACHE_LIMIT_GB" in said, f"the oldest goes, and it is said: {said!r}")
    checks.check("older.engine" in left and "older.engine" not in said and first in left,
                 "what fits stays")
    checks.check("other.file" in left, "files that are no engines stay")
    stale("huge.engine", -1, size=3 << 30)  # newer than all: everything else would go before it
    before = set(os.listdir(engines))
    said = run("llama3-gqa-rope")
    left = set(os.listdir(engines))
    checks.equal(len(left - before), 1, "the engine just stored, and running, stays")
    checks.equal(len([name for name in left if name.endswith(".engine")]), 1, "all others go")
    checks.check("huge.engine" in said, "each with a line")


def winners(engine, env):
    choices = {}
    for section in ingot_json("inspect", engine, env=env)["devices"]:
        for desc, choice in section["choices"].items():
            choices[desc] = (choice["kernel"], choice["tactic"])
    return choices


def check_tuning(checks, folder, env):
    model = real_model()
    engine = os.path.join(folder, "first.engine")
    first = ingot_json("build", model, "--output", engine, env=env)
    checks.check(first["timed"] > 0, f"the first build times {first['timed']} tactics")
    second = ingot_json("build", model, "--output", os.path.join(folder, "second.engine"), env=env)
    checks.equal(second["timed"], 0, "the second build times nothing")
    checks.check(second["cached"] > 0, f"it takes {second['cached']} times from the cache")
    checks.check(first["bytes"] <= 1.1 * os.path.getsize(model),
                 f"engine of {first['bytes']} bytes for a GGUF of {os.path.getsize(model)}")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = file.read()
    narrow_isa = "avx2" if "avx512bw" in flags else "scalar"
    narrow_env = {**env, "INGOT_CPU_ISA": narrow_isa}
    narrow_engine = os.path.join(folder, "narrow.engine")
    narrow = ingot_json("build", model, "--output", narrow_engine, env=narrow_env)
    checks.check(narrow["timed"] > 0, f"INGOT_CPU_ISA={narrow_isa} is timed on its own")
    wide_choice, narrow_choice = winners(engine, env), winners(narrow_engine, env)
    changed = [d for d in wide_choice if narrow_choice.get(d) != wide_choice[d]]
    checks.check(len(changed) > 0, f"and changes {len(changed)} of {len(wide_choice)} winners")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        env = {"INGOT_CACHE_DIR": os.path.join(folder, "cache"), "INGOT_PROGRESS": "none"}
        for case in CASES:
            check_golden(checks, case, env)
        check_replaced(checks, folder, env)
        check_bound(checks, folder, env)
        # A budget that no load of the machine exhausts: what it cuts off, the next build times.
        check_tuning(checks, folder, {"INGOT_CACHE_DIR": os.path.join(folder, "tuning"),
                                      "INGOT_PROGRESS": "none", "INGOT_TUNE_SECONDS": "600"})
    checks.finish()


if __name__ == "__main__":
    main()
