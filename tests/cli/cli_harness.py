"""What the scripts of this folder share: the program, the model, and a count of what held."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("INGOT_BINARY", os.path.join(ROOT, "build/dev/ingot")))
DATA = os.path.join(ROOT, "tests", "data")


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


def real_model():
    return ingot_json("pull", "smollm2-135m-instruct")["path"]


def one_error_line(done):
    """The error line of a failed run, or None when standard error holds anything else."""
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line]
    errors = [line for line in lines if line.startswith("error: ")]
    return errors[0] if len(errors) == 1 and len(lines) == 1 else None
