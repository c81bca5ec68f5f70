#!/usr/bin/env python3
"""clang-tidy 16 as errors over the changed .cc files.

The compile database is that of build/tidy, which is configured without batches, so that it names
every file, and without CUDA; nothing is built there but the generated headers.

Changed means: different from the base commit, or not committed. The base is where HEAD left
DEV_INGOT_TIDY_BASE (a commit or branch), else DEV_INGOT_TIDY_COMMITS commits before HEAD, else
where HEAD left origin/main if that is not HEAD itself, else one commit before HEAD. --all takes
every file. A file takes 20 to 40 s of CPU, so DEV_INGOT_TIDY_FILES, if set, is the most that are
looked at: those with the most changed lines. The others are named, and left to a later run or to
--all. A file that passed is remembered in build/tidy-cache under a hash of its text, of all our
headers it includes (directly or not), of .clang-tidy and of its compile command.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import repo

TIDY = "clang-tidy-16"
DATABASE = os.path.join(repo.ROOT, "build/tidy/compile_commands.json")
CACHE = os.path.join(repo.ROOT, "build/tidy-cache")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def git(*arguments):
    command = ["git", "-c", "safe.directory=*", "-C", repo.ROOT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def commits_back(count):
    """The commit that many before HEAD, or the oldest known; None where HEAD is the only one."""
    known = int(git("rev-list", "--count", "--first-parent", "HEAD").stdout or 1)
    count = min(count, known - 1)
    return f"HEAD~{count}" if count > 0 else None


def base_commit():
    """The commit to compare with; None for every file."""
    if git("rev-parse", "HEAD").returncode != 0:
        sys.exit("tidy: there is no git history here, so nothing tells what changed; "
                 "`./check tidy --all` takes every file")
    wanted = os.environ.get("DEV_INGOT_TIDY_BASE", "")
    if wanted:
        merge = git("merge-base", "HEAD", wanted).stdout.strip()
        if not merge:
            sys.exit(f"tidy: DEV_INGOT_TIDY_BASE: HEAD and '{wanted}' have no commit in common")
        return merge
    count = os.environ.get("DEV_INGOT_TIDY_COMMITS", "")
    if count:
        if not count.isdigit() or int(count) < 1:
            sys.exit(f"tidy: DEV_INGOT_TIDY_COMMITS: expected a number from 1, found '{count}'")
        return commits_back(int(count))
    head = git("rev-parse", "HEAD").stdout.strip()
    merge = git("merge-base", "HEAD", "origin/main").stdout.strip()
    return merge if merge and merge != head else commits_back(1)


def changed_files(base):
    """{path: changed lines}; all lines of a file that git does not know are changed."""
    found = {}
    tracked = git("diff", "--numstat", "--no-renames", "--diff-filter=d", base).stdout
    for line in tracked.splitlines():
        added, removed, path = line.split("\t")
        found[path] = sum(int(n) for n in (added, removed) if n.isdigit())
    for path in git("ls-files", "--others", "--exclude-standard").stdout.splitlines():
        with open(os.path.join(repo.ROOT, path), "rb") as file:
            found[path] = file.read().count(b"\n")
    return found


def most_files():
    """DEV_INGOT_TIDY_FILES, or None."""
    text = os.environ.get("DEV_INGOT_TIDY_FILES", "")
    if text and (not text.isdigit() or int(text) < 1):
        sys.exit(f"tidy: DEV_INGOT_TIDY_FILES: expected a number from 1, found '{text}'")
    return int(text) if text else None


def closure(path, seen):
    """Hashes of `path` and of our own headers that it reaches."""
    if path in seen:
        return
    text = repo.read(path)
    seen[path] = hashlib.sha256(text.encode()).hexdigest()
    for target in INCLUDE.findall(text):
        for folder in ("src/", "include/", "", os.path.dirname(path) + "/"):
            if os.path.exists(os.path.join(repo.ROOT, folder + target)):
                closure(folder + target, seen)
                break


def cache_key(path, command):
    seen = {}
    closure(path, seen)
    parts = [repo.read(".clang-tidy"), command] + [f"{k} {v}" for k, v in sorted(seen.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run(path):
    result = subprocess.run([TIDY, "--quiet", "-p", os.path.dirname(DATABASE),
                             os.path.join(repo.ROOT, path)],
                            capture_output=True, text=True, check=False)
    return result.returncode, result.stdout.strip()


def commands():
    """{path: compile command}, of files as they are now."""
    if shutil.which(TIDY) is None:
        sys.exit(f"tidy: {TIDY} is not installed (tools/test-packages.txt)")
    folder = os.path.dirname(DATABASE)
    # By clang, whose flags clang-tidy understands.
    for command in (["cmake", "--preset", "dev", "-B", folder, "-DINGOT_BATCH=OFF",
                     "-DINGOT_CUDA=OFF", "-DCMAKE_CXX_COMPILER=clang++-16"],
                    ["protoc", f"--cpp_out={folder}/generated",
                     "-Ibuild/third_party/onnx", "onnx-ml.proto"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=repo.ROOT)
        if done.returncode != 0:
            sys.exit(f"tidy: {' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    with open(DATABASE, encoding="utf-8") as file:
        return {os.path.relpath(e["file"], repo.ROOT): e["command"] for e in json.load(file)}


def main():
    everything = "--all" in sys.argv[1:]
    base = None if everything else base_commit()
    changed = changed_files(base) if base else None
    limit = None if everything else most_files()
    command_of = commands()
    candidates = sorted(p for p in command_of if p.startswith(("src/", "tests/", "bench/")))
    wanted = [p for p in candidates if changed is None or p in changed]
    os.makedirs(CACHE, exist_ok=True)
    keys = {p: os.path.join(CACHE, cache_key(p, command_of[p])) for p in wanted}
    todo = [p for p in wanted if not os.path.exists(keys[p])]
    passed_before = len(wanted) - len(todo)
    todo.sort(key=lambda p: (-changed[p] if changed else 0, p))
    left_out = todo[limit:] if limit else []
    todo = todo[:limit]
    problems = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for path, (code, output) in zip(todo, pool.map(run, todo)):
            if code == 0:
                with open(keys[path], "w", encoding="utf-8"):
                    pass
            else:
                problems.append(f"{path}:\n{output}")
    scope = f"changed since {base[:12]}" if base else "all"
    note = ""
    if left_out:
        print(f"tidy: not looked at: {' '.join(left_out)}")
        note = f", {len(left_out)} NOT looked at (DEV_INGOT_TIDY_FILES={limit})"
    repo.finish("tidy", problems, f"{len(wanted)} of {len(candidates)} files ({scope}), "
                f"{len(todo)} run, {passed_before} unchanged since they passed{note}")


if __name__ == "__main__":
    main()
