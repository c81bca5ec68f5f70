"""`ingot serve`: hundreds of clients that send half a head, or half a body, and then a byte.
They take no thread and little memory each, and others are served."""

import os
import re

from server_harness import TINY, Server, Wire, exchange, request

from cli_harness import Checks
from reliability import eventually, status_kib

SECONDS = 2
EACH = 250
GOOD = request("POST", "/v1/completions", {"prompt": [1, 2], "max_tokens": 2})
HALF_BODY = GOOD.index(b"\r\n\r\n") + 9
HALF_HEAD = HALF_BODY - 20
MOST_KIB = 32  # of an idle connection


def threads(server):
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def half_open(server, data):
    out = []
    for _ in range(EACH):
        wire = Wire(server.port)
        wire.send(data)
        out.append(wire)
    return out


def served(server):
    answer = exchange(server.port, GOOD)
    return answer is not None and answer.status == 200


def connections(server):
    """Those that the server has open, this one's left out."""
    stats = exchange(server.port, request("GET", "/metrics")).body.decode()
    return int(re.search(r"^ingot_connections\{.*\} (\d+)$", stats, re.MULTILINE)[1]) - 1


def main():
    checks = Checks()
    with Server(TINY) as server:
        checks.check(served(server), "a good request is answered")
        checks.check(eventually(lambda: connections(server) == 0), "no connection is there")
        before = threads(server), status_kib(server, "VmRSS")
        heads = half_open(server, GOOD[:HALF_HEAD])
        bodies = half_open(server, GOOD[:HALF_BODY])
        opened = len(heads) + len(bodies)
        checks.check(eventually(lambda: connections(server) >= opened), f"{opened} are half here")
        for index, wire in enumerate(heads + bodies):
            at = HALF_HEAD if index < EACH else HALF_BODY
            wire.send(GOOD[at:at + 1])
            if index % 100 == 0:
                checks.check(served(server), f"after a byte more of {index} another is served")
        grown = status_kib(server, "VmRSS") - before[1]
        checks.check(grown <= opened * MOST_KIB, f"memory of {opened}: {grown} KiB")
        checks.equal(threads(server), before[0], "threads")
        for what, at in (("head", HALF_HEAD), ("body", HALF_BODY)):
            wire = Wire(server.port)
            for data in (GOOD[:at], GOOD[at:at + 1], GOOD[at + 1:]):
                wire.send(data)
            answer = wire.answer()
            checks.equal(answer and answer.status, 200, f"a {what} that goes on is answered")
            wire.close()
        for wire in heads + bodies:
            wire.close()
        checks.check(eventually(lambda: connections(server) == 0), "who leaves leaves nothing")
        checks.check(served(server), "and others are served")
        checks.equal(server.stop(), 0, "SIGTERM: exit code")
    checks.finish()


if __name__ == "__main__":
    main()
