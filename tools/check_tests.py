#!/usr/bin/env python3
"""Every file of a shelf has its test, every test file holds a test, every room with code has tests.

A test file is its subject's by name: <stem>_test, or <stem>_<more>_test where no other file of the
shelf has the longer name. On some shelves what a test does with the stem stands in for that: it
calls the registration function, sets the rule's parameter, runs the command. A word in quotes is no
proof: "run" and "add" stand everywhere. Where one test loops over a shelf, the data that it reads
for each of its files is the proof. A kernel is tested by its op's cases, so the op that its
source names must have a test. A figure's proof is a file in bench/results: those that pages name
are there, and all that are there stand in its README.
"""

import os
import re

import repo

# A call of the program, whose first argument is the command: ingot("run", ...), [BINARY, "run",
# ...], or its arguments as a list: ["run", ...].
COMMAND = r'(?:\bingot(?:_json)?\(|\bBINARY,|(?<![\w\])])\[)\s*"STEM"\s*[],)]'
# (folder below src, suffix, folder of tests, what a test does with STEM; None: it is named so; a
# path that begins with "tests/": the file that a test of the whole shelf reads for STEM)
SHELVES = [
    ("ops", ".cc", "tests/ops", None),
    ("passes", ".cc", "tests/passes", None),
    ("text/tokenizers", ".cc", "tests/text", r'\bkind_name\(\), "STEM"\)'),
    ("tensor/formats", ".h", "tests/tensor", "tests/data/formats/STEM.bin"),  # formats_test.cc
    ("models", ".cc", "tests/models", None),
    ("runtime/sampling", ".cc", "tests/runtime", r'\.STEM = |\bothers\["STEM"\] = '),
    ("cli", ".cc", "tests", COMMAND),
    ("cli/bench_modes", ".cc", "tests/cli", r'\bbench\("STEM", '),  # of run_json_output.py
    ("quantize", ".cc", "tests/quantize", None),
    ("server/routes", ".cc", "tests/server", None),
    # Of tool_format_test.cc: it parses calls written so.
    ("server/tool_formats", ".cc", "tests/server", r'\bparsed\("STEM", '),
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


def subjects(stems, tests):
    """The stems that tests are called after: the longest that is the test's name or opens it."""
    found = set()
    for test in tests:
        words = stem_of(test).split("_")
        openings = ("_".join(words[:count]) for count in range(len(words), 0, -1))
        found.add(next((opening for opening in openings if opening in stems), None))
    return found


def check_shelf(folder, suffix, test_folder, proof, problems):
    tests = repo.files(test_folder, suffixes=(".cc", ".txt", ".py"))
    paths = shelf_files(folder, suffix)
    if proof and proof.startswith("tests/"):
        for path in paths:
            data = proof.replace("STEM", stem_of(path))
            if not os.path.exists(os.path.join(repo.ROOT, data)):
                problems.append(f"src/{path}: has no test; expected {data}")
        return len(paths)
    tested = subjects({stem_of(path) for path in paths}, tests)
    texts = [repo.read(t) for t in tests] if proof else []
    for path in paths:
        stem = stem_of(path)
        if proof:
            pattern = re.compile(proof.replace("STEM", re.escape(stem)), re.MULTILINE)
            if not any(pattern.search(text) for text in texts):
                problems.append(f"src/{path}: has no test; expected one in {test_folder}/ that "
                                f"matches {pattern.pattern}")
        elif stem not in tested:
            problems.append(f"src/{path}: has no test; expected {test_folder}/{stem}_test.cc")
    return len(paths)


# How a kernel's source names its op: in a definition, or as an argument of what makes one.
KERNEL_OP = re.compile(r'\bop = "(\w+)"|\b(\w+)_vec_kernel<'
                       r'|\bbinary_f32<\w+>\(\s*"\w+",\s*"(\w+)"\)')


def ops_of_kernel(text):
    return {name for match in KERNEL_OP.finditer(text) for name in match.groups() if name}


def check_kernels(problems):
    ops = {stem_of(p) for p in shelf_files("ops", ".cc")}
    tested = subjects(ops, repo.files("tests/ops", suffixes=(".cc",)))
    own = {stem_of(t).removesuffix("_test") for t in repo.files("tests/kernels", suffixes=(".cc",))}
    count = 0
    for path in repo.files("src/kernels/cpu", "src/kernels/cuda", suffixes=(".cc", ".cu")):
        if path.count("/") != 3:
            continue  # machinery in a folder of its own, not a kernel
        count += 1
        stem = stem_of(path)
        if any(name == stem or name.startswith(stem + "_") for name in own):
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


RESULT = re.compile(r"\b20\d\d-\d\d-\d\d_\w[\w.-]*\.(?:jsonl?|txt)\b")


def check_results(problems):
    folder = "bench/results"
    readme = f"{folder}/README.md"
    there = {os.path.basename(path) for path in repo.files(folder)} - {"README.md"}
    named = {page: set(RESULT.findall(repo.read(page)))
             for page in [*repo.files("docs", suffixes=(".md",)), readme]}
    for page, names in named.items():
        problems += [f"{page}: names {name}, which is not in {folder}/"
                     for name in sorted(names - there)]
    problems += [f"{readme}: does not list {name}" for name in sorted(there - named[readme])]


def main():
    problems, count = [], 0
    for shelf in SHELVES:
        count += check_shelf(*shelf, problems)
    count += check_kernels(problems)
    check_rooms(problems)
    check_results(problems)
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
