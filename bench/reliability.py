#!/usr/bin/env python3
"""bench/reliability.py [NAME...]: the figures of reliability at full counts.

C8, D4 to D10, TTFT, STREAMS (D1), E3. One JSON object on standard output: every figure with its
counts and times, the machine, the commit, and how many checks held; progress on standard error.
Exit code 1 if any check failed.
DEV_INGOT_BINARY names the program (default build/dev/ingot), whose build must have
oracle_server_tool and api_key_timing_tool.
"""

import contextlib
import datetime
import json
import os
import resource
import sys
import time

from origin import ROOT, commit, machine

for folder in ("server", "cli"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))
from cli_harness import Checks  # noqa: E402
from figures import FIGURES  # noqa: E402


def main():
    names = sys.argv[1:] or list(FIGURES)
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        sys.exit(f"bench/reliability.py: expected some of {' '.join(FIGURES)}, found {unknown[0]}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    checks = Checks()
    out = {"command": " ".join(["bench/reliability.py", *sys.argv[1:]]),
           "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
           "commit": commit("bench/reliability.py"), "machine": machine(), "figures": {}}
    for name in names:
        function, full, _ = FIGURES[name]
        failed, began = checks.failed, time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):
            figures = function(checks, **full)
        out["figures"][name] = {"what": function.__doc__.split(": ", 1)[1], **figures,
                                "held": checks.failed == failed,
                                "wall_s": time.monotonic() - began}
        print(f"{name}: {json.dumps(out['figures'][name])}", file=sys.stderr, flush=True)
    out["checks"] = {"passed": checks.passed, "failed": checks.failed}
    out["machine"]["load_average_after"] = os.getloadavg()
    print(json.dumps(out, indent=1))
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
