#!/usr/bin/env python3
"""Runs the unit test programs of a build tree: unit_tests.py [--registered] BUILD [ROOM...]

Without rooms: every program that CMake registered with ctest, after checking that each room of
docs/MAP.md with sources has one. With rooms: just those programs; one that is missing is a failure.
--registered makes that check alone and runs nothing.
A program that runs no test, or skips one, is a failure: a skipped case has not passed. Two kinds
may be skipped and are counted apart: cases named gpu_*, where there is no GPU, and tests whose
golden case is not on this machine (has_golden() of tests/models/golden_run.h).
Programs with many tests run in several processes (GoogleTest's shards), and processes side by
side, as many as there are CPUs; every test that a program lists must have been run by one of them.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import failures
import repo

TIMEOUT_SECONDS = 900
SHARD_TESTS = 8  # fewer are not worth a process of their own


class Program:
    """One test program: its shards, and what they said."""

    def __init__(self, build, room):
        self.name = f"{room}_tests"
        self.folder = os.path.join(repo.ROOT, build)
        self.path = os.path.join(self.folder, "tests", self.name)
        self.listed, self.problem = self.list_tests()
        self.shards = max(1, min(4 * (os.cpu_count() or 2), self.listed // SHARD_TESTS))
        self.done = []  # (seconds, exit status, cases, output) of each shard

    def list_tests(self):
        """(number of tests, why it cannot be told)"""
        if not os.path.exists(self.path):
            return 0, f"{self.path} was not built"
        result = subprocess.run([self.path, "--gtest_list_tests"], capture_output=True, text=True,
                                errors="replace", check=False, cwd=self.folder)
        if result.returncode != 0:
            return 0, f"--gtest_list_tests ends with {result.returncode}: {result.stderr[-2000:]}"
        return len(re.findall(r"^  \S", result.stdout, re.MULTILINE)), ""

    def run(self, shard):
        started = time.monotonic()
        environment = dict(os.environ, GTEST_TOTAL_SHARDS=str(self.shards),
                           GTEST_SHARD_INDEX=str(shard))
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            try:
                result = subprocess.run(
                    [self.path, "--gtest_brief=1", f"--gtest_output=json:{report.name}"],
                    capture_output=True, text=True, errors="replace", timeout=TIMEOUT_SECONDS,
                    check=False, cwd=self.folder, env=environment)
                status, output = result.returncode, result.stdout + result.stderr
            except subprocess.TimeoutExpired:
                status, output = f"none: still running after {TIMEOUT_SECONDS} s", ""
            text = report.read()
        cases = [case for suite in (json.loads(text)["testsuites"] if text else [])
                 for case in suite["testsuite"]]
        self.done.append((time.monotonic() - started, status, cases, output))

    def causes(self):
        """(name, why) of each test that failed, and of each process that ended without a word on
        one."""
        if self.problem:
            return [(self.name, [self.problem])]
        bad = [(f"{self.name}: {case['classname']}.{case['name']}", failures.of_case(case))
               for _, _, cases, _ in self.done for case in cases if case.get("failures")]
        silent = [(status, output) for _, status, cases, output in self.done
                  if status != 0 and not any(case.get("failures") for case in cases)]
        return bad + [(f"{self.name}: exit status {status}", failures.excerpt(output))
                      for status, output in silent]

    def verdict(self):
        """(passed, failed, skipped for want of a GPU, of a golden case, lines to print), of all
        shards together."""
        if self.problem:
            return 0, 1, 0, 0, f"FAIL  {self.name}: {self.problem}"
        cases = [case for _, _, shard, _ in self.done for case in shard]
        # Cases named gpu_* skip themselves where there is no GPU, others where a golden case is
        # missing; no other may.
        skipped = [c for c in cases if c["result"] == "SKIPPED"]
        gpu_skipped = sum(c["name"].startswith("gpu_") for c in skipped)
        missing = sorted({c["missing_golden"] for c in skipped if "missing_golden" in c})
        unchecked = sum("missing_golden" in c for c in skipped)
        skipped = [c["name"] for c in skipped
                   if not c["name"].startswith("gpu_") and "missing_golden" not in c]
        count = sum(c["result"] == "COMPLETED" and not c.get("failures") for c in cases)
        expected = self.listed - gpu_skipped - unchecked
        hidden = any("DISABLED" in output for _, _, _, output in self.done)
        broken = [(status, output) for _, status, _, output in self.done if status != 0]
        if broken or count == 0 or count != expected or skipped or hidden:
            reason = "".join(f"exit status {status}, " for status, _ in broken)
            reason += f"{count} of {expected} tests passed"
            reason += ", some are disabled" if hidden else ""
            reason += f", skipped: {' '.join(skipped)}" if skipped else ""
            outputs = "\n".join(output[-8000:] for _, output in broken)
            return (count, max(1, expected - count), gpu_skipped, unchecked,
                    f"{outputs}\nFAIL  {self.name}: {reason}")
        seconds = sum(shard[0] for shard in self.done)
        note = f" in {self.shards} processes" if self.shards > 1 else ""
        note += f", {gpu_skipped} GPU cases (gpu_*) skipped: no GPU" if gpu_skipped else ""
        if unchecked:
            note += f", {unchecked} not checked, golden cases missing: {' '.join(missing)}"
        return (count, 0, gpu_skipped, unchecked,
                f"ok    {self.name}: {count} tests, {seconds:.1f} s{note}")


def rooms_with_sources():
    """All but cli, whose commands are tested as users run them (tests/cli/run_*.py)."""
    return [r for r in repo.rooms()
            if r != "cli" and repo.files(f"src/{r}", suffixes=(".cc", ".cu"))]


def programs(build):
    """Test programs registered in the build tree, from ctest's own list."""
    listing = subprocess.run(["ctest", "--test-dir", build, "-N"], capture_output=True, text=True,
                             check=True, cwd=repo.ROOT).stdout
    return re.findall(r"Test\s+#\d+: (\w+)_tests$", listing, re.MULTILINE)


def run_all(every):
    """Programs, in the order in which they end.

    The first shards of all programs start first: programs of few long tests must not come last.
    """
    yield from (program for program in every if program.problem)
    every = [program for program in every if not program.problem]
    left = {program: program.shards for program in every}
    shards = sorted(((shard, program) for program in every for shard in range(program.shards)),
                    key=lambda pair: (pair[0], -pair[1].listed))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        jobs = {pool.submit(program.run, shard): program for shard, program in shards}
        for job in concurrent.futures.as_completed(jobs):
            job.result()
            program = jobs[job]
            left[program] -= 1
            if left[program] == 0:
                yield program


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
    passed = failed = no_gpu = no_golden = 0
    every = [Program(build, room) for room in wanted]
    causes = []
    for program in run_all(every):
        good, bad, skipped, unchecked, lines = program.verdict()
        print(lines, flush=True)
        if bad:
            # Its last line says why where no test did: too few, disabled, skipped ones.
            causes += program.causes() or [(lines.splitlines()[-1], [])]
        passed, failed = passed + good, failed + bad
        no_gpu, no_golden = no_gpu + skipped, no_golden + unchecked
    for problem in problems:
        print(problem)
    for line in failures.summary(causes + [(problem, []) for problem in problems]):
        print(line)
    failed += len(problems)
    gpu_note = f", {no_gpu} skipped (gpu_*: no GPU)" if no_gpu else ""
    golden_note = f", {no_golden} not checked: golden cases missing" if no_golden else ""
    print(f"{passed} passed, {failed} failed{gpu_note}{golden_note}, in {len(wanted)} programs")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
