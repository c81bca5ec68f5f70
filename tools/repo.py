"""What every gate shares: where the repository is, its source files, its room table."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CPP = (".cc", ".h", ".cu", ".cuh")
SKIPPED_FOLDERS = {"build", ".git", ".cache", "__pycache__", ".venv", ".ccache"}


def files(*folders, suffixes=None):
    """Repository-relative paths below `folders` (all if none), sorted, without build output."""
    found = []
    for folder in folders or (".",):
        for base, names, leaves in os.walk(os.path.join(ROOT, folder)):
            names[:] = [n for n in names if n not in SKIPPED_FOLDERS and not n.startswith("build")]
            for leaf in leaves:
                path = os.path.relpath(os.path.join(base, leaf), ROOT)
                if suffixes is None or path.endswith(tuple(suffixes)):
                    found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def rooms():
    """The table of docs/MAP.md as {room: set of rooms it may include}, base always among them."""
    table = {}
    for line in read("docs/MAP.md").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        match = re.fullmatch(r"`(\w+)/`", cells[0]) if len(cells) == 3 else None
        if match is None:
            continue
        room, allowed = match.group(1), cells[2]
        if room in table:
            sys.exit(f"docs/MAP.md: room {room} appears twice")
        if allowed == "all":
            table[room] = None
        else:
            table[room] = set(re.findall(r"\w+", allowed))
    if not table:
        sys.exit("docs/MAP.md: no room table found")
    for room, allowed in table.items():
        if allowed is None:
            table[room] = set(table) - {room, "python"}
        elif room != "base":
            allowed.add("base")
    return table


def finish(gate, problems, summary):
    """Prints every problem and the summary; exits 1 if there was a problem."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{gate}: {len(problems)} problem(s)")
        sys.exit(1)
    print(f"{gate}: {summary}")
