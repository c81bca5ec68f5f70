"""Bad files, prompts and flags: one error line naming the place, exit code 1 or 2, no debris."""

import contextlib
import ctypes
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from cli_harness import (BINARY, CASE, IDS, BadInput, Checks, ingot, ingot_json, one_error_line,
                         real_model)


def check_models(bad):
    gguf = real_model()
    size = os.path.getsize(gguf)
    for part in (3, 100, 5000, size // 2, size - 1):
        cut = bad.copy(gguf, "cut.gguf", part)
        says = ["cut.gguf", f"after {part} bytes"] if part in (100, size // 2, size - 1) else \
            ["cut.gguf"]
        bad.refused(f"GGUF cut to {part} bytes", "run", cut, "Hi", names=says)
    bad.refused("missing file", "run", bad.path("none.gguf"), "Hi", names=["none.gguf"])
    other = bad.model_with("mamba", architectures=["MambaForCausalLM"], model_type="mamba")
    bad.refused("unknown architecture", "run", other, *IDS, names=["Mamba"])
    huge = bad.model_with("huge", hidden_size=2**62)
    bad.refused("a hidden size that overflows", "run", huge, *IDS)
    negative = bad.model_with("negative", num_hidden_layers=-1)
    bad.refused("a negative layer count", "run", negative, *IDS)
    text = bad.model_with("text", hidden_size="many")
    bad.refused("a size that is no number", "run", text, *IDS, names=["hidden_size"])
    more = bad.model_with("more", num_hidden_layers=3)
    bad.refused("missing tensors", "run", more, *IDS, names=["tensor"])
    broken = bad.model_with("broken")
    with open(os.path.join(broken, "config.json"), "w", encoding="utf-8") as file:
        file.write('{"hidden_size": ')
    bad.refused("config.json cut short", "run", broken, *IDS, names=["config.json", "byte"])
    short = bad.model_with("short")
    weights = os.path.join(short, "model.safetensors")
    os.truncate(weights, os.path.getsize(weights) - 64)
    bad.refused("safetensors cut short", "run", short, *IDS, names=["model.safetensors"])
    locked = bad.path("locked")
    os.mkdir(locked, 0o000)
    if os.geteuid() != 0:
        bad.refused("unreadable directory", "run", locked, *IDS, names=["locked"])
    else:  # root reads every directory: it is refused for holding nothing
        bad.refused("empty directory", "run", locked, *IDS, names=["locked"])
    os.chmod(locked, 0o700)


def check_engines(bad):
    engine = bad.path("small.engine")
    ingot_json("build", CASE, "--output", engine, env=bad.env)
    with open(engine, "rb") as file:
        data = bytearray(file.read())
    for part in (0, 10, 64, len(data) // 2, len(data) - 1):
        bad.copy(engine, "cut.engine", part)
        bad.refused(f"engine cut to {part} bytes", "run", bad.path("cut.engine"), *IDS)
    # Hashes cover everything but padding, which is checked to be zero: no flipped bit passes.
    table = data[12] * 64 + 64  # header and section table
    chance = random.Random(7)
    places = [0, 7, 8, 12, 16, 20, 24, 40, 41, 63, 64, 100, table - 1, table, 4095, len(data) - 1]
    places += [chance.randrange(table, len(data)) for _ in range(16)]
    flipped = bad.copy(engine, "flipped.engine")
    for place in places:
        with flipped_bit(flipped, place, chance.randrange(8)) as what:
            bad.refused(f"engine, {what}", "run", flipped, *IDS, names=["flipped.engine"])
    bad.checks.equal(ingot("run", flipped, *IDS, env=bad.env).returncode, 0, "the mended engine")


@contextlib.contextmanager
def flipped_bit(path, place, bit):
    """The file with one bit of one byte turned, mended afterwards; gives words for it."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))
        yield f"bit {bit} of byte {place} flipped"
        file.seek(place)
        file.write(bytes([byte]))


def check_flip(bad, path, place, bit, field, arguments, expected):
    """A flip in a file without hashes: an error line, or the same answer where `field` may say so.

    Fields whose flips can mean nothing are marked with a "?": there, success with the very same
    tokens passes.
    """
    with flipped_bit(path, place, bit) as what:
        done = ingot("run", path if path.endswith(".gguf") else os.path.dirname(path), *arguments,
                     "--json", env=bad.env, timeout=120)
    what = f"{os.path.basename(path)}, {field}: {what}"
    if done.returncode == 0 and field.endswith("?"):
        bad.checks.equal(json.loads(done.stdout)["token_ids"], expected, f"{what}: void")
        return
    bad.checks.equal(done.returncode, 1, f"{what}: exit code")
    bad.checks.check(one_error_line(done) is not None, f"{what}: {done.stderr[:300]!r}")


def check_safetensors_flips(bad):
    """Header length and header. Tensor data carries no hash in this format."""
    path = os.path.join(bad.model_with("flips"), "model.safetensors")
    expected = ingot_json("run", os.path.dirname(path), *IDS, env=bad.env)["token_ids"]
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = file.read(size).decode()
    # Words in __metadata__ change nothing.
    words = re.search(r'"__metadata__":\s*(\{.*?\})', header)
    chance = random.Random(11)
    places = list(range(8)) + [8, 7 + size] + [8 + chance.randrange(size) for _ in range(50)]
    places += [8 + words.start(1) + 3] if words else []
    for place in places:
        void = words and words.start(1) <= place - 8 < words.end(1)
        field = "header length" if place < 8 else "metadata?" if void else "header"
        check_flip(bad, path, place, chance.randrange(7), field, IDS, expected)


class Gguf:
    """Where a GGUF file's structural fields lie: (name, offset, bytes)."""

    WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    STRING, ARRAY = 8, 9

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read(1 << 24)
        # Version 2 has the same layout as 3, so that one flip there means nothing.
        self.fields = [("magic", 0, 4), ("version?", 4, 4)]
        self.at = 8
        tensors, pairs = self.number("tensor count", 8), self.number("pair count", 8)
        for _ in range(pairs):
            key = self.string("key length")
            kind = self.number(f"type of {key}", 4)
            self.value(key, kind)
        for _ in range(tensors):
            name = self.string("name length")
            dims = self.number(f"rank of {name}", 4)
            for d in range(dims):
                self.number(f"dimension {d} of {name}", 8)
            self.number(f"type of {name}", 4)
            self.number(f"offset of {name}", 8)

    def number(self, field, size):
        self.fields.append((field, self.at, size))
        self.at += size
        return int.from_bytes(self.data[self.at - size:self.at], "little")

    def string(self, field):
        size = self.number(field, 8)
        self.at += size
        return self.data[self.at - size:self.at].decode(errors="replace")

    def value(self, key, kind):
        if kind == self.STRING:
            self.string(f"length of {key}")
        elif kind == self.ARRAY:
            inner, count = self.number(f"item type of {key}", 4), self.number(f"count of {key}", 8)
            for _ in range(count):
                if inner == self.STRING:
                    self.at += 8 + int.from_bytes(self.data[self.at:self.at + 8], "little")
                else:
                    self.at += self.WIDTHS[inner]
        else:
            self.number(f"value of {key}", self.WIDTHS[kind])


# Values that a weight's shape must agree with; a flip in any other value is another valid model.
SHAPING = ("block_count", "embedding_length", "feed_forward_length", "head_count", "head_count_kv")


def check_gguf_flips(bad):
    """Counts, lengths, types, dimensions, offsets. Tensor data carries no hash in this format."""
    path = bad.copy(real_model(), "flips.gguf")
    prompt = ["--raw", "Hi", "--max-tokens", "2"]
    expected = ingot_json("run", path, *prompt, env=bad.env)["token_ids"]
    fields = [f for f in Gguf(path).fields if not f[0].startswith("value of") or
              f[0].rsplit(".", 1)[-1] in SHAPING]
    chance = random.Random(13)
    head = fields[:4] + [f for f in fields if f[0].startswith("value of")]
    rest = [f for f in fields if f not in head]
    for field, offset, size in head + chance.sample(rest, 60):
        check_flip(bad, path, offset + chance.randrange(size), chance.randrange(8), field, prompt,
                   expected)


def check_prompts(bad):
    model = real_model()
    tokens = "word " * 9000
    bad.refused("prompt longer than the context", "run", model, "--raw", tokens,
                names=["8192", "900"])
    bad.refused("prompt longer than --max-seq-len", "run", model, "Hi", "--max-seq-len", "8",
                names=["8"])
    for flags in (["--raw"], []):
        bad.refused(f"invalid UTF-8 in the prompt {flags}", "run", model, *flags,
                    stdin=b"caf\xe9 au lait", names=["byte 3", "UTF-8"])
    bad.refused("empty prompt", "run", model, "--raw", code=2, stdin=b"",
                    names=["prompt"])
    def ids(*arguments):
        return ingot_json("run", model, *arguments, "--max-tokens", "1",
                          env=bad.env)["prompt_token_ids"]

    ended = ids("--raw", "Hi<|im_end|>")
    bad.checks.equal(ended[:-1], ids("--raw", "Hi"), "raw: a control token is one token")
    bad.checks.equal(ids("Hi<|im_end|>").count(ended[-1]), ids("Hi").count(ended[-1]),
                     "behind the chat template it is text")
    said = " ".join(ingot("run", "--help").stdout.decode().split())
    bad.checks.check("control tokens" in said, "run --help says what --raw does with them")
    bad.refused("prompt id outside the vocabulary", "run", CASE, "--prompt-ids", "1,99999999",
                names=["99999999"])
    bad.refused("a text for a model without tokenizer", "run", CASE, "Hi", names=["tokenizer"])


def check_usage(bad):
    for what, arguments in {
            "no command": [], "unknown command": ["fly"], "unknown flag": ["run", CASE, "--fly"],
            "no model": ["run"], "text for a number": ["run", CASE, "--max-tokens", "many"],
            "ids that are none": ["run", CASE, "--prompt-ids", "1,x"],
            "prompt and ids": ["run", CASE, "Hi", "--prompt-ids", "1"],
            "unknown progress": ["run", CASE, "--progress", "loud"],
            "bench of nothing": ["bench", CASE, "--repeat", "0"]}.items():
        bad.refused(what, *arguments, code=2)


def check_dtypes(bad):
    """Only what models compute in is a --dtype; nothing is written or built before the refusal."""
    target = bad.path("dtypes.out")
    for dtype in ("float12", "q4_1", "q8_0", "int8", "int32", "int64", "uint8", "bool", "float64"):
        for what, arguments in {
                "run": ["run", CASE, *IDS, "--dtype", dtype],
                "run, cache": ["run", CASE, *IDS, "--kv-dtype", dtype],
                "build": ["build", CASE, "--output", target, "--dtype", dtype],
                "build, cache": ["build", CASE, "--output", target, "--kv-dtype", dtype],
                "convert": ["convert", CASE, "--output", target, "--dtype", dtype],
                "compare": ["compare", CASE, "--dtype", dtype],
                "conformance": ["conformance", CASE, "--dtype", dtype],
                "conformance, arithmetic": ["conformance", CASE, "--arithmetic", dtype]}.items():
            bad.refused(f"{what} with dtype {dtype}", *arguments, code=2,
                        names=["float32", "bfloat16", "float16", dtype])
    bad.checks.check(not os.path.exists(target), "a wrong dtype writes nothing")


def rewrite_safetensors(folder, change):
    """Hands the header of the folder's weights to `change` and writes what it made of it."""
    path = os.path.join(folder, "model.safetensors")
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def check_weight_types(bad):
    """Weights of integers or truth values are no plain numbers; nor is every text a dtype."""
    name = "model.layers.0.self_attn.q_proj.weight"
    for dtype, size, found in (("I8", 1, "int8"), ("U8", 1, "uint8"), ("I32", 4, "int32"),
                               ("I64", 8, "int64"), ("BOOL", 1, "bool")):
        folder = bad.model_with(f"weights-{dtype}")

        def change(header, dtype=dtype, size=size):
            entry = header[name]
            begin, end = entry["data_offsets"]
            last = max(e["data_offsets"][1] for k, e in header.items() if k != "__metadata__")
            count = entry["shape"][0] * entry["shape"][1] * size
            entry.update(dtype=dtype, data_offsets=[last, last + count])
            header["filler"] = {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}

        rewrite_safetensors(folder, change)
        with open(os.path.join(folder, "model.safetensors"), "ab") as file:
            file.write(bytes(1 << 20))
        shrink_to_data(folder)
        for command in (["run", folder, *IDS], ["build", folder, "--output", bad.path("w.engine")]):
            bad.refused(f"{command[0]} of {dtype} weights", *command,
                        names=["model.safetensors", name, "expected", found])
    bad.checks.check(not os.path.exists(bad.path("w.engine")), "integer weights write no engine")
    for value in ("abc", 5, "int8"):
        for key in ("torch_dtype", "dtype"):
            folder = bad.model_with(f"{key}-{value}", **{key: value})
            bad.refused(f"{key} {value!r}", "run", folder, *IDS, names=["config.json", "dtype"])


def shrink_to_data(folder):
    """Cuts what lies behind the last tensor."""
    path = os.path.join(folder, "model.safetensors")
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    last = max(e["data_offsets"][1] for k, e in header.items() if k != "__metadata__")
    os.truncate(path, 8 + size + last)


def check_own_source(bad):
    """A build does not write over what it reads."""
    gguf = bad.copy(real_model(), "own.gguf")
    os.link(gguf, bad.path("twin.gguf"))
    folder = bad.model_with("own")
    weights = os.path.join(folder, "model.safetensors")
    for model, output in ((gguf, gguf), (gguf, bad.path("twin.gguf")), (folder, weights),
                          (folder, os.path.join(folder, "config.json")), (folder, folder),
                          (weights, os.path.join(folder, "config.json"))):
        size = os.path.getsize(output)
        bad.refused(f"build of {model} into {output}", "build", model, "--output", output, code=2,
                    names=["--output", output])
        bad.checks.equal(os.path.getsize(output), size, f"{output} is as it was")
    engine = os.path.join(folder, "small.engine")
    for _ in range(2):  # an engine in the model's folder may be replaced
        ingot_json("build", folder, "--output", engine, env=bad.env)


def check_full_target(bad):
    """A checkpoint goes into a new or empty folder; anything else is refused before any work, so
    before the model (which does not even exist here) is looked at."""
    full = bad.path("full")
    os.mkdir(full)
    kept = os.path.join(full, "notes.txt")
    with open(kept, "w", encoding="utf-8") as file:
        file.write("mine")
    for target in (full, full + "/", kept):
        bad.refused(f"convert into {target}", "convert", bad.path("none.gguf"), "--output", target,
                    names=[target, "expected a new or empty directory"])
    bad.checks.equal(os.listdir(full), ["notes.txt"], "the full folder is as it was")
    empty = bad.path("empty")
    os.mkdir(empty)
    for target in (empty, bad.path("new")):
        ingot_json("convert", CASE, "--output", target, env=bad.env)
        bad.checks.check(os.path.exists(os.path.join(target, "config.json")),
                         f"convert into {target} writes it")
    bad.refused("convert twice", "convert", CASE, "--output", empty, names=[empty])


def check_lost_output(bad):
    """What cannot be printed fails: a full disk, a pipe without reader, a closed stream."""
    for what, command in {"run": ["run", CASE, *IDS], "run --json": ["run", CASE, *IDS, "--json"],
                          "knobs": ["knobs"], "version": ["version", "--json"], "help": ["--help"],
                          "inspect": ["inspect", CASE]}.items():
        for where in (">/dev/full", ">&-", ">&$GONE"):
            reader, writer = os.pipe()
            os.close(reader)  # before the program starts
            done = subprocess.run(["bash", "-c", f'"$0" "$@" {where}', BINARY, *command],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                  pass_fds=[writer],
                                  env={**os.environ, **bad.env, "GONE": str(writer)})
            os.close(writer)
            bad.checks.equal(done.returncode, 1, f"{what} {where}: exit code")
            bad.checks.check(b"standard output" in done.stderr,
                             f"{what} {where}: says so: {done.stderr[:300]!r}")


HUGE = "9223372036854775807"


def check_flag_values(bad):
    """A value no run could take is wrong usage, found before any work and named."""
    onnx = bad.path("none.onnx")  # never opened
    for command, flags in {
            ("run", CASE, *IDS): {
                "max-tokens": "0", "temperature": ("-1", "nan", "inf"), "top-k": ("-1", HUGE),
                "top-p": ("0", "2", "nan"), "min-p": "-1", "seed": "-1", "logprobs": HUGE,
                "repetition-penalty": "0", "presence-penalty": "nan", "device": "abacus",
                "max-seq-len": ("-1", HUGE), "threads": ("-1", "1025", "many")},
            ("build", CASE, "--output", bad.path("flags.engine")): {
                "max-batch-size": ("0", HUGE), "max-num-tokens": ("0", HUGE),
                "max-seq-len": ("0", HUGE), "device": "abacus"},
            ("plan",): {"random-weights": "nope"},
            ("bench", "throughput"): {"random-weights": "nope"},
            ("build",): {"random-weights": "nope"},
            ("serve", CASE, "--port", "0"): {"kv-tokens": ("-1", HUGE, "9223372036854775800",
                                                           "34359738369"),
                                             "max-num-seqs": ("0", HUGE)},
            ("bench", CASE): {"prompt-tokens": HUGE, "decode-tokens": HUGE, "batch": HUGE},
            ("compare", CASE): {"tokens": ("0", HUGE), "tolerance": ("-1", "nan")},
            ("exec", onnx): {"iterations": "0", "load-inputs": ("x", "x:", ":x"),
                            "tune-seconds": "-1"}}.items():
        for flag, values in flags.items():
            for value in (values,) if isinstance(values, str) else values:
                bad.refused(f"{command[0]} --{flag} {value}", *command, f"--{flag}={value}", code=2,
                            names=[f"--{flag}", value])
    for name, value in (("LOG", "foo"), ("HUB_OFFLINE", "x"), ("TUNE_SECONDS", "-2"),
                        ("SPIN_US", "-1"), ("LOOP_SIZES", "many"), ("OVERLAP", "2"),
                        ("CACHE_LIMIT_GB", "-1"), ("DISABLE_PASSES", "nope"),
                        ("THREADS", "1025"), ("THREADS", "many"), ("CPU_ISA", "avx3")):
        bad.refused(f"INGOT_{name}={value}", "run", CASE, *IDS, code=2,
                    names=[f"INGOT_{name}", value], env={f"INGOT_{name}": value})
    bad.refused("--top-p 0", "run", CASE, *IDS, "--top-p", "0", code=2,
                names=["expected more than 0 and at most 1, found 0"])
    bad.refused("--threads many beside INGOT_THREADS=2", "run", CASE, *IDS, "--threads", "many",
                code=2, names=["--threads", "many"], env={"INGOT_THREADS": "2"})
    bad.refused("compare beyond the context", "compare", CASE, "--tokens", "1000000",
                names=["--tokens", "1000000"])
    done = ingot("run", CASE, *IDS, "--max-seq-len", "1000000", env=bad.env)
    bad.checks.equal(done.returncode, 0, "--max-seq-len beyond the context runs")
    bad.checks.check(b"--max-seq-len" in done.stderr, "--max-seq-len beyond the context: a note")


def check_tokenizers(bad):
    """Flags that a built engine cannot obey, tokenizers that are none, formats by their names."""
    engine = bad.path("tokens.engine")
    ingot_json("build", CASE, "--output", engine, env=bad.env)
    for flag, value in (("--kv-dtype", "float16"), ("--tokenizer-dir", CASE), ("--dtype", "bf16")):
        bad.refused(f"{flag} with an engine", "run", engine, *IDS, flag, value, names=[flag])
    bad.refused("a --tokenizer-dir without tokenizer", "build", CASE, "--output", engine,
                "--tokenizer-dir", CASE, names=["--tokenizer-dir"])
    folder = bad.model_with("sentencepiece")  # tokenizer.model alone
    model = os.path.join(folder, "tokenizer.model")
    unknown = b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"
    letter = b"\n\x0a\n\x01a\x15\0\0\x80\xbf\x18\x01"
    with open(model, "wb") as file:
        file.write(unknown + letter)
    done = ingot("tokenize", folder, "--jsonl", env=bad.env, stdin=b'"aza"\n')
    bad.checks.equal(done.stdout.strip(), b'{"ids":[0,1,0,1]}', "a tokenizer.model alone")
    with open(model, "wb") as file:
        file.write(unknown + letter + b"\x12\x02\x18\x03")  # model_type WORD
    says = [model, "model_type", "3 (WORD)"]
    bad.refused("run with a tokenizer.model of words", "run", folder, "Hi", names=says)
    bad.refused("the same from the cache", "run", folder, "Hi", names=says)
    bad.refused("tokenize with it", "tokenize", folder, "Hi", names=says)
    bad.refused("a --tokenizer-dir with it", "build", CASE, "--output", engine, "--tokenizer-dir",
                folder, names=["--tokenizer-dir", *says])
    ingot_json("build", folder, "--output", engine, env=bad.env)
    bad.refused("an engine of it", "run", engine, "Hi", names=says)
    bad.checks.equal(ingot("run", folder, *IDS, env=bad.env).returncode, 0, "ids do not need it")
    with open(model, "wb") as file:
        file.write(unknown[:9])
    bad.refused("run with half a tokenizer.model", "run", folder, "Hi", names=[model, "offset 2"])
    check_tokenizer_json(bad)
    for ending in (".model", ".tiktoken"):
        path = bad.path("vocab" + ending)
        with open(path, "wb") as file:
            file.write(b"some bytes of it")
        bad.refused(f"a {ending} file", "tokenize", path, "Hi", names=[path])
    bad.refused("an id past the vocabulary", "detokenize", real_model(), "1,49152",
                names=["ids: id 49152", "0 to 49151"])
    done = ingot("detokenize", real_model(), "1,x", env=bad.env)
    bad.checks.equal(done.returncode, 2, "ids that are none: exit code")
    bad.checks.check(b"prompt-ids" not in done.stderr, "detokenize names no flag of another")


def check_tokenizer_json(bad):
    """A build opens the tokenizer: no engine holds one that cannot be opened."""
    folder = bad.model_with("tokenizer-json")
    path = os.path.join(folder, "tokenizer.json")
    engine = bad.path("json.engine")
    for text, found in (('{"model":{"type":"BPE"}}', "vocab"),
                        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull")):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        for command in (["build", folder, "--output", engine], ["run", folder, *IDS]):
            bad.refused(f"{command[0]} with {text}", *command, names=[path, found])
        bad.checks.check(not os.path.exists(engine), "a tokenizer that is none: no engine")
    with open(path, "w", encoding="utf-8") as file:  # well-formed, of a kind that is not supported
        file.write('{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},'
                   '"normalizer":{"type":"Strange"}}')
    ingot_json("build", folder, "--output", engine, env=bad.env)
    bad.refused("an engine without it", "run", engine, "Hi", names=[path, "Strange"])
    bad.checks.equal(ingot("run", engine, *IDS, env=bad.env).returncode, 0, "ids do not need it")
    bad.refused("a --tokenizer-dir of it", "build", CASE, "--output", engine, "--tokenizer-dir",
                folder, names=["--tokenizer-dir", path, "Strange"])


def check_no_debris(bad):
    """A build that runs out of disk (a 64 KB limit on file size stands in) leaves no file."""
    target = bad.path("debris")
    os.mkdir(target)
    script = 'ulimit -f 64; exec "$0" build "$1" --output "$2/a.engine"'
    done = subprocess.run(["bash", "-c", script, BINARY, CASE, target], capture_output=True,
                          check=False, env={**os.environ, **bad.env})
    bad.checks.equal(done.returncode, 1, "disk full during build: exit code")
    bad.checks.check(b"a.engine" in done.stderr, f"disk full: names the file: {done.stderr!r}")
    bad.checks.equal(os.listdir(target), [], "disk full: no half-written file")


def check_interrupted(bad):
    """Signals remove what is half-written; what a killed process left goes with the next write."""
    target = bad.path("interrupted")
    os.mkdir(target)
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name, output, command in (("engine", "a.engine", "build"), ("checkpoint", "c", "convert")):
        output = os.path.join(target, output)
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([BINARY, command, real_model(), "--output", output],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env={**os.environ, **bad.env})
            while process.poll() is None and not os.listdir(target):
                time.sleep(0.001)
            process.send_signal(number)
            process.wait()
            what = f"{command}, {number.name}"
            bad.checks.check(process.returncode in (-number, 0), f"{what}: ends by it")
            left = [entry for entry in os.listdir(target) if ".tmp-" in entry]
            bad.checks.equal(left, [], f"{what}: nothing half-written stays")
            shutil.rmtree(target)
            os.mkdir(target)
        stale = f"{output}.tmp-{ended.pid}-0"
        living = f"{output}.tmp-{os.getpid()}-0"
        for path in (stale, living):
            with open(path, "w", encoding="utf-8"):
                pass
        ingot_json(command, CASE, "--output", output, env=bad.env)
        bad.checks.equal(sorted(os.listdir(target)),
                         sorted(map(os.path.basename, (output, living))),
                         f"{name}: leftovers of dead processes go, those of living ones stay")
        shutil.rmtree(target)
        os.mkdir(target)


def check_drivers(bad):
    """A missing NVIDIA driver, and one that is too old for this build."""
    arguments = ["run", CASE, *IDS, "--device", "cuda"]
    if b"this build has" in ingot(*arguments, env=bad.env).stderr:
        bad.refused("a device of another build", *arguments, code=2,
                    names=["this build has cpu"])
        return
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        bad.refused("no driver", *arguments, code=2,
                    names=["cuda:0", "no NVIDIA driver is installed"])
    folder = bad.path("driver")
    os.mkdir(folder)
    with open(os.path.join(folder, "old.c"), "w", encoding="utf-8") as file:
        file.write("int cuDriverGetVersion(int *version) { *version = 12020; return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", os.path.join(folder, "libcuda.so.1"),
                    os.path.join(folder, "old.c")], check=True)
    path = folder + ":" + os.environ.get("LD_LIBRARY_PATH", "")
    bad.refused("an old driver", *arguments, code=2,
                names=["is for CUDA 12.2", "is needed: update it"],
                env={"LD_LIBRARY_PATH": path})


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_usage(bad)
        check_dtypes(bad)
        check_weight_types(bad)
        check_own_source(bad)
        check_full_target(bad)
        check_lost_output(bad)
        check_flag_values(bad)
        check_tokenizers(bad)
        check_engines(bad)
        check_models(bad)
        check_safetensors_flips(bad)
        check_gguf_flips(bad)
        check_prompts(bad)
        check_no_debris(bad)
        check_interrupted(bad)
        check_drivers(bad)
    checks.finish()


if __name__ == "__main__":
    main()
