"""`ingot serve` and the system's limits of open files, each connection being one."""

import contextlib
import re
import resource
import time

from server_harness import LIMIT, TINY, Server, Wire, exchange, request

from cli_harness import Checks

MODELS = request("GET", "/v1/models")
FILES = resource.RLIMIT_NOFILE


def under(soft, hard):
    return {"under": ["prlimit", f"--nofile={soft}:{hard}"]}


def answered(wire):
    """Whether the connection is served, not closed."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        wire.send(MODELS)
        answer = wire.answer()
        return answer is not None and answer.status == 200
    return False


def served_at_once(server, count):
    """How many of so many connections are."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.port)) for _ in range(count)]
        return sum([answered(wire) for wire in wires])


def warnings(server):
    return [line for line in server.stderr().splitlines() if "--max-connections" in line]


def free_again(server):
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        answer = exchange(server.port, MODELS)
        if answer is not None and answer.status == 200:
            return True
        time.sleep(0.02)
    return False


def check_soft_limit(checks):
    with Server(TINY, "--max-connections", "100", **under(30, 1000)) as server:
        soft, hard = resource.prlimit(server.process.pid, FILES)
        checks.check(100 < soft < 1000 and hard == 1000,
                     f"a low soft limit is raised as needed: {soft} of {hard}")
        checks.equal(served_at_once(server, 100), 100, "a low soft limit: all are served")
        checks.equal(warnings(server), [], "a low soft limit: no line")
    with Server(TINY, "--max-connections", "100", **under(500, 1000)) as server:
        checks.equal(resource.prlimit(server.process.pid, FILES), (500, 1000),
                     "a soft limit that is enough stays")


def check_hard_limit(checks):
    for hard in (20, 100):
        with Server(TINY, **under(hard, hard)) as server:
            lines = warnings(server)
            said = re.search(r"--max-connections 8192: (\d+) fit, as this process may open (\d+) "
                             r"files: raise that limit", lines[0] if lines else "")
            checks.check(len(lines) == 1 and said and int(said[2]) == hard,
                         f"hard limit {hard}: one line: {lines}")
            fit = int(said[1]) if said else 0
            checks.check(0 < fit < hard, f"hard limit {hard}: {fit} fit")
            checks.equal(served_at_once(server, 60), min(fit, 60),
                         f"hard limit {hard}: those that fit are served")
            checks.check(free_again(server), f"hard limit {hard}: served when others have gone")
            checks.check("accept:" not in server.stderr(),
                         f"hard limit {hard}: none is refused by the system: {server.stderr()}")


def check_out_of_files(checks):
    """The limit falls while it runs: connections wait, and few lines say so."""
    with Server(TINY, **under(1000, 1000)) as server:
        begin = time.monotonic()
        resource.prlimit(server.process.pid, FILES, (3, 1000))
        with Wire(server.port) as wire:
            while "accept:" not in server.stderr() and time.monotonic() < begin + LIMIT:
                time.sleep(0.02)
            time.sleep(1)  # some twenty tries
            lines = [line for line in server.stderr().splitlines() if "accept:" in line]
            most = 1 + (time.monotonic() - begin) / 5
            checks.check(1 <= len(lines) <= most, f"out of files: a line in 5 s: {lines}")
            resource.prlimit(server.process.pid, FILES, (1000, 1000))
            checks.check(answered(wire), "out of files: served when there are some again")


def main():
    checks = Checks()
    check_soft_limit(checks)
    check_hard_limit(checks)
    check_out_of_files(checks)
    checks.finish()


if __name__ == "__main__":
    main()
