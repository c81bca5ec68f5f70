"""What tools/gpu/sanitize.sh makes of logs: only cases that were seen to their end are proven.
What it stops at its limit leaves no process behind."""

import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
from cli_harness import Checks  # noqa: E402

CASES = "#!/bin/sh\nprintf 'linear.\\n  gpu_a\\n  gpu_b\\n  gpu_c\\n'\n"
SANITIZER = '#!/bin/sh\ncat "$FAKE_LOG"\nexit "$FAKE_STATUS"\n'
# A sanitizer does not take its program with it when a signal ends it.
STUCK = """#!/bin/sh
setsid -f python3 -c 'import time; time.sleep(100)' "$@" </dev/null >/dev/null 2>&1
exec sleep 100
"""
OK = "[       OK ] linear.gpu_{} (1 ms)\n"
TWO = OK.format("a") + OK.format("b")
PASSED = TWO + OK.format("c") + "[  PASSED  ] 3 tests.\n"
SKIPPED = "x.cc:1: Skipped\n{}\n[  SKIPPED ] linear.gpu_c (0 ms)\n"
LEFT = TWO + SKIPPED.format("all its kernels are left out") + "[  PASSED  ] 2 tests.\n"
FAILED = TWO + "[  FAILED  ] linear.gpu_c (1 ms)\n[  PASSED  ] 2 tests.\n"
RACE = "========= Error: Race reported between Read access at void ingot::cuda::stream+0x1\n"
SUMMARY = "========= RACECHECK SUMMARY: {} displayed ({}, 0 warnings)\n"
BROKEN = "========= Internal Sanitizer Error: x\n"
CLEAN = SUMMARY.format("0 hazards", "0 errors")
ONE = SUMMARY.format("1 hazard", "1 error")

# Name, the sanitizer's log and status, sanitize.sh's status, words of what it prints.
LOGS = [
    ("clean", PASSED + CLEAN, 0, 0, "3 cases clean"),
    ("a case that cuBLASLt alone runs", LEFT + CLEAN, 0, 0, "2 cases clean"),
    ("it is named", LEFT + CLEAN, 0, 0, "racecheck: LEFT-OUT linear.gpu_c"),
    ("a race", PASSED + RACE + ONE, 99, 1, "in processes that failed 3"),
    ("a case failed", FAILED + CLEAN, 1, 1, "0 cases clean"),
    ("a case failed, unseen", FAILED + CLEAN, 0, 1, "0 cases clean"),
    ("the sanitizer failed", PASSED + BROKEN + CLEAN, 0, 1, ""),
    ("a kernel that it cannot follow", PASSED + "========= Warning: x\n" + CLEAN, 0, 1, ""),
    ("a fault", PASSED + "========= Program hit cudaErrorIllegalAddress\n" + CLEAN, 0, 1, ""),
    ("fewer cases than were named", TWO + "[  PASSED  ] 2 tests.\n" + CLEAN, 0, 1, ""),
    ("a case skipped", LEFT.replace("all its kernels are left out", "no GPU") + CLEAN, 0, 1, ""),
    ("it ended within a case", TWO + CLEAN, 0, 1, ""),
    ("no summary", PASSED, 0, 1, ""),
]


def running(*texts):
    """Whether a process lives that was started with these words."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(text in words for text in texts):
            return True
    return False


def script(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "bin"))
        shutil.copy(os.path.join(ROOT, "tools", "gpu", "sanitize.sh"), folder)
        script(os.path.join(folder, "bin", "ops_tests"), CASES)
        script(os.path.join(folder, "sanitizer"), SANITIZER)
        log = os.path.join(folder, "log.txt")
        env = {**os.environ, "SANITIZER": os.path.join(folder, "sanitizer"), "FAKE_LOG": log,
               "SANITIZE_CASES": "gpu_", "SANITIZE_PACK": "3"}
        for name, text, status, wanted, words in LOGS:
            with open(log, "w") as file:
                file.write(text)
            done = subprocess.run(["./sanitize.sh", ".", "racecheck"], cwd=folder, text=True,
                                  env={**env, "FAKE_STATUS": str(status)}, capture_output=True,
                                  timeout=60)
            checks.equal((done.returncode, words in done.stdout), (wanted, True), name)
            if done.returncode != wanted or words not in done.stdout:
                print(done.stdout + done.stderr)
        script(os.path.join(folder, "sanitizer"), STUCK)
        done = subprocess.run(["./sanitize.sh", ".", "racecheck"], cwd=folder, text=True,
                              env={**env, "SANITIZE_LIMIT": "2"}, capture_output=True, timeout=60)
        checks.equal(done.returncode, 3, "stopped at its limit: " + done.stdout)
        checks.equal(running(os.path.join(folder, "bin", "ops_tests"),
                             "--gtest_filter=linear.gpu_a:linear.gpu_b:linear.gpu_c"), False,
                     "nothing of it goes on")
    checks.finish()


if __name__ == "__main__":
    main()
