#!/usr/bin/env python3
"""clang-format, pinned to version 14, changes nothing in any C++ file. --fix rewrites them."""

import re
import shutil
import subprocess
import sys

import repo

FORMAT = "clang-format-14"


def main():
    if shutil.which(FORMAT) is None:
        sys.exit(f"format: {FORMAT} is not installed (tools/test-packages.txt)")
    version = subprocess.run([FORMAT, "--version"], capture_output=True, check=True).stdout
    if b" version 14." not in version:
        sys.exit(f"format: expected version 14, found: {version.decode().strip()}")
    paths = repo.files("src", "include", "tests", "bench", "examples", suffixes=repo.CPP)
    if "--fix" in sys.argv[1:]:
        subprocess.run([FORMAT, "-i", *paths], cwd=repo.ROOT, check=True)
    result = subprocess.run([FORMAT, "--dry-run", *paths], cwd=repo.ROOT, capture_output=True,
                            text=True, check=False)
    wrong = set(re.findall(r"^([^:\n]+):\d+:\d+: warning:", result.stderr, re.MULTILINE))
    problems = [f"{path}: not formatted (clang-format-14 -i {path})" for path in sorted(wrong)]
    if result.returncode != 0:
        problems.append(result.stderr[-2000:])
    repo.finish("format", problems, f"{len(paths)} files")


if __name__ == "__main__":
    main()
