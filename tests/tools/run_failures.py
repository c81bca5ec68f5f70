"""What runners of tests say at their end: which tests failed and why, in few short lines."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import end_to_end  # noqa: E402
import failures  # noqa: E402
from cli_harness import Checks  # noqa: E402

# A test program: one test that passes, MANY that fail, or a death without a report.
PROGRAM = """#!/usr/bin/env python3
import json, sys
names = ["good"] + [f"bad_{i}" for i in range(MANY)]
if sys.argv[1] == "--gtest_list_tests":
    print("Suite.\\n" + "\\n".join(f"  {name}" for name in names))
    sys.exit(0)
if DIES:
    print("chatter\\nsrc/a.cc:1:2: runtime error: index 3 out of bounds\\n    #0 in f a.cc:1",
          file=sys.stderr)
    sys.exit(66)
cases = [{"name": name, "classname": "Suite", "result": "COMPLETED"} for name in names]
for case in cases[1:]:
    case["failures"] = [{"failure": "a_test.cc:7\\nExpected equality\\n  1\\n  2\\n" + 20 * "x\\n"}]
with open(sys.argv[2].removeprefix("--gtest_output=json:"), "w") as file:
    json.dump({"testsuites": [{"testsuite": cases}]}, file)
sys.exit(1 if MANY else 0)
"""


def unit_tests(folder, room, many, dies):
    """The last lines of tools/unit_tests.py on such a program, and its status."""
    path = os.path.join(folder, "tests", f"{room}_tests")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(PROGRAM.replace("MANY", str(many)).replace("DIES", str(dies)))
    os.chmod(path, 0o755)
    # In place of the program's own list of registered tests.
    with open(os.path.join(folder, "CTestTestfile.cmake"), "w", encoding="utf-8") as file:
        file.write(f'add_test({room}_tests "{path}")\n')
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "unit_tests.py"), folder,
                           room], capture_output=True, text=True, check=False)
    return done.stdout.splitlines(), done.returncode


def check_unit_tests(checks, folder):
    lines, status = unit_tests(folder, "fine", 0, False)
    checks.equal((status, [x for x in lines if x.startswith("!")]), (0, []), "nothing failed")
    lines, status = unit_tests(folder, "one", 1, False)
    checks.equal(status, 1, "one test failed: status")
    told = [line for line in lines if line.startswith("!")]
    checks.equal(told[:4], ["! one_tests: Suite.bad_0", "!     a_test.cc:7: Failure",
                                "!     Expected equality", "!     1"], "its name and its failure")
    checks.check("1 passed, 1 failed" in lines[-1], f"the total: {lines[-1]}")
    lines, _ = unit_tests(folder, "many", 7, False)
    told = [line for line in lines if line.startswith("! ")]
    checks.check(len(told) <= failures.LINES, f"many failures: {len(told)} lines")
    checks.equal([n for n in range(7) if f"! many_tests: Suite.bad_{n}" in told], list(range(7)),
                 "many failures: all are named")
    lines, _ = unit_tests(folder, "dead", 1, True)
    checks.check("! dead_tests: exit status 66" in lines, "a death is told")
    checks.check("!     src/a.cc:1:2: runtime error: index 3 out of bounds" in lines,
                 "and its cause")


def script(folder, text):
    """What run_script() makes of a script with this text, and what it prints."""
    path = os.path.join(folder, "run_it.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        return end_to_end.run_script(path, {}), printed.getvalue()


def check_scripts(checks, folder):
    checks.equal(script(folder, "print('ok   all')")[0], [], "a script that held")
    why, printed = script(folder, "print('ok   a\\nFAIL b: no\\nok   c\\n1 failed')\nexit(1)")
    checks.equal(why, ["FAIL b: no"], "a script's FAIL lines")
    checks.check("   ok   c" in printed, "all of it is printed too")
    why, _ = script(folder, "print('FAIL b')\nraise ValueError('deep')")
    checks.equal((why[0], why[-1]), ("FAIL b", "ValueError: deep"), "an exception's last line")
    told = "print('FAIL b\\nTraceback (x):\\n  File\\nValueError: caught\\nok   c')\nexit(1)"
    checks.equal(script(folder, told)[0], ["FAIL b", "  File", "ValueError: caught"],
                 "a traceback in the middle, without what follows it")
    checks.equal(script(folder, "exit(3)")[0], ["it printed nothing"], "a silent failure is told")


def check_bounds(checks):
    many = [(f"test {i}", ["why " + 500 * "x"] * 20) for i in range(100)]
    lines = failures.summary(many)
    checks.check(len(lines) <= failures.LINES, f"100 failures: {len(lines)} lines")
    checks.equal(max(map(len, lines)), failures.COLUMNS, "long lines are cut")
    left = int(lines[-1].split()[2])
    named = sum(line.startswith("! test ") for line in lines)
    checks.equal(named + left, 100, "the ones without room are counted")
    checks.equal(failures.summary([]), [], "no failure: no line")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        check_unit_tests(checks, folder)
        check_scripts(checks, folder)
    check_bounds(checks)
    checks.finish()


if __name__ == "__main__":
    main()
