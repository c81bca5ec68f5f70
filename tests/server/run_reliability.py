"""Figures of reliability at small counts: what must hold holds, times are printed and not judged.
bench/reliability.py has the full counts. RELIABILITY="D4 D9" runs these alone."""

import json
import os
import time

from figures import FIGURES
from cli_harness import Checks

SECONDS = 25


def main():
    checks = Checks()
    for name in os.environ.get("RELIABILITY", " ".join(FIGURES)).split():
        function, _, small = FIGURES[name]
        began = time.monotonic()
        out = function(checks, **small)
        print(f"     {name}: {time.monotonic() - began:.1f} s, {json.dumps(out)}", flush=True)
    checks.finish()


if __name__ == "__main__":
    main()
