#!/usr/bin/env python3
"""Runs the end-to-end checks in Python: every tests/**/run_*.py, then pytest on tests/**/test_*.py.

Run by build/venv's Python. A script gets INGOT_BINARY (the program) and INGOT_GOLDENS in its
environment, prints what it checked, and exits 0 only if all of it holds. No script is a failure.
"""

import os
import subprocess
import sys
import time

import repo

TIMEOUT_SECONDS = 900


def run_script(path):
    started = time.monotonic()
    try:
        status = subprocess.run([sys.executable, path], cwd=repo.ROOT, check=False,
                                stdin=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS).returncode
    except subprocess.TimeoutExpired:
        status = f"still running after {TIMEOUT_SECONDS} s"
    good = status == 0
    print(f"{'ok   ' if good else 'FAIL '} {path}: status {status}, "
          f"{time.monotonic() - started:.1f} s", flush=True)
    return good


def main():
    if not os.path.exists(os.environ.get("INGOT_BINARY", "")):
        sys.exit("end_to_end: INGOT_BINARY does not name a program")
    scripts = repo.files("tests", suffixes=(".py",))
    plain = [p for p in scripts if os.path.basename(p).startswith("run_")]
    pytests = [p for p in scripts if os.path.basename(p).startswith("test_")]
    if not plain and not pytests:
        sys.exit("end_to_end: no tests/**/run_*.py and no tests/**/test_*.py")
    failed = 0
    for path in plain:
        print(f"-- {path}", flush=True)
        failed += not run_script(path)
    if plain:
        print(f"{len(plain) - failed} passed, {failed} failed", flush=True)
    if pytests:
        failed += subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                                  *pytests], cwd=repo.ROOT, check=False).returncode != 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
