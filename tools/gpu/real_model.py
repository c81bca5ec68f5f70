#!/usr/bin/env python3
"""SmolLM2-135M-Instruct's real continuations on a device: the eight cases, 230 tokens, of
tests/data/goldens/real.

    real_model.py MODEL.gguf [--device cuda]        # or its parts, in order

Twice: with the reference's tokens fed in (ingot conformance: float32 exactly, 16 bits but for gaps
of 0.5), and as a user runs it (ingot run: sampling on the device, graphs, overlap, tuned or not),
where every token of float32 must be the reference's, and a text in 16 bits may leave it only where
the reference's own gap is at most 0.5.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = HERE if os.path.isdir(os.path.join(HERE, "bin")) else os.path.dirname(os.path.dirname(HERE))
PLACES = [os.path.join(ROOT, "bin/ingot"), os.path.join(ROOT, "build/dev/ingot")]
BINARY = os.environ.get("DEV_INGOT_BINARY") or next(filter(os.path.exists, PLACES), PLACES[0])
GOLDEN = os.path.join(ROOT, "tests/data/goldens/real/smollm2-135m-instruct-q4_1.json")
ENOUGH_GAP = 0.5
CASES, TOKENS = 8, 230


class Report:
    def __init__(self):
        self.failed = 0
        self.begin = time.monotonic()

    def line(self, good, text):
        self.failed += not good
        now = time.monotonic()
        print(f"{'ok    ' if good else 'FAIL  '} {text} ({now - self.begin:.1f} s)", flush=True)
        self.begin = now


def ingot(arguments, env):
    libraries = os.path.join(ROOT, "lib")
    path = libraries + ":" + os.environ.get("LD_LIBRARY_PATH", "")
    return subprocess.run([BINARY, *arguments, "--json"], capture_output=True, check=False,
                          timeout=300, env={**os.environ, "LD_LIBRARY_PATH": path, **env})


def conformance(report, model, device, name, flags, env):
    done = ingot(["conformance", GOLDEN, "--model", model, "--device", device, *flags], env)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    same = sum(row["greedy_match"] for row in rows)
    total = sum(row["greedy_total"] for row in rows)
    good = (done.returncode == 0 and len(rows) == CASES and total == TOKENS and
            all(row["status"] == "pass" for row in rows))
    kernels = " ".join(kernel for kernel in (rows[0]["kernels"] if rows else [])
                       if "linear" in kernel or "attention" in kernel)
    worst = max((row["max_error"] or 0 for row in rows), default=0)
    report.line(good, f"tokens fed in, {name}: {same} of {total} the same, first log probabilities "
                      f"within {worst:.1e}; {kernels}")
    for row in rows:
        if row["status"] != "pass":
            print(f"       {row['case']}: {row['reason']}")
    if not rows:
        print("       " + done.stderr.decode(errors="replace").strip())


def allowed_end(case, found):
    """The first place where the text leaves the reference; None where it does not."""
    for i, token in enumerate(case["greedy"]):
        if i >= len(found) or found[i] != token:
            return i
    return None if len(found) == len(case["greedy"]) else len(case["greedy"])


def runs(report, model, device, name, cases, exact, flags, env):
    same = 0
    problems = []
    for case in cases:
        ids = ",".join(map(str, case["input_ids"]))
        done = ingot(["run", model, "--prompt-ids", ids, "--temperature", "0", "--max-tokens",
                      str(len(case["greedy"])), "--device", device, *flags], env)
        if done.returncode != 0:
            problems.append(f"{case['name']}: {done.stderr.decode(errors='replace').strip()}")
            continue
        found = json.loads(done.stdout)["token_ids"]
        at = allowed_end(case, found)
        same += len(case["greedy"]) if at is None else at
        if at is None:
            continue
        gap = case["greedy_gap"][at] if at < len(case["greedy"]) else float("inf")
        if exact or gap > ENOUGH_GAP:
            problems.append(f"{case['name']}: token {at}: expected {case['greedy'][at:at + 1]}, "
                            f"found {found[at:at + 1]} (gap {gap})")
    report.line(not problems, f"as a user runs it, {name}: {same} of {TOKENS} before a difference")
    for problem in problems:
        print("       " + problem)


def whole(parts, folder):
    """One file: the given one, or the parts joined."""
    if len(parts) == 1:
        return os.path.abspath(parts[0])
    path = os.path.join(folder, "model.gguf")
    with open(path, "wb") as out:
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="the .gguf, or its parts in order")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    with open(GOLDEN, encoding="utf-8") as file:
        cases = json.load(file)["cases"]
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        model = whole(arguments.model, folder)
        plain = {"INGOT_CACHE_DIR": os.path.join(folder, "cache"), "INGOT_TUNE_SECONDS": "0"}
        device = arguments.device
        for name, flags in (("float32, blocks as stored", []),
                            ("float32, decoded", ["--arithmetic", "float32"]),
                            ("bfloat16", ["--dtype", "bfloat16"]),
                            ("float16", ["--dtype", "float16"])):
            conformance(report, model, device, name, flags, plain)
        tuned = {**plain, "INGOT_TUNE_SECONDS": "10"}
        for name, exact, flags, env in (
                ("float32, blocks as stored", True, [], plain),
                ("the same without graphs and overlap", True, [],
                 {**plain, "INGOT_GRAPHS": "0", "INGOT_OVERLAP": "0"}),
                ("the same tuned", True, [], tuned),
                ("float32, decoded", True, ["--dtype", "float32"], plain),
                ("bfloat16", False, ["--dtype", "bfloat16"], plain),
                ("bfloat16 tuned", False, ["--dtype", "bfloat16"], tuned)):
            runs(report, model, device, name, cases, exact, flags, env)
    print("real model: all passed" if not report.failed else
          f"real model: {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
