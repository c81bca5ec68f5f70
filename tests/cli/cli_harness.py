"""What the scripts of this folder share: the program, the model, and a count of what held."""

import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("DEV_INGOT_BINARY", os.path.join(ROOT, "build/dev/ingot")))
DATA = os.path.join(ROOT, "tests", "data")
# Golden cases of the repository, and further ones (docs/decisions.md, 53).
GOLDENS = [os.path.join(DATA, "goldens"), os.environ.get("DEV_INGOT_GOLDENS") or
           os.path.join(os.path.dirname(ROOT), "shared", "goldens")]
CASE = os.path.join(DATA, "goldens", "llama-mha")  # a small model without tokenizer
IDS = ["--prompt-ids", "1,2,3", "--max-tokens", "2"]


class Checks:
    """Counts checks; finish() exits with status 0 only if there were some and all held."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, holds, what):
        self.passed += bool(holds)
        self.failed += not holds
        print(f"{'ok  ' if holds else 'FAIL'} {what}", flush=True)
        return bool(holds)

    def equal(self, found, expected, what):
        if found == expected:
            return self.check(True, what)
        return self.check(False, f"{what}: expected {short(expected)}, found {short(found)}")

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def short(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."


def ingot(*arguments, stdin=b"", env=None, timeout=600):
    """Runs the program; stdout and stderr come back as bytes."""
    environment = {**os.environ, **(env or {})}
    return subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, check=False,
                          env=environment, timeout=timeout)


def ingot_json(*arguments, **options):
    """The one JSON object that a command prints; its failure fails the script."""
    done = ingot(*arguments, "--json", **options)
    if done.returncode != 0:
        sys.exit(f"ingot {' '.join(map(str, arguments))}: status {done.returncode}: "
                 f"{done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


def wait_for_reading(process):
    """Until the process's main thread sleeps in poll()."""
    for _ in range(6000):
        with open(f"/proc/{process.pid}/syscall", encoding="ascii") as file:
            words = file.read().split()
        if words[0] in ("7", "271"):  # poll, ppoll on x86-64
            return
        time.sleep(0.01)


def real_model():
    return ingot_json("pull", "smollm2-135m-instruct")["path"]


def one_error_line(done):
    """The error line of a failed run; None where standard error holds more, warnings apart."""
    lines = [line for line in done.stderr.decode(errors="replace").splitlines()
             if line and not line.startswith("warning ")]
    errors = [line for line in lines if line.startswith("error: ")]
    return errors[0] if len(errors) == 1 and len(lines) == 1 else None


class BadInput:
    """Runs that must fail, and the folder where their files lie."""

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
        line = one_error_line(done)
        self.checks.check(line is not None, f"{what}: one error line: {done.stderr[:300]!r}")
        for name in names:
            self.checks.check(name in (line or ""), f"{what}: the line names {name!r}")
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
