"""Figures of what the server's own work takes. As those of reliability.py: counts are checked
whatever the machine, times where `judge_times` says so."""

import json
import os
import subprocess

from server_harness import LIMIT, TOOL

KEY_TOOL = os.path.join(os.path.dirname(TOOL), "api_key_timing_tool")
MOST_T = 4.5  # beyond it the times of two classes differ for certain
KEY_CASES = ["prefix", "length", "count", "place"]


def key_compare(checks, calls, judge_times):
    """C8: the time of comparing API keys tells nothing of them, that of an early exit does"""
    done = subprocess.run([KEY_TOOL, "--calls", str(calls)], capture_output=True, check=False,
                          timeout=LIMIT)
    checks.equal(done.returncode, 0, f"C8: exit code {done.stderr[-300:]!r}")
    out = json.loads(done.stdout)
    checks.equal([case["name"] for case in out["cases"]], KEY_CASES, "C8: the cases")
    for case in out["cases"]:
        for kind in ("ours", "early_exit"):
            all_calls = case[kind]["crops"][0]["calls"]
            checks.check(sum(all_calls) == calls and min(all_calls) > calls // 3,
                         f"C8 {case['name']}, {kind}: {all_calls} calls of both classes")
    for case in out["cases"] if judge_times else ():
        # No number (null) holds neither.
        ours, early = (case[kind]["worst_t"] for kind in ("ours", "early_exit"))
        checks.check(ours is not None and abs(ours) < MOST_T,
                     f"C8 {case['name']}: our comparison: t is {ours}, at most {MOST_T}")
        checks.check(early is not None and abs(early) > MOST_T,
                     f"C8 {case['name']}: an early exit is seen: t is {early}")
    return out
