"""`ingot serve`: hundreds of clients that send half a head, or half a body, and then a byte.
They take no thread and little memory each, and others are served. One that stops reading over TLS
has its whole answer when it reads again."""

import os
import re
import ssl
import tempfile

from server_harness import TINY, Oracle, Server, Wire, exchange, make_certificate, request

from cli_harness import Checks
from reliability import eventually, is_idle, status_kib, wish
from slow_readers import choices_of

SECONDS = 5
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


def check_tls(checks, folder, tokens=1500):
    """Where the socket has room and TLS keeps bytes of its own: pauses work the same way."""
    certificate, key = make_certificate(folder)
    tls = ssl.create_default_context(cafile=certificate)
    body = wish(stream=True, max_tokens=tokens, logprobs=20, return_token_ids=True)
    with Oracle(rows=2, context=8192, ssl_certfile=certificate, ssl_keyfile=key) as oracle:
        def look():
            return exchange(oracle.port, request("GET", "/requests"), tls=tls).json()

        with Wire(oracle.port, tls) as quick:
            quick.send(body)
            wanted = choices_of(quick.answer().body)
        checks.equal([len(ids) for ids in wanted.values()], [tokens], "TLS: a whole answer")
        with Wire(oracle.port, tls, room=4096) as slow:
            slow.send(body)
            checks.check(eventually(lambda: look()["sequences"]["paused"] == 1),
                         f"TLS: who stops reading is paused: {look()['sequences']}")
            answer = slow.answer()
            checks.check(answer and choices_of(answer.body) == wanted and
                         answer.body.endswith(b"data: [DONE]\n\n"),
                         "TLS: it has the same answer when it reads again, to the end")
        checks.check(eventually(lambda: is_idle(look())), "TLS: nothing is left")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        check_tls(checks, folder)
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
