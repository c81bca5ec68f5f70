#!/usr/bin/env python3
"""Runs every target of build/asan/fuzz for some seconds from the seeds of tests/fuzz/corpus/<name>.

A target fails if it crashes, leaks, hangs (10 s for one input) or needs more than 2 GiB, and also
if none of its seeds parses completely: a corpus of rejects tests only a parser's first check.
Targets tell by calling fuzz_parsed() of tests/fuzz/parsed.h.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

import repo

BUILD = os.path.join(repo.ROOT, "build/asan")
OPTIONS = ["-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-print_final_stats=1"]


def execute(arguments, seconds):
    environment = dict(os.environ, INGOT_LOG="off")
    try:
        result = subprocess.run(arguments, capture_output=True, timeout=seconds + 120, check=False,
                                env=environment)
    except subprocess.TimeoutExpired:
        return 1, "the target did not stop in time"
    return result.returncode, (result.stdout + result.stderr).decode(errors="replace")


def fuzz(name, seconds):
    """(good, one line, output) for the target `name`."""
    program = os.path.join(BUILD, "fuzz", name + "_fuzz")
    seeds = os.path.join(repo.ROOT, "tests/fuzz/corpus", name)
    if not os.path.exists(program):
        return False, f"{program} was not built", ""
    status, output = execute([program, *OPTIONS, "-runs=0", seeds], seconds)
    parsed = re.findall(r"^fuzz: (\d+) inputs? parsed completely$", output, re.MULTILINE)
    if status != 0:
        return False, f"its own seeds end with status {status}", output
    if not parsed or int(parsed[-1]) == 0:
        return False, f"no seed of {seeds} parses completely", output
    corpus, crashes = os.path.join(BUILD, "corpus", name), os.path.join(BUILD, "crashes", name)
    for folder in (corpus, crashes):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    status, output = execute([program, *OPTIONS, f"-max_total_time={seconds}",
                              f"-artifact_prefix={crashes}/", corpus, seeds], seconds)
    runs = re.search(r"stat::number_of_executed_units: (\d+)", output)
    if status != 0 or not runs:
        return False, f"ended with status {status}; inputs in {crashes}", output
    return True, f"{runs.group(1)} runs, {parsed[-1]} seeds parse completely", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    every = [os.path.basename(p)[:-len("_fuzz.cc")]
             for p in repo.files("tests/fuzz", suffixes=("_fuzz.cc",))]
    names = arguments.names or every
    if not names:
        sys.exit("fuzz: no targets")
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(fuzz, name, arguments.seconds) for name in names]
        for name, job in zip(names, jobs):
            good, line, output = job.result()
            passed += good
            print(output[-6000:], end="")
            print(f"{'ok   ' if good else 'FAIL '} fuzz {name}: {line}", flush=True)
    print(f"{passed} passed, {len(names) - passed} failed")
    sys.exit(0 if passed == len(names) else 1)


if __name__ == "__main__":
    main()
