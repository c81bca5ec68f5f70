#!/usr/bin/env python3
"""clang-format, pinned to version 14, changes nothing in any C++ file. --fix rewrites them."""

import os
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
    problems = []
    for path in paths:
        result = subprocess.run([FORMAT, path], cwd=repo.ROOT, capture_output=True, check=True)
        with open(os.path.join(repo.ROOT, path), "rb") as file:
            if file.read() != result.stdout:
                problems.append(f"{path}: not formatted (clang-format-14 -i {path})")
    repo.finish("format", problems, f"{len(paths)} files")


if __name__ == "__main__":
    main()
