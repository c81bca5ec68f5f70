#!/usr/bin/env python3
"""Every file of a shelf has its test, every test file holds a test, every room with code has tests.

Ops and passes are matched by the file's stem alone. For the other shelves a test program that runs
over a list may stand in, if it names the stem in quotes or calls the registration function. A
kernel is tested by its op's cases, so the op that its source names must have a test.
"""

import os
import re

import repo

# (folder below src, suffix, folder of tests, registration suffix, may a list stand in for a file)
SHELVES = [
    ("ops", ".cc", "tests/ops", "op", False),
    ("passes", ".cc", "tests/passes", "pass", False),
    ("text/tokenizers", ".cc", "tests/text", "tokenizer", True),
    ("tensor/formats", ".h", "tests/tensor", "format", True),
    ("models", ".cc", "tests/models", "model", True),
    ("runtime/sampling", ".cc", "tests/runtime", "rule", True),
    ("cli", ".cc", "tests/cli", "command", True),
    ("quantize", ".cc", "tests/quantize", "quantizer", False),
    ("server/routes", ".cc", "tests/server", "route", True),
]
NOT_ON_THE_SHELF = {"passes/pipeline.cc"}
# What counts as holding a test.
TEST_BODY = re.compile(r"^\s*(TEST|TEST_F|TEST_P|TYPED_TEST|INSTANTIATE_TEST_SUITE_P|INGOT_\w+)"
                       r"\s*\(", re.MULTILINE)


def stem_of(path):
    return os.path.splitext(os.path.basename(path))[0]


def shelf_files(folder, suffix):
    base = os.path.join(repo.ROOT, "src", folder)
    if not os.path.isdir(base):
        return []
    return [f"{folder}/{name}" for name in sorted(os.listdir(base))
            if name.endswith(suffix) and f"{folder}/{name}" not in NOT_ON_THE_SHELF]


def named_after(stem, tests):
    """Tests whose file is called stem, stem_test or stem_<more>_test (any folder, .cc .txt .py)."""
    pattern = re.compile(rf"{re.escape(stem)}(_\w+)?")
    return [t for t in tests if pattern.fullmatch(stem_of(t))]


def check_shelf(folder, suffix, test_folder, registration, lists, problems):
    tests = repo.files(test_folder, suffixes=(".cc", ".txt", ".py"))
    texts = [repo.read(t) for t in tests] if lists else []
    count = 0
    for path in shelf_files(folder, suffix):
        count += 1
        stem = stem_of(path)
        if named_after(stem, tests):
            continue
        mention = re.compile(rf'"{re.escape(stem)}"|\b{re.escape(stem)}_{registration}\b')
        if any(mention.search(text) for text in texts):
            continue
        hint = f"{test_folder}/{stem}_test.cc"
        more = " (no list of cases names it either)" if lists else ""
        problems.append(f"src/{path}: has no test; expected {hint}{more}")
    return count


# How a kernel's source names its op: in a definition, or as an argument of what makes one.
KERNEL_OP = re.compile(r'\bop = "(\w+)"|\b(\w+)_vec_kernel<'
                       r'|\bbinary_f32<\w+>\(\s*"\w+",\s*"(\w+)"\)')


def ops_of_kernel(text):
    return {name for match in KERNEL_OP.finditer(text) for name in match.groups() if name}


def check_kernels(problems):
    ops = {stem_of(p) for p in shelf_files("ops", ".cc")}
    tested = {op for op in ops if named_after(op, repo.files("tests/ops", suffixes=(".cc",)))}
    own = repo.files("tests/kernels", suffixes=(".cc",))
    count = 0
    for path in repo.files("src/kernels/cpu", "src/kernels/cuda", suffixes=(".cc", ".cu")):
        if path.count("/") != 3:
            continue  # machinery in a folder of its own, not a kernel
        count += 1
        stem = stem_of(path)
        if named_after(stem, own):
            continue
        named = ops_of_kernel(repo.read(path))
        if not named or not named <= tested:
            problems.append(f"{path}: expected its op to have a test in tests/ops/, found the ops "
                            f"{sorted(named)}, and there is no tests/kernels/{stem}_test.cc")
    return count


def check_rooms(problems):
    for room in repo.rooms():
        sources = repo.files(f"src/{room}", suffixes=(".cc", ".cu"))
        tests = [t for t in repo.files(f"tests/{room}") if t.endswith("_test.cc")]
        if room == "kernels":
            tests += [t for t in repo.files("tests/ops") if t.endswith("_test.cc")]
        if room == "cli":  # commands are tested as their users run them
            tests += [t for t in repo.files("tests/cli") if stem_of(t).startswith("run_")]
        if sources and not tests:
            problems.append(f"src/{room}: {len(sources)} source files, no tests/{room}/*_test.cc")


def main():
    problems, count = [], 0
    for shelf in SHELVES:
        count += check_shelf(*shelf, problems)
    count += check_kernels(problems)
    check_rooms(problems)
    tests = [t for t in repo.files("tests") if t.endswith("_test.cc")]
    for test in tests:
        if not TEST_BODY.search(repo.read(test)):
            problems.append(f"{test}: holds no test")
    for fuzz in repo.files("tests/fuzz", suffixes=("_fuzz.cc",)):
        corpus = f"tests/fuzz/corpus/{stem_of(fuzz)[:-len('_fuzz')]}"
        if not repo.files(corpus):
            problems.append(f"{fuzz}: no seeds in {corpus}/")
    repo.finish("tests", problems, f"{count} shelf files, {len(tests)} test files")


if __name__ == "__main__":
    main()
