#!/usr/bin/env python3
"""Proves that rooms include only the rooms that docs/MAP.md allows, and that CMake agrees.

Checked: every #include "room/file.h" or <room/file.h> below src/ against the table (the lists that
CMake writes are called <room>_..._shelf.h); no cycle between rooms or between headers; DEPS of each
ingot_room() in src/CMakeLists.txt equals the table; include/ingot holds at most ten headers that
include only each other and the standard library.
"""

import os
import re

import repo

# "room/file.h" and <room/file.h>: src/ and include/ are on the search path, so both find it.
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
MAX_PUBLIC_HEADERS = 10


def included(text, rooms):
    """What `text` includes of this project: all in quotes; in <> what its folder or name tells."""
    for quoted, angled in INCLUDE.findall(text):
        folder = angled.split("/")[0] if "/" in angled else ""
        if quoted or folder in rooms or folder == "ingot" or angled.endswith("_shelf.h"):
            yield quoted or angled


def check_includes(table, problems):
    edges = {}
    for path in repo.files("src", suffixes=repo.CPP):
        room = path.split("/")[1]
        if room not in table:
            problems.append(f"{path}: room '{room}' is not in docs/MAP.md")
            continue
        edges[path] = []
        for target in included(repo.read(path), table):
            if target.startswith("ingot/"):
                if room not in ("capi", "cli", "python"):
                    problems.append(f"{path}: includes \"{target}\"; only capi, cli and python may")
                continue
            if target.endswith("_shelf.h") and "/" not in target:
                other = target.split("_")[0]
                if other != room and other not in table[room]:
                    problems.append(
                        f"{path}: room '{room}' may not include room '{other}' (\"{target}\")")
                continue
            if "/" not in target:
                if not target.endswith(".pb.h"):
                    problems.append(f"{path}: \"{target}\" must be written \"room/file.h\"")
                continue
            other = target.split("/")[0]
            if other not in table:
                problems.append(f"{path}: \"{target}\": '{other}' is not a room of docs/MAP.md")
            elif other != room and other not in table[room]:
                problems.append(
                    f"{path}: room '{room}' may not include room '{other}' (\"{target}\")")
            elif not os.path.exists(os.path.join(repo.ROOT, "src", target)):
                problems.append(f"{path}: \"{target}\" does not exist below src/")
            else:
                edges[path].append("src/" + target)
    return edges


def find_cycle(edges):
    """A list of nodes that form a cycle, or None. Iterative depth-first search."""
    state = {}
    for start in sorted(edges):
        if start in state:
            continue
        trail, stack = [], [(start, iter(sorted(edges[start])))]
        state[start] = "open"
        trail.append(start)
        while stack:
            node, targets = stack[-1]
            step = next((t for t in targets if t in edges and state.get(t) != "done"), None)
            if step is None:
                state[node] = "done"
                stack.pop()
                trail.pop()
            elif state.get(step) == "open":
                return trail[trail.index(step):] + [step]
            else:
                state[step] = "open"
                trail.append(step)
                stack.append((step, iter(sorted(edges[step]))))
    return None


def cmake_rooms():
    """{room: set of DEPS} from the ingot_room() calls of src/CMakeLists.txt."""
    found = {}
    text = re.sub(r"#.*", "", repo.read("src/CMakeLists.txt"))
    for call in re.findall(r"ingot_room\(([^)]*)\)", text):
        words = call.replace('"', " ").split()
        deps, keyword = set(), None
        for word in words[1:]:
            if word in ("DEPS", "LIBS", "EXCLUDE"):
                keyword = word
            elif keyword == "DEPS":
                deps.add(word)
        found[words[0]] = deps
    return found


def check_cmake(table, problems):
    built = cmake_rooms()
    for room, deps in built.items():
        if room not in table:
            problems.append(f"src/CMakeLists.txt: room '{room}' is not in docs/MAP.md")
            continue
        wanted = table[room] & set(built)
        if deps != wanted:
            problems.append(
                f"src/CMakeLists.txt: ingot_room({room}): DEPS are {sorted(deps)}, "
                f"docs/MAP.md says {sorted(wanted)}")
    for room in sorted({path.split("/")[1] for path in repo.files("src", suffixes=repo.CPP)}):
        if room in table and room not in built:
            problems.append(f"src/{room}: has sources but no ingot_room({room}) in CMake")


def check_public_headers(table, problems):
    headers = [p for p in repo.files("include") if p.endswith((".h", ".hpp"))]
    if len(headers) > MAX_PUBLIC_HEADERS:
        problems.append(f"include/ingot: {len(headers)} headers, at most {MAX_PUBLIC_HEADERS}")
    for path in headers:
        if not path.startswith("include/ingot/"):
            problems.append(f"{path}: public headers live in include/ingot/")
        for target in included(repo.read(path), table):
            if not target.startswith("ingot/"):
                problems.append(f"{path}: a public header may not include \"{target}\"")
    return headers


# GCC 12 makes wrong code of a co_await inside &&, || and ?:, in a loop's condition and in +=.
AWAIT = re.compile(r"\bco_await\b")
GOOD_AWAIT = re.compile(r"^\s*(co_return )?co_await\b|^\s*(const )?[\w:<>]+ \w+ = co_await\b|"
                        r"^\s*(while \(\w+\) )?\w+ = co_await\b|"
                        r"^\s*if \([\w.]+\) co_await\b|^\s*//")


def check_awaits(problems):
    for path in repo.files("src", suffixes=repo.CPP):
        for number, line in enumerate(repo.read(path).splitlines(), 1):
            if AWAIT.search(line) and not GOOD_AWAIT.search(line):
                problems.append(f"{path}:{number}: co_await inside an expression; expected a "
                                "statement, or a variable that it initializes (GCC 12)")


def main():
    problems = []
    check_awaits(problems)
    table = repo.rooms()
    for room, allowed in table.items():
        for other in sorted(allowed - set(table)):
            problems.append(f"docs/MAP.md: room '{room}' names the unknown room '{other}'")
    cycle = find_cycle(table)
    if cycle:
        problems.append("docs/MAP.md: rooms form a cycle: " + " -> ".join(cycle))
    edges = check_includes(table, problems)
    cycle = find_cycle({p: t for p, t in edges.items() if p.endswith((".h", ".cuh"))})
    if cycle:
        problems.append("headers include each other: " + " -> ".join(cycle))
    check_cmake(table, problems)
    headers = check_public_headers(table, problems)
    links = sum(len(targets) for targets in edges.values())
    repo.finish("layers", problems,
                f"{len(edges)} files, {links} includes, {len(table)} rooms, "
                f"{len(headers)} public headers")


if __name__ == "__main__":
    main()
