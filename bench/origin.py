"""Where figures come from: the machine, and the commit that was measured."""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": names[0] if names else "unknown", "cores": os.cpu_count(),
            "load_average": os.getloadavg()}


def commit(script):
    """Of the checkout; BENCH_COMMIT names it where git cannot tell (a copy, a bind mount)."""
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    out = done.stdout.strip() or os.environ.get("BENCH_COMMIT", "")
    if not out:
        sys.exit(f"{script}: no commit to write beside the figures: expected git's, or "
                 f"BENCH_COMMIT, found {done.stderr.strip()}")
    return out
