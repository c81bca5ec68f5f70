"""What failed, at the end of a runner's output, in few lines: CI shows the end of its log alone."""

import re

MARK = "! "  # opens every such line; ./test repeats them below its summary
LINES = 30  # of all failures together
OF_ONE = 7
COLUMNS = 140
# The first line of a report of a sanitizer, of a check of ours, of an exception that nobody caught.
CAUSE = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|: Failure$"
                   r"|terminate called|^\[ *FAILED *\]|^FAIL\b|^Traceback|^FAILED )")


def excerpt(output, count=OF_ONE - 1):
    """The lines of `output` that say why: from the first known cause on, else the last ones."""
    lines = [line for line in output.splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if CAUSE.search(line)), None)
    return lines[-count:] if first is None else lines[first:first + count]


def of_script(output):
    """The lines of a script that open with FAIL, and the end of a Python traceback."""
    lines = output.splitlines()
    found = [line for line in lines if line.startswith("FAIL")]
    starts = [at for at, line in enumerate(lines) if line.startswith("Traceback ")]
    for line in lines[starts[-1] + 1:] if starts else []:
        found.append(line)
        if not line.startswith(" "):
            return found[:OF_ONE - 3] + found[OF_ONE - 3:][-3:]  # it ends with what was thrown
    return found or excerpt(output)


def of_case(case):
    """Why a test of GoogleTest's JSON report failed: each place with what was said there."""
    out = []
    for failure in case.get("failures", []):
        place, *said = [line for line in failure["failure"].splitlines() if line.strip()]
        out += [f"{place}: Failure", *said[:OF_ONE - 1]]
    return out


def summary(failures, lines=LINES):
    """Lines that name each failure, a pair (name, lines), and say why, while there is room."""
    out = []
    for at, (name, reasons) in enumerate(failures):
        others = len(failures) - at - 1
        room = lines - len(out)
        if room < 2 and others:
            out.append(f"{MARK}and {others + 1} more")
            break
        block = [f"{MARK}{name}", *(f"{MARK}    {line.strip()}" for line in reasons[:OF_ONE])]
        # Others are named, too, for which half of the lines is kept.
        out += block[:max(1, room - min(others, lines // 2))]
    return [line[:COLUMNS] for line in out]
