"""Requests that schemathesis makes of /openapi.json, right ones and wrong ones: each answer is one
that the description declares, with and without keys."""

import re
import subprocess
import sys
import tempfile

from server_harness import Oracle

from cli_harness import Checks

SECONDS = 20
KEY = "key-of-the-test"
EXAMPLES = 6  # of each operation in a phase: bounded by number, not by time
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,"
          "response_headers_conformance,response_schema_conformance,unsupported_method")
LIMIT = 300


def run(checks, what, port, phases, more_checks, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run",
             f"http://127.0.0.1:{port}/openapi.json", "--checks", CHECKS + more_checks,
             "--phases", phases, "--max-examples", str(EXAMPLES), "--seed", "1",
             "--generation-database", "none", "--no-color", "--max-response-time", "60",
             *arguments],
            capture_output=True, text=True, check=False, timeout=LIMIT, cwd=folder)
    lines = done.stdout.splitlines()
    at = next((i for i, line in enumerate(lines) if "FAILURES" in line or "ERRORS" in line), 0)
    if not checks.equal(done.returncode, 0, f"{what}: exit code of schemathesis"):
        print("\n".join(lines[at:at + 150]), done.stderr[-2000:], flush=True)
    print("\n".join(lines[-25:]))
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    checks.check(found and int(found[1]) > 50, f"{what}: {found and found[0]}")


def main():
    checks = Checks()
    with Oracle(rows=16) as oracle:
        run(checks, "no keys", oracle.port, "coverage,fuzzing", "")
        checks.equal(oracle.stop()["running"], 0, "no keys: no request is left in the server")
    with Oracle(rows=16, api_key=KEY) as oracle:
        run(checks, "with a key", oracle.port, "fuzzing", ",ignored_auth", "--header",
            f"Authorization: Bearer {KEY}")
    checks.finish()


if __name__ == "__main__":
    main()
