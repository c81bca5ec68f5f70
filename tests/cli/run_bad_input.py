"""Bad files, prompts and flags: one error line naming the place, exit code 1 or 2, no debris."""

import json
import os
import random
import shutil
import subprocess
import tempfile

from cli_harness import BINARY, DATA, Checks, ingot, ingot_json, one_error_line, real_model

CASE = os.path.join(DATA, "goldens", "llama-mha")
IDS = ["--prompt-ids", "1,2,3", "--max-tokens", "2"]


class BadInput:
    def __init__(self, checks, folder):
        self.checks = checks
        self.folder = folder
        self.env = {"INGOT_CACHE_DIR": os.path.join(folder, "cache"), "INGOT_PROGRESS": "none",
                    "HF_HUB_OFFLINE": "1", "HF_HOME": os.path.join(folder, "hub")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def refused(self, what, *arguments, code=1, names=(), stdin=b"", env=None):
        done = ingot(*arguments, stdin=stdin, env={**self.env, **(env or {})}, timeout=120)
        self.checks.equal(done.returncode, code, f"{what}: exit code")
        if code == 1:
            line = one_error_line(done)
            self.checks.check(line is not None, f"{what}: one error line: {done.stderr[:300]!r}")
            for name in names:
                self.checks.check(name in (line or ""), f"{what}: the line names {name!r}")
        else:
            self.checks.check(done.stderr, f"{what}: says why")
        self.checks.equal(done.stdout, b"", f"{what}: nothing on standard output")

    def model_with(self, name, **changes):
        """A copy of a small model whose config.json has other values."""
        target = self.path(name)
        shutil.copytree(CASE, target)
        path = os.path.join(target, "config.json")
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        config.update(changes)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return target

    def copy(self, source, name, size=None):
        with open(source, "rb") as file:
            data = file.read() if size is None else file.read(size)
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)


def check_models(bad):
    gguf = real_model()
    size = os.path.getsize(gguf)
    for part in (3, 100, 5000, size // 2, size - 1):
        cut = bad.copy(gguf, "cut.gguf", part)
        bad.refused(f"GGUF cut to {part} bytes", "run", cut, "Hi", names=["cut.gguf"])
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
    bad.refused("unknown dtype", "run", CASE, *IDS, "--dtype", "float12", names=["float12"])
    bad.refused("unknown device", "run", CASE, *IDS, "--device", "abacus", names=["abacus"])


def check_engines(bad):
    engine = bad.path("small.engine")
    ingot_json("build", CASE, "--output", engine, env=bad.env)
    with open(engine, "rb") as file:
        data = bytearray(file.read())
    for part in (0, 10, 64, len(data) // 2, len(data) - 1):
        bad.copy(engine, "cut.engine", part)
        bad.refused(f"engine cut to {part} bytes", "run", bad.path("cut.engine"), *IDS)
    chance = random.Random(7)
    table = data[12] * 64 + 64  # header and section table
    places = [8, 20, 40, 64, 100, table - 1]
    places += [chance.randrange(4096, len(data)) for _ in range(10)]
    refused = 0
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        with open(bad.path("flipped.engine"), "wb") as file:
            file.write(flipped)
        done = ingot("run", bad.path("flipped.engine"), *IDS, "--json", env=bad.env)
        if done.returncode == 1 and one_error_line(done):
            refused += 1
            continue
        # Padding between sections carries nothing; anything else must be noticed.
        bad.checks.check(done.returncode == 0 and data[place] == 0,
                         f"engine with a bit flipped at {place}: status {done.returncode}")
    bad.checks.check(refused >= len(places) - 4,
                     f"{refused} of {len(places)} engines with a flipped bit refused")


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
    bad.refused("empty prompt", "run", model, "--raw", stdin=b"", names=["prompt"])
    bad.refused("prompt id outside the vocabulary", "run", CASE, "--prompt-ids", "1,99999999",
                names=["99999999"])
    bad.refused("a text for a model without tokenizer", "run", CASE, "Hi", names=["tokenizer"])
    bad.refused("temperature below 0", "run", CASE, *IDS, "--temperature", "-1",
                names=["temperature"])
    bad.refused("top-p of 2", "run", CASE, *IDS, "--top-p", "2", names=["top_p"])


def check_usage(bad):
    for what, arguments in {
            "no command": [], "unknown command": ["fly"], "unknown flag": ["run", CASE, "--fly"],
            "no model": ["run"], "text for a number": ["run", CASE, "--max-tokens", "many"],
            "ids that are none": ["run", CASE, "--prompt-ids", "1,x"],
            "prompt and ids": ["run", CASE, "Hi", "--prompt-ids", "1"],
            "unknown progress": ["run", CASE, "--progress", "loud"],
            "bench of nothing": ["bench", CASE, "--repeat", "0"]}.items():
        bad.refused(what, *arguments, code=2)


def check_no_debris(bad):
    """A build that runs out of disk (a 64 KB limit on file size stands in) leaves no file."""
    target = bad.path("debris")
    os.mkdir(target)
    script = 'trap "" XFSZ; ulimit -f 64; exec "$0" build "$1" --output "$2/a.engine"'
    done = subprocess.run(["bash", "-c", script, BINARY, CASE, target], capture_output=True,
                          check=False, env={**os.environ, **bad.env})
    bad.checks.equal(done.returncode, 1, "disk full during build: exit code")
    bad.checks.check(b"a.engine" in done.stderr, f"disk full: names the file: {done.stderr!r}")
    bad.checks.equal(os.listdir(target), [], "disk full: no half-written file")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_usage(bad)
        check_engines(bad)
        check_models(bad)
        check_prompts(bad)
        check_no_debris(bad)
    checks.finish()


if __name__ == "__main__":
    main()
