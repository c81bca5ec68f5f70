#!/usr/bin/env python3
"""Runs the end-to-end checks in Python: every tests/**/run_*.py, then pytest on tests/**/test_*.py.

Run by build/venv's Python. A script gets DEV_INGOT_BINARY (the program) in its environment, prints
what it checked, and exits 0 only if all of it holds. No script is a failure. end_to_end.py NAME...
runs only the scripts with these words in their paths.

Scripts run side by side, one a CPU, and the program with one thread (INGOT_THREADS=1), since teams
of threads that share their CPUs with others wait for each other; what a script writes, it keeps in
a folder of its own. Two lines in a script say more about it:
  ALONE = True    it runs by itself, after the others, with as many threads as there are CPUs
  SECONDS = N     it takes about that long: long scripts start first
"""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

import failures
import repo

TIMEOUT_SECONDS = 900


def run_script(path, environment):
    """The lines that tell why not all of it held, none if it did; prints everything at once, its
    own closing line last."""
    started = time.monotonic()
    try:
        done = subprocess.run([sys.executable, path], cwd=repo.ROOT, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_SECONDS,
                              env={**os.environ, **environment})
        status, output = done.returncode, done.stdout
        late = []
    except subprocess.TimeoutExpired as error:
        status, output = f"still running after {TIMEOUT_SECONDS} s", error.stdout or b""
        late = [status]
    lines = output.decode(errors="replace").splitlines()
    closing = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    word = "ok   " if status == 0 else "FAIL "
    print("\n".join([f"-- {path}", *(f"   {line}" for line in lines),
                     f"{word} {path}: {closing} (status {status}, "
                     f"{time.monotonic() - started:.1f} s)"]), flush=True)
    return [] if status == 0 else late + failures.of_script("\n".join(lines)) or [closing]


def run_pytest(paths):
    """The lines that tell what failed, none if nothing did."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths],
                          cwd=repo.ROOT, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    output = done.stdout.decode(errors="replace")
    print(output, end="", flush=True)
    if done.returncode == 0:
        return []
    lines = output.splitlines()
    return ([line for line in lines if line.startswith(("FAILED ", "ERROR "))] +
            [line for line in lines if line.startswith("E  ")]) or failures.excerpt(output)


def expected_seconds(path):
    """Of a script that does not say, less than of those that do."""
    found = re.search(r"^SECONDS = (\d+)\b", repo.read(path), re.MULTILINE)
    return int(found[1]) if found else 10


def main():
    # Shells start background jobs with SIGINT ignored, which programs here would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not os.path.exists(os.environ.get("DEV_INGOT_BINARY", "")):
        sys.exit("end_to_end: DEV_INGOT_BINARY does not name a program")
    words = sys.argv[1:]
    scripts = repo.files("tests", suffixes=(".py",))
    scripts = [p for p in scripts if not words or any(word in p for word in words)]
    plain = [p for p in scripts if os.path.basename(p).startswith("run_")]
    pytests = [p for p in scripts if os.path.basename(p).startswith("test_")]
    if not plain and not pytests:
        sys.exit("end_to_end: no such tests/**/run_*.py and no such tests/**/test_*.py")
    alone = [p for p in plain if re.search(r"^ALONE = True$", repo.read(p), re.MULTILINE)]
    together = sorted((p for p in plain if p not in alone), key=lambda p: -expected_seconds(p))
    one_thread = {"INGOT_THREADS": os.environ.get("INGOT_THREADS", "1")}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        ends = list(zip(together, pool.map(lambda p: run_script(p, one_thread), together)))
    ends += [(path, run_script(path, {})) for path in alone]
    failed = [(path, why) for path, why in ends if why]
    if plain:
        print(f"{len(plain) - len(failed)} passed, {len(failed)} failed, of {len(plain)} scripts",
              flush=True)
    if pytests:
        why = run_pytest(pytests)
        failed += [("pytest", why)] if why else []
    for line in failures.summary(failed):
        print(line)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
