"""Each figure with its counts: full (bench/reliability.py), and for CI (run_reliability.py)."""

from reliability import (cache_isolation, deadlines, disconnects, drain, fairness, overload,
                         small_pool)
from slow_readers import slow_readers, steady_readers
from timing import first_tokens, key_compare, many_streams

FIGURES = {
    "C8": (key_compare, {"calls": 1_000_000, "judge_times": True},
           {"calls": 20_000, "judge_times": False}),
    "D4": (disconnects, {"count": 100_000}, {"count": 10_000}),
    "D5": (slow_readers, {"slow": 50, "streams": 500, "tokens": 256},
           {"slow": 6, "streams": 32, "tokens": 64}),
    "D5_steady": (steady_readers, {"readers": 3, "tokens": 3000, "bytes_s": 20_000},
                  {"readers": 2, "tokens": 900, "bytes_s": 150_000}),
    "D6": (overload, {"seconds": 60}, {"seconds": 1}),
    "D7": (small_pool, {"rounds": 20}, {"rounds": 1}),
    "D8": (deadlines, {"count": 200}, {"count": 12}),
    "D9": (fairness, {"flood": 400, "few": 200, "rounds": 4, "judge_times": True},
           {"flood": 100, "few": 4, "rounds": 1, "judge_times": False}),
    "D10": (cache_isolation, {"secrets": 1000, "judge_times": True},
            {"secrets": 20, "judge_times": False}),
    "TTFT": (first_tokens, {"requests": 500, "judge_times": True},
             {"requests": 20, "judge_times": False}),
    # In steps of 60 ms tokens come one by one; of 25 ms, twice as many.
    "STREAMS": (many_streams, {"streams": 2000, "tokens": 256, "step_us": (60_000, 25_000),
                               "judge_times": True},
                {"streams": 50, "tokens": 16, "step_us": (2_000,), "judge_times": False}),
    "E3": (drain, {"streams": 200}, {"streams": 20}),
}
