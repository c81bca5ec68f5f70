"""Figures of reliability (docs/serving.md): `ingot serve`'s server before the oracle model, under
clients that leave, stall, flood and probe. Every function checks counts, whatever the machine, and
returns them with the times that it saw. figures.py has the counts."""

import json
import os
import random
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

from server_harness import BINARY, LIMIT, TOOL, Oracle, Wire, exchange, request
from cli_harness import ingot

COMPLETIONS = "/v1/completions"
PROBES = request("GET", "/requests")


def wish(prompt="hello", key=None, **more):
    headers = [f"x-api-key: {key}"] if key else []
    return request("POST", COMPLETIONS, {"prompt": prompt, "temperature": 0, "seed": 0,
                                         "ignore_eos": True, "max_tokens": 32, **more}, *headers)


def eventually(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def look(oracle, key=None):
    data = request("GET", "/requests", None, f"x-api-key: {key}") if key else PROBES
    return exchange(oracle.port, data).json()


def is_idle(seen):
    return (seen["count"] == 0 and seen["queue"] == {"requests": 0, "tokens": 0} and
            not any(seen["sequences"].values()) and
            all(group["used"] == 0 for group in seen["kv_pages"]))


def status_kib(oracle, name):
    with open(f"/proc/{oracle.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def descriptors(oracle):
    return len(os.listdir(f"/proc/{oracle.process.pid}/fd"))


def settled(oracle):
    """Descriptors of a server that has answered before and whose connections have closed."""
    verify(oracle, streams=4, tokens=4)
    counts = []
    while len(counts) < 20:
        counts.append(descriptors(oracle))
        time.sleep(0.05)
    return min(counts)


def verify(oracle, **options):
    """Streams compared with the oracle token by token: (exit code, figures)."""
    flags = [word for name, value in options.items() for word in ("--" + name, str(value))]
    done = subprocess.run([TOOL, "verify", "--port", str(oracle.port), *flags],
                          capture_output=True, check=False, timeout=10 * LIMIT)
    return done.returncode, json.loads(done.stdout)


def bench(oracle, *flags):
    done = ingot("bench", "serve", "--url", oracle.url, "--json", *map(str, flags),
                 timeout=10 * LIMIT)
    return json.loads(done.stdout)


def quantile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def side_by_side(count, threads, work):
    """work(index) for each index, in threads; the first exception comes back."""
    faults = []

    def some(first):
        try:
            for index in range(first, count, threads):
                work(index)
        except Exception as error:  # pylint: disable=broad-except
            faults.append(error)

    running = [threading.Thread(target=some, args=(first,)) for first in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if faults:
        raise faults[0]


# What a client sends before it leaves, and what it waits for first.
STREAM = wish(stream=True, max_tokens=48)
LONG_STREAM = wish("p" * 3000, stream=True)
HEAD = STREAM.index(b"\r\n\r\n") + 4
PHASES = {
    "before the head": (b"", b""),
    "in the head": (STREAM[:HEAD // 2], b""),
    "before the body": (STREAM[:HEAD], b""),
    "in the body": (STREAM[:HEAD + 10], b""),
    "a whole answer": (wish(), b""),
    "a prompt being read": (LONG_STREAM, b"\r\n\r\n"),
    "mid-stream": (STREAM, b"data: "),
    "two requests at once": (STREAM + STREAM, b"data: "),
    "after the end": (STREAM, b"[DONE]"),
}


def leave(port, sent, wanted, abort):
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as client:
        client.sendall(sent)
        seen = b""
        while wanted not in seen:
            data = client.recv(65536)
            if not data:
                raise ConnectionError(f"the server closed before {wanted}: {seen[-200:]}")
            seen += data
        if abort:  # a reset instead of an end
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def disconnects(checks, count):
    """D4: clients leave in every phase, half of them by a reset; nothing of them is left."""
    rows = 16
    with Oracle(rows=rows, context=8192, pages=6000, step_us=200) as oracle:
        before = settled(oracle)
        each = count // (len(PHASES) + 1)
        began = time.monotonic()
        for sent, wanted in PHASES.values():

            def one(index, sent=sent, wanted=wanted):
                leave(oracle.port, sent, wanted, index % 2)
                # Who waits for nothing is faster than the server, which closes connections beyond
                # its limit: an answer says that those before it were taken.
                if not wanted and index % 64 < 8:
                    look(oracle)

            side_by_side(each, 8, one)
        # Answers that take all places, so that who comes waits.
        busy = [Wire(oracle.port) for _ in range(rows)]
        for wire in busy:
            wire.send(wish(max_tokens=8000))
        full = eventually(lambda: look(oracle)["sequences"]["running"] == rows)
        checks.check(full, "D4: all places are taken")
        still = [0]

        def leave_the_queue(index):
            if index % 64 == 0 and look(oracle)["sequences"]["running"] < rows:
                wire = Wire(oracle.port)  # one of those that hold the places has ended
                wire.send(wish(max_tokens=8000))
                busy.append(wire)
            leave(oracle.port, STREAM, b"\r\n\r\n", index % 2)
            still[0] += 1

        side_by_side(each, 8, leave_the_queue)
        for wire in busy:
            wire.close()
        seconds = time.monotonic() - began
        checks.check(eventually(lambda: is_idle(look(oracle))),
                     f"D4: no request, no place and no page is left of {each} clients that left in "
                     f"each of {len(PHASES) + 1} phases: {look(oracle)}")
        checks.check(eventually(lambda: descriptors(oracle) <= before),
                     f"D4: descriptors: {before} before, {descriptors(oracle)} after")
        code, after = verify(oracle, streams=rows, tokens=64)
        checks.equal((code, after["wrong_streams"]), (0, 0), "D4: every place still works")
        checks.check(eventually(lambda: descriptors(oracle) <= before), "D4: and is given back")
        cost = oracle.stop()
        checks.equal((oracle.process.returncode, cost["running"], cost["pages_used"]), (0, 0, 0),
                     "D4: exit code, sequences, pages")
    return {"disconnects": each * (len(PHASES) + 1), "phases": [*PHASES, "while it waits"],
            "seconds": seconds,
            "peak_rss_mib": cost["peak_rss_bytes"] >> 20}


def refused_at_once(oracle):
    """Milliseconds and headers of refusals while others flood."""
    times, waits = [], []
    while len(times) < 20 and oracle.process.poll() is None:
        began = time.monotonic()
        answer = exchange(oracle.port, wish())
        if answer.status == 429:
            times.append(1e3 * (time.monotonic() - began))
            waits.append(int(answer.headers["retry-after"]))
        elif answer.status != 200:
            waits.append(0)
        if look(oracle)["queue"]["requests"] == 0 and times:
            break
    return times, waits


def overload(checks, seconds):
    """D6: ten times what it can do. Who gets in is served as before, others are told at once."""
    rows, osl = 16, 32
    with Oracle(rows=rows, queue=rows, step_us=5000) as oracle:
        shape = ("--isl", 16, "--osl", osl, "--ignore-eos")
        peak = bench(oracle, *shape, "--num-requests", 8 * rows, "--concurrency", 2 * rows)
        rate = 10 * peak["request_throughput"]
        count = int(rate * seconds)
        found = {}
        flood = threading.Thread(target=lambda: found.update(
            bench(oracle, *shape, "--num-requests", count, "--rate", rate)))
        flood.start()
        eventually(lambda: look(oracle)["queue"]["requests"] >= rows or not flood.is_alive())
        times, waits = refused_at_once(oracle)
        flood.join()
        reasons = {fault["reason"] for fault in found["failures"]}
        checks.check(found["completed"] > 0 and found["refused"] > 0 and reasons == {"HTTP 429"},
                     f"D6: {count} requests: {found['completed']} served, {found['refused']} "
                     f"refused, {reasons}")
        checks.equal(found["completed"] + found["failed"], count, "D6: none is lost")
        checks.check(waits and min(waits) > 0, f"D6: refusals have Retry-After: {waits}")
        checks.check(eventually(lambda: is_idle(look(oracle))), "D6: idle at the end")
        cost = oracle.stop()
    return {"requests": count, "rate_s": rate, "served": found["completed"],
            "refused": found["refused"], "peak_s": peak["request_throughput"],
            "served_s": found["request_throughput"],
            "goodput_of_peak": found["request_throughput"] / peak["request_throughput"],
            "p99_ttft_ms": found["p99_ttft_ms"], "peak_p99_ttft_ms": peak["p99_ttft_ms"],
            "p99_refusal_ms": quantile(times, 0.99), "peak_rss_mib": cost["peak_rss_bytes"] >> 20}


def small_pool(checks, rounds):
    """D7: contexts that sum to four times the pool: all end as if alone, by preemption."""
    rows, prompt, tokens = 32, 200, 280
    pages = rows * (prompt + tokens) // 32 // 4
    with Oracle(rows=rows, context=512, pages=pages) as oracle:
        for _ in range(rounds):
            code, out = verify(oracle, streams=rows, tokens=tokens, prompt=prompt)
            checks.equal((code, out["wrong_streams"], out["tokens"]), (0, 0, rows * tokens),
                         f"D7: {rows} streams of {prompt + tokens} tokens over {pages} pages")
        cost = oracle.stop()
        checks.check(cost["preemptions"] > 0, f"D7: {cost['preemptions']} preemptions")
        checks.equal((cost["running"], cost["pages_used"]), (0, 0), "D7: nothing is left")
    with Oracle(rows=2, context=512, pages=8) as oracle:
        answer = exchange(oracle.port, wish("p" * 300))
        checks.equal((answer.status, answer.error("code")), (400, "context_length_exceeded"),
                     "D7: larger than the pool")
        checks.equal(exchange(oracle.port, wish()).status, 200, "D7: and the next one runs")
    return {"rounds": rounds, "streams": rows, "pool_tokens": 32 * pages, "wrong": 0,
            "context_tokens": rows * (prompt + tokens), "preemptions": cost["preemptions"]}


def deadlines(checks, count):
    """D8: a request ends with an error at its deadline, wherever it is, and leaves nothing."""
    limit = 0.4
    late = []
    with Oracle(rows=2, context=8192, step_us=2000, request_timeout_ms=int(1000 * limit)) as oracle:

        def one(index):
            began = time.monotonic()
            with Wire(oracle.port) as wire:
                if index % 2:
                    wire.send(wish(max_tokens=8000, stream=True))
                    wire.head()
                    text = b""
                    while chunk := wire.chunk():
                        text = chunk
                    told = b'data: {"error"' in text and b"longer than" in text
                else:
                    wire.send(wish(max_tokens=8000))
                    told = wire.answer().status == 504
            passed = time.monotonic() - began
            late.append((told, passed - limit))

        side_by_side(count, 8, one)  # two run, six wait
        checks.equal([told for told, _ in late], [True] * count, "D8: each is told")
        checks.check(min(passed for _, passed in late) > -0.05, "D8: none before its time")
        checks.check(eventually(lambda: is_idle(look(oracle))), "D8: nothing is left")
    return {"requests": count, "limit_ms": 1000 * limit,
            "p50_late_ms": 1000 * quantile([passed for _, passed in late], 0.5),
            "p99_late_ms": 1000 * quantile([passed for _, passed in late], 0.99)}


class Flood:
    """Requests of one key without end, `concurrency` at a time, until stop()."""

    def __init__(self, oracle, concurrency, *flags):
        self.process = subprocess.Popen(
            [BINARY, "bench", "serve", "--url", oracle.url, "--json", "--num-requests", "50000",
             "--concurrency", str(concurrency), "--retry", "1000000", *map(str, flags)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return json.loads(self.process.communicate(timeout=LIMIT)[0])


def first_tokens_ms(oracle, count, letters):
    """Of `count` streams of the few's key, one after the other: their prompts are `letters` long,
    and none begins as another does. None: a stream that was refused."""
    out = []
    with Wire(oracle.port) as wire:
        for _ in range(count):
            time.sleep(0.05)  # they come now and then: a share of the tokens is not what they lack
            prompt = "".join(random.choices("abcdefgh ", k=letters))
            began = time.monotonic()
            wire.send(wish(prompt, "few", stream=True))
            status, _ = wire.head()
            wire.until(b"data: ")
            out.append(1e3 * (time.monotonic() - began) if status == 200 else None)
            wire.until(b"data: [DONE]")
            wire.until(b"0\r\n\r\n")
    return out


def beside_a_flood(checks, name, oracle, flood, count, rounds, letters):
    """First tokens alone and beside a flood in turns, so that both see the same machine."""
    alone, beside, served = [], [], 0

    def waiting():
        return look(oracle, "few")["queue"]["requests"]

    for _ in range(rounds):
        checks.check(eventually(lambda: is_idle(look(oracle, "few"))), f"{name}: nobody is there")
        alone += first_tokens_ms(oracle, count // rounds, letters)
        other = Flood(oracle, flood, "--isl", 16, "--osl", 32, "--ignore-eos", "--api-key", "flood")
        checks.check(eventually(lambda: waiting() > flood // 2), f"{name}: a flood waits")
        beside += first_tokens_ms(oracle, count // rounds, letters)
        checks.check(waiting() > flood // 2, f"{name}: while the flood still waits")
        flooding = other.stop()
        served += flooding["completed"]
    checks.check(None not in alone + beside, f"{name}: all of the few are served")
    return {"few": len(beside), "prompt_tokens": letters, "flood_at_a_time": flood,
            "flood_served": served, "rounds": rounds,
            "p99_ttft_ms_alone": quantile(alone, 0.99), "p99_ttft_ms": quantile(beside, 0.99),
            "p99_of_alone": quantile(beside, 0.99) / quantile(alone, 0.99),
            "median_ttft_ms_alone": statistics.median(alone),
            "median_ttft_ms": statistics.median(beside),
            "flood_median_ttft_ms": flooding["median_ttft_ms"]}


def fairness(checks, flood, few, rounds, judge_times):
    """D9: one key floods, another comes with a few requests, one after the other."""
    out = {}
    # A step takes 512 tokens: a prompt of four steps, or of one.
    for name, fair, count, letters in (("fair", 1, few, 1800), ("fair_short", 1, few, 16),
                                       ("by_arrival", 0, min(few, 10), 16)):
        with Oracle(rows=16, context=2048, queue=3 * flood, step_us=2000, api_key="flood,few",
                    share_queue=fair, fair=fair) as oracle:
            turns = rounds if fair else 1
            out[name] = beside_a_flood(checks, f"D9 {name}", oracle, flood, count, turns, letters)
            cost = oracle.stop()
            out[name]["preemptions"] = cost["preemptions"]
            checks.equal((cost["running"], cost["pages_used"]), (0, 0), f"D9 {name}: nothing left")
            checks.check(not fair or cost["preemptions"] > 0,
                         f"D9 {name}: {cost['preemptions']} gave their places to the few")
    for name in ("fair", "fair_short") if judge_times else ():
        ratio = out[name]["p99_of_alone"]
        checks.check(ratio <= 2,
                     f"D9 {name}: a first token beside a flood takes {ratio} times that alone")
    return out


def area_under_curve(first, second):
    """How often one of `first` is smaller than one of `second`: 0.5 says nothing."""
    wins = sum((a < b) + 0.5 * (a == b) for a in first for b in second)
    return wins / (len(first) * len(second))


def cache_isolation(checks, secrets, judge_times):
    """D10: what one key's prompts left in the prefix cache, another key's probes do not find."""
    draw = random.Random(5)
    times, hits, letters = {}, {}, 1600

    def text():
        return "".join(draw.choices("abcdefgh ", k=letters))

    # Four steps of 512 tokens, one where the cache has the prompt: 12 ms, which a crowded machine
    # leaves visible; pages enough that nothing is evicted.
    with Oracle(rows=4, api_key="owner,other", context=2048, step_us=4000,
                pages=4 * (letters // 32 + 1) * secrets + 100) as oracle:

        def ask(kind, key, prompt, salt=""):
            with Wire(oracle.port) as wire:
                began = time.monotonic()
                more = {"cache_salt": salt} if salt else {}
                wire.send(wish(prompt, key, max_tokens=1, **more))
                usage = wire.answer().json()["usage"]
            times.setdefault(kind, []).append(time.monotonic() - began)
            found = usage["prompt_tokens_details"]["cached_tokens"] > 0
            hits[kind] = hits.get(kind, 0) + found

        for _ in range(secrets):
            prompt = text()
            ask("first", "owner", prompt)
            kinds = [("own", "owner", prompt), ("another key", "other", prompt),
                     ("another salt", "owner", prompt, "s"), ("unknown", "other", text())]
            draw.shuffle(kinds)
            for kind in kinds:
                ask(*kind)
        checks.equal(hits, {"first": 0, "own": secrets, "another key": 0, "another salt": 0,
                            "unknown": 0}, f"D10: who finds {secrets} prompts in the cache")
        cost = oracle.stop()
        checks.equal(cost["prefix_hits"], secrets, "D10: the engine counts as many")
    curves = {kind: area_under_curve(times[kind], times["unknown"])
              for kind in ("own", "another key", "another salt")}
    if judge_times:
        # An own hit is seen, so another's would be: with 1000 times of each, 0.05 are four standard
        # deviations of chance.
        checks.check(curves["own"] > 0.95, f"D10: times tell own hits: {curves['own']}")
        for kind in ("another key", "another salt"):
            checks.check(abs(curves[kind] - 0.5) <= 0.05,
                         f"D10: times do not tell those of {kind}: {curves[kind]}")
    return {"secrets": secrets, "hits": hits, "auc_own": curves["own"],
            "auc_another_key": curves["another key"], "auc_another_salt": curves["another salt"],
            "median_ms": {kind: 1e3 * statistics.median(some) for kind, some in times.items()}}


def not_ready(oracle):
    try:
        answer = exchange(oracle.port, request("GET", "/readyz"))
    except ConnectionError:
        return True  # it has ended
    return answer is None or answer.status == 503


def late_request(wire):
    """The status of a request on a connection that is left, and whether it says when to retry."""
    try:
        wire.send(wish())
        answer = wire.answer()
    except ConnectionError:
        answer = None
    if answer is None:
        return "closed"
    return answer.status if int(answer.headers.get("retry-after", 0)) > 0 else "no Retry-After"


def end_of_stream(wire):
    while (data := wire.until(b"\n\n")) is not None:
        if b"[DONE]" in data:
            return "done"
        if b'"error"' in data:
            return "error" if b"unavailable_error" in data else data
    return "closed"


def drain(checks, streams):
    """E3: SIGTERM under load: no new work, what runs ends; at the limit an error, no bare close."""
    out = {}
    for name, limit, tokens, wanted in (("in time", 60_000, 800, "done"),
                                        ("at the limit", 1000, 8000, "error")):
        with Oracle(rows=streams, context=8192, step_us=2000, drain_timeout_ms=limit) as oracle:
            idle = Wire(oracle.port)
            idle.send(PROBES)
            idle.answer()
            wires = [Wire(oracle.port) for _ in range(streams)]
            for wire in wires:
                wire.send(wish(stream=True, max_tokens=tokens))
            for wire in wires:
                wire.until(b"data: ")
            oracle.terminate()
            began = time.monotonic()
            checks.check(eventually(lambda o=oracle: not_ready(o)), f"E3 {name}: not ready")
            ready_ms = 1000 * (time.monotonic() - began)
            checks.check(late_request(idle) in (503, "closed"), f"E3 {name}: nothing new")
            ends = [end_of_stream(wire) for wire in wires]
            checks.equal(ends, [wanted] * streams, f"E3 {name}: every stream ends: {wanted}")
            checks.equal(oracle.exit_code(), 0, f"E3 {name}: exit code")
            out[name] = {"streams": streams, "limit_ms": limit, "not_ready_after_ms": ready_ms,
                         "ended_after_s": time.monotonic() - began}
    return out
