#!/usr/bin/env python3
"""Checks a printed memory plan without the planner's help.

Reads what Executor::memory().text and `ingot inspect` print, from files or standard input:

    arena TOTAL bound BOUND
    NAME BYTES FIRST_STEP LAST_STEP OFFSET
    ...

recomputes the largest sum of live bytes over all steps, and fails if two items that are alive
together overlap, an item ends past the arena, the printed bound is wrong, or the arena exceeds
1.1 times the bound. Lines of other shapes are passed over, so a whole report may be piped in.
"""

import re
import sys

HEADER = re.compile(r"\s*arena (\d+) bound (\d+)\s*$")
ITEM = re.compile(r"\s*(\S+) (\d+) (\d+) (\d+) (\d+)\s*$")
MOST = 1.1


def parse(text):
    """A list of (total, bound, items) with items as (name, bytes, first, last, offset)."""
    plans = []
    for line in text.splitlines():
        header = HEADER.match(line)
        if header:
            plans.append((int(header[1]), int(header[2]), []))
            continue
        item = ITEM.match(line)
        if item and plans:
            plans[-1][2].append((item[1],) + tuple(int(item[i]) for i in range(2, 6)))
    return plans


def check(total, bound, items):
    """Problems as text, and the recomputed bound."""
    problems = []
    live = 0
    for step in range(max((item[3] for item in items), default=-1) + 1):
        live = max(live, sum(i[1] for i in items if i[2] <= step <= i[3]))
    by_offset = sorted(items, key=lambda item: item[4])
    for index, (name, size, first, last, offset) in enumerate(by_offset):
        if first > last:
            problems.append(f"{name}: dies at step {last}, before its first step {first}")
        if offset + size > total:
            problems.append(f"{name}: ends at {offset + size}, past the arena's {total} bytes")
        for other, other_size, other_first, other_last, other_offset in by_offset[index + 1:]:
            if other_offset >= offset + size:
                break
            if other_size and first <= other_last and other_first <= last:
                problems.append(f"{name} and {other} overlap at {other_offset} and live together "
                                f"from step {max(first, other_first)}")
    if bound != live:
        problems.append(f"the printed bound is {bound}, the live bytes reach {live}")
    if total > MOST * live:
        problems.append(f"the arena of {total} bytes exceeds {MOST} x {live}")
    return problems, live


def main():
    texts = [open(path, encoding="utf-8").read() for path in sys.argv[1:]] or [sys.stdin.read()]
    failed = False
    for text in texts:
        plans = parse(text)
        if not plans or not any(items for _, _, items in plans):
            print("arena_bound: no memory plan in the input", file=sys.stderr)
            failed = True
        for total, bound, items in plans:
            problems, live = check(total, bound, items)
            for problem in problems:
                print(f"arena_bound: {problem}", file=sys.stderr)
            failed |= bool(problems)
            ratio = total / live if live else 1
            print(f"arena {total} bytes, bound {live}, ratio {ratio:.3f}, {len(items)} items")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
