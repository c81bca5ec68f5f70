#!/usr/bin/env python3
"""Checks a printed memory plan without the planner's help.

Reads what `ingot build --print-plan`, `ingot exec --print-plan` and Executor::memory().text print,
from files or standard input:

    plan NAME                                          } the plan and the limits its sizes are
      %a, %b = op(%x, %y) {...} : float32[tokens, 8], ... } taken at; left out, the items below are
      %c = view op(%a) : float32[tokens, 2]            } believed
      return %b                                        }
    limits tokens=512
    arena TOTAL bound BOUND
    NAME BYTES FIRST_STEP LAST_STEP OFFSET
    ...

recomputes every item's bytes and life from the plan, and the largest sum of live bytes over all
steps; fails if an item says otherwise or is missing, if two items that are alive together overlap,
an item ends past the arena, the printed bound is wrong, or the arena exceeds 1.1 times the bound.
Lines of other shapes are passed over, so a whole report may be piped in.
"""

import math
import re
import sys

HEADER = re.compile(r"\s*arena (\d+) bound (\d+)\s*$")
ITEM = re.compile(r"\s*(\S+) (\d+) (\d+) (\d+) (\d+)\s*$")
STEP = re.compile(r"  (%\S.*?) = (view )?(\w+)\((.*?)\)( \{.*\})? : (.*)$")
TYPE = re.compile(r"(state )?(\w+)\[([^\]]*)\]")
WIDTHS = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "int64": 8, "uint64": 8,
          "int32": 4, "uint32": 4, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1, "bool": 1}
CONTROL = ("if", "loop")  # their results are sized by what ran, and live on the heap
MOST = 1.1


class Plan:
    """The outermost plan of a text: what each step makes and reads."""

    def __init__(self):
        self.steps = []  # (op, outputs, inputs, types, whether a view of the first input)
        self.returned = []
        self.limits = None
        self.done = False

    def take(self, line):
        if line.startswith("limits"):
            self.limits = {k: int(v) for k, v in (p.split("=") for p in line.split()[1:])}
        elif self.done:
            return
        elif line.startswith("  return"):
            self.returned = line.split()[1:]
            self.done = True
        elif match := STEP.match(line):
            self.steps.append((match[3], match[1].split(", "), match[4].split(", "),
                               TYPE.findall(match[6]), bool(match[2])))

    def size(self, kind, shape):
        """Bytes at the limits; None when a dimension is known only while running."""
        names = {**self.limits, "floor": lambda a, b: a // b, "ceil": lambda a, b: -(-a // b),
                 "max": max, "min": min, "__builtins__": {}}
        try:
            # Dimensions are sums of products: names, numbers and the four functions above.
            dims = [int(eval(d, names)) for d in split_dims(shape)]  # pylint: disable=eval-used
        except NameError:
            return None
        return WIDTHS[kind] * math.prod(dims)

    def items(self):
        """{name: (bytes, first, last)} of all intermediates."""
        out = {}
        roots = {}  # of views
        for step, (op, outputs, inputs, types, view) in enumerate(self.steps):
            for name in inputs:
                root = roots.get(name, name)[1:]
                if root in out:
                    out[root][2] = step
            if view:
                roots.update((name, roots.get(inputs[0], inputs[0])) for name in outputs)
                continue
            if len(types) != len(outputs):
                sys.exit(f"arena_bound: step {step} makes {outputs} of types {types}")
            for name, (state, kind, shape) in zip(outputs, types):
                size = None if state or op in CONTROL else self.size(kind, shape)
                if size is not None:
                    out[name[1:]] = [size, step, step]
        for name in self.returned:
            root = roots.get(name, name)[1:]
            if root in out:
                out[root][2] = len(self.steps)
        return {name: tuple(item) for name, item in out.items()}


def split_dims(shape):
    """The dimensions of "tokens, max(a, b)"."""
    out, depth = [""], 0
    for char in shape:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            out.append("")
        else:
            out[-1] += char
    return [d for d in out if d.strip()]


def parse(text):
    """A list of (total, bound, items, plan) with items as (name, bytes, first, last, offset)."""
    plans = []
    plan = Plan()
    for line in text.splitlines():
        header = HEADER.match(line)
        if header:
            plans.append((int(header[1]), int(header[2]), [], plan if plan.done else None))
            plan = Plan()
            continue
        item = ITEM.match(line)
        if item and plans and not plan.steps:
            plans[-1][2].append((item[1],) + tuple(int(item[i]) for i in range(2, 6)))
        else:
            plan.take(line)
    return plans


def check_against_plan(items, plan):
    if plan.limits is None:
        return ["a plan without its limits"]
    problems = []
    expected = plan.items()
    for name, size, first, last, _ in items:
        if expected.get(name) != (size, first, last):
            problems.append(f"{name}: {size} bytes from step {first} to {last}, but the plan says "
                            f"{expected.get(name)}")
    missing = set(expected) - {item[0] for item in items}
    if missing:
        problems.append(f"no place for {sorted(missing)}")
    return problems


def check(total, bound, items, plan):
    """Problems as text, and the recomputed bound."""
    problems = check_against_plan(items, plan) if plan else []
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
        if not plans or not any(items for _, _, items, _ in plans):
            print("arena_bound: no memory plan in the input", file=sys.stderr)
            failed = True
        for total, bound, items, plan in plans:
            problems, live = check(total, bound, items, plan)
            for problem in problems:
                print(f"arena_bound: {problem}", file=sys.stderr)
            failed |= bool(problems)
            ratio = total / live if live else 1
            whence = f"the plan's {len(plan.steps)} steps" if plan else "the printed items"
            print(f"arena {total} bytes, bound {live}, ratio {ratio:.3f}, {len(items)} items, "
                  f"from {whence}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
