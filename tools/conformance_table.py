#!/usr/bin/env python3
"""Writes the table of a device into docs/conformance.md: conformance_table.py [DEVICE] [CASE...]

DEVICE: cpu (default), cuda, cuda:1. Each case (a folder with golden.json; default: all of
tests/data/goldens, and of $DEV_INGOT_GOLDENS or ../shared/goldens) runs by `ingot conformance` once
for each arithmetic. What stands between the device's two marks in the file is replaced, the rest
stays. DEV_INGOT_BINARY names the program (default: build/dev/ingot). Exit status 1 where a case
does not pass.
"""

import datetime
import json
import os
import re
import subprocess
import sys

import repo

BINARY = os.path.abspath(os.environ.get("DEV_INGOT_BINARY",
                                        os.path.join(repo.ROOT, "build/dev/ingot")))
PAGE = os.path.join(repo.ROOT, "docs", "conformance.md")
DTYPES = ("float32", "bfloat16", "float16")


def golden_cases():
    """Cases by name, those of the repository before others of the same name."""
    out = {}
    beside = (os.environ.get("DEV_INGOT_GOLDENS") or
              os.path.join(os.path.dirname(repo.ROOT), "shared/goldens"))
    for folder in (os.path.join(repo.ROOT, "tests/data/goldens"), beside):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if os.path.exists(os.path.join(path, "golden.json")):
                out.setdefault(name, path)
    return [out[name] for name in sorted(out)]


def run(arguments):
    """The JSON lines that a command prints, whatever its status."""
    done = subprocess.run([BINARY, *arguments, "--json"], capture_output=True, text=True,
                          check=False)
    if not done.stdout:
        sys.exit(f"ingot {' '.join(arguments)}: status {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def error(value):
    return "-" if value is None else f"{value:.1e}"


def row(results):
    """One case in all arithmetics; reasons of what does not pass below their numbers."""
    cells = [f"`{os.path.basename(results[0]['case'].rstrip('/'))}`"]
    for result in results:
        tokens = (f"{result['greedy_match']}/{result['greedy_total']}" if result["greedy_total"]
                  else "-")
        cells += [result["status"], error(result["max_error"]), error(result["rms_error"]), tokens]
    return "| " + " | ".join(cells) + " |"


def why(result):
    """One line of the page, long lists cut."""
    name = os.path.basename(result["case"].rstrip("/"))
    reason = re.sub(r"\S*/([^/ ]+/[^/ ]+): ", r"\1: ", result["reason"])
    return f"- `{name}`: {reason if len(reason) < 200 else reason[:80] + ' ... ' + reason[-80:]}"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = re.findall(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return f"{names[0]}, {len(names)} CPUs" if names else "unknown"


def graphics():
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def table(device, cases):
    """Lines of the page, and whether all passed."""
    results = [run(["conformance", *cases, "--dtype", dtype, "--device", device])
               for dtype in DTYPES]
    version = run(["version"])[0]
    machine = f"{processor()}, {version['cpu_isa']}" if device == "cpu" else graphics()
    lines = [f"Ingot {version['version']} on {machine}; {datetime.date.today().isoformat()}.", "",
             "| case | " + " | ".join(f"{dtype} | max | rms | tokens" for dtype in DTYPES) + " |",
             "|---" * (1 + 4 * len(DTYPES)) + "|"]
    lines += [row(of_case) for of_case in zip(*results)]
    reasons = sorted({why(r) for of_dtype in results for r in of_dtype if r["status"] != "pass"})
    if reasons:
        lines += ["", "What did not pass:", "", *reasons]
    return lines, not reasons


def main():
    arguments = sys.argv[1:]
    device = arguments.pop(0) if arguments and re.match(r"cpu$|cuda", arguments[0]) else "cpu"
    cases = arguments or golden_cases()
    lines, good = table(device, cases)
    begin, end = (f"<!-- {device.split(':')[0]}: {word} -->\n" for word in ("begin", "end"))
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    if begin not in text or end not in text:
        sys.exit(f"{PAGE}: expected the marks {begin.strip()} and {end.strip()}")
    head, rest = text.split(begin)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])
    print("\n".join(lines))
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
