#!/usr/bin/env python3
"""Runs the unit test programs of a build tree: unit_tests.py [--registered] BUILD [ROOM...]

Without rooms: every program that CMake registered with ctest, after checking that each room of
docs/MAP.md with sources has one. With rooms: just those programs; one that is missing is a failure.
--registered makes that check alone and runs nothing.
A program that runs no test, or skips one, is a failure: a skipped case has not passed. Only cases
named gpu_* may be skipped, where there is no GPU; they are counted apart.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import repo

TIMEOUT_SECONDS = 900


def rooms_with_sources():
    """All but cli, whose commands are tested as users run them (tests/cli/run_*.py)."""
    return [r for r in repo.rooms()
            if r != "cli" and repo.files(f"src/{r}", suffixes=(".cc", ".cu"))]


def programs(build):
    """Test programs registered in the build tree, from ctest's own list."""
    listing = subprocess.run(["ctest", "--test-dir", build, "-N"], capture_output=True, text=True,
                             check=True, cwd=repo.ROOT).stdout
    return re.findall(r"Test\s+#\d+: (\w+)_tests$", listing, re.MULTILINE)


def run(build, room):
    """(passed, failed, lines to print) of one program: its failures and its closing line."""
    program = os.path.join(repo.ROOT, build, "tests", f"{room}_tests")
    if not os.path.exists(program):
        return 0, 1, f"{room}_tests: {program} was not built"
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        try:
            result = subprocess.run(
                [program, "--gtest_brief=1", f"--gtest_output=json:{report.name}"],
                capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS,
                check=False, cwd=os.path.join(repo.ROOT, build))
        except subprocess.TimeoutExpired:
            return 0, 1, f"{room}_tests: still running after {TIMEOUT_SECONDS} s"
        output = result.stdout + result.stderr
        text = report.read()
    cases = [case for suite in (json.loads(text)["testsuites"] if text else [])
             for case in suite["testsuite"]]
    # Cases named gpu_* skip themselves where there is no GPU; no other may.
    gpu_skipped = sum(c["result"] == "SKIPPED" and c["name"].startswith("gpu_") for c in cases)
    skipped = sum(c["result"] == "SKIPPED" for c in cases) - gpu_skipped
    count = sum(c["result"] == "COMPLETED" and not c.get("failures") for c in cases)
    ran_count = len(cases) - gpu_skipped
    hidden = "DISABLED" in output
    bad = result.returncode != 0 or count == 0 or count != ran_count or skipped or hidden
    if bad:
        reason = f"exit status {result.returncode}, {count} of {ran_count} tests passed"
        reason += ", some are disabled" if hidden else ""
        return (count, max(1, ran_count - count),
                f"{output[-8000:]}\nFAIL  {room}_tests: {reason}")
    seconds = time.monotonic() - started
    note = f", {gpu_skipped} GPU cases (gpu_*) skipped: no GPU" if gpu_skipped else ""
    return count, 0, f"ok    {room}_tests: {count} tests, {seconds:.1f} s{note}"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--registered"]
    build, wanted = arguments[0], arguments[1:]
    problems = []
    registered = programs(build)
    if not wanted:
        wanted = registered
        for room in rooms_with_sources():
            # The operators' cases run on every kernel.
            if room not in registered and not (room == "kernels" and "ops" in registered):
                problems.append(f"{room}: has sources but no {room}_tests in {build}")
    if not wanted:
        problems.append(f"{build}: no test program at all")
    if "--registered" in sys.argv:
        repo.finish("unit", problems, f"{len(registered)} test programs registered")
        return
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for good, bad, lines in pool.map(lambda room: run(build, room), wanted):
            print(lines, flush=True)
            passed, failed = passed + good, failed + bad
    for problem in problems:
        print(problem)
    failed += len(problems)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
