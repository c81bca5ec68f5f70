"""Figures of what the server's own work takes. As those of reliability.py: counts are checked
whatever the machine, times where `judge_times` says so."""

import json
import os
import subprocess

from server_harness import LIMIT, TOOL, Oracle
from reliability import bench, verify

KEY_TOOL = os.path.join(os.path.dirname(TOOL), "api_key_timing_tool")
MOST_T = 4.5  # beyond it the times of two classes differ for certain
KEY_CASES = ["prefix", "length", "count", "place"]
MOST_FIRST_MS = 2  # to the first token, of an idle server whose model takes no time
MOST_CPU_US = 25  # of the server, for a token that is streamed
LEAST_TOKENS_S = 25_000


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


def first_tokens(checks, requests, judge_times):
    """TTFT: time to the first token, one request after the other, of a model that takes no time"""
    out = {}
    for endpoint in ("completions", "chat"):
        with Oracle(rows=4) as oracle:
            found = bench(oracle, "--endpoint", endpoint, "--num-requests", requests,
                          "--concurrency", 1, "--isl", 64, "--osl", 4, "--ignore-eos")
            checks.equal((found["completed"], found["total_output_tokens"]),
                         (requests, 4 * requests), f"TTFT {endpoint}: all are answered")
            out[endpoint] = {name: found[name] for name in
                             ("mean_ttft_ms", "median_ttft_ms", "p99_ttft_ms", "median_e2el_ms")}
    for endpoint, times in out.items() if judge_times else ():
        for name in ("mean_ttft_ms", "median_ttft_ms"):
            checks.check(times[name] <= MOST_FIRST_MS,
                         f"TTFT {endpoint}: {name} is {times[name]}, at most {MOST_FIRST_MS}")
    return {"requests": requests, "prompt_tokens": 64, **out}


def many_streams(checks, streams, tokens, step_us, judge_times):
    """STREAMS: what a token costs the server, many streams at a time, every token checked (D1)"""
    out = []
    for step in step_us:
        with Oracle(rows=streams, step_us=step) as oracle:
            code, found = verify(oracle, streams=streams, tokens=tokens)
            checks.equal((code, found["wrong_streams"], found["tokens"]),
                         (0, 0, streams * tokens), f"STREAMS, steps of {step} us: all are right")
            cost = oracle.stop()
            checks.equal((cost["output_tokens"], cost["running"], cost["pages_used"]),
                         (streams * tokens, 0, 0), f"STREAMS, steps of {step} us: nothing is left")
        out.append({"step_us": step, "tokens_s": found["tokens_s"],
                    "server_cpu_us_per_token": cost["cpu_us_per_token"],
                    "server_thread_s": cost["thread_s"], "client_cpu_s": found["client_cpu_s"],
                    "p50_ttft_ms": found["ttft_p50_ms"],
                    "peak_rss_mib": cost["peak_rss_bytes"] >> 20})
    for run in out if judge_times else ():
        what = f"STREAMS, steps of {run['step_us']} us"
        cpu, rate = run["server_cpu_us_per_token"], run["tokens_s"]
        checks.check(cpu <= MOST_CPU_US, f"{what}: {cpu} us of CPU a token, at most {MOST_CPU_US}")
        checks.check(rate >= LEAST_TOKENS_S, f"{what}: {rate} tokens/s, at least {LEAST_TOKENS_S}")
    return {"streams": streams, "tokens": tokens, "runs": out}
