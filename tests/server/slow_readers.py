"""Figures of clients that read slowly or not at all (D5), as those of reliability.py."""

import contextlib
import json
import re
import socket
import statistics
import threading
import time

from server_harness import LIMIT, Oracle, Wire, exchange, request
from reliability import eventually, is_idle, look, status_kib, verify, wish


def held_bytes(stats):
    """Streams by the most bytes that waited for a client that did not read: bound to count."""
    return {bound: int(count) for bound, count in
            re.findall(r'ingot_stopped_client_bytes_bucket\{.*le="(.*?)"\} (\d+)', stats)}


def mean_held(stats):
    total, count = (float(re.search(rf"ingot_stopped_client_bytes_{part}\{{.*\}} (\S+)", stats)[1])
                    for part in ("sum", "count"))
    return total / count if count else 0.0


class SlowReader:
    """Asks for a long answer with much text a token, and reads a byte a second, or nothing."""

    def __init__(self, port, trickle):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(wish(stream=True, max_tokens=4000, logprobs=20, n=4))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True) if trickle else None
        if self.thread:
            self.thread.start()

    def read(self):
        with contextlib.suppress(OSError):
            while not self.ended.wait(1):
                self.socket.recv(1)

    def close(self):
        self.ended.set()
        if self.thread:
            self.thread.join()
        self.socket.close()


def slow_readers(checks, slow, streams, tokens):
    """D5: readers that stop do not slow others, take bounded memory, and are given up."""
    rows = streams + 4 * slow
    with Oracle(rows=rows, context=8192, step_us=300, write_timeout_ms=3000) as oracle:
        code, alone = verify(oracle, streams=streams, tokens=tokens)
        checks.equal((code, alone["wrong_streams"]), (0, 0), "D5: streams alone")
        resident = status_kib(oracle, "VmRSS")
        readers = [SlowReader(oracle.port, i % 2) for i in range(slow)]
        checks.check(eventually(lambda: look(oracle)["count"] == slow), "D5: slow readers are here")
        runs = []
        while look(oracle)["count"] > 0 and len(runs) < 200:
            code, beside = verify(oracle, streams=streams, tokens=tokens)
            runs.append(beside["tokens_s"])
            if code != 0 or beside["wrong_streams"]:
                checks.check(False, f"D5: streams beside them are right: {beside}")
                break
        checks.check(bool(runs), f"D5: {len(runs)} times {streams} streams beside them are right")
        gone = eventually(lambda: is_idle(look(oracle)))
        checks.check(gone, f"D5: readers that stopped are given up: {look(oracle)}")
        growth = status_kib(oracle, "VmHWM") - resident
        # Four answers of 4,000 tokens with 20 log probabilities each are 30 MiB of text; the rest
        # is what the streams beside them take.
        most = slow * 256 + streams * 24
        checks.check(growth <= most, f"D5: memory of {slow} slow readers: {growth} KiB")
        stats = exchange(oracle.port, request("GET", "/metrics")).body.decode()
        cancelled = re.search(r"ingot_requests_cancelled_total\{.*\} (\d+)", stats)
        checks.equal(int(cancelled[1]), slow, "D5: each is cancelled, since it reads nothing")
        bytes_each = held_bytes(stats)
        checks.check(bytes_each["+Inf"] >= slow and bytes_each["262144"] == bytes_each["+Inf"],
                     f"D5: events, frames and what the kernel has not sent: {bytes_each}")
        for reader in readers:
            reader.close()
        checks.equal(oracle.stop()["running"], 0, "D5: idle at the end")
    return {"slow_readers": slow, "streams": streams, "tokens": tokens,
            "tokens_s_alone": alone["tokens_s"], "tokens_s_beside": statistics.median(runs),
            "tokens_s_beside_best": max(runs),
            "memory_kib_per_slow_reader": growth // slow, "streams_that_held_bytes": bytes_each,
            "kib_held_mean": mean_held(stats) / 1024}


class SteadyReader:
    """Reads `bytes_s` bytes a second, however fast its answer is."""

    def __init__(self, port, body, bytes_s):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(LIMIT)
        self.socket.sendall(body)
        self.bytes_s = bytes_s
        self.data = b""
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        part = max(1, self.bytes_s // 20)
        with contextlib.suppress(OSError):
            while some := self.socket.recv(part):
                self.data += some
                if self.data.endswith(b"0\r\n\r\n"):
                    break
                time.sleep(len(some) / self.bytes_s)

    def choices(self):
        """Token ids of the choices, and whether the stream has ended well."""
        self.thread.join()
        self.socket.close()
        body = b"".join(re.sub(rb"^[0-9a-f]+\r\n", b"", part) for part in
                        re.split(rb"\r\n(?=[0-9a-f]+\r\n)", self.data.split(b"\r\n\r\n", 1)[1]))
        return choices_of(body), b"data: [DONE]" in body


def choices_of(body):
    out = {}
    for line in body.decode().split("\n"):
        if not line.startswith("data: {"):
            continue
        for choice in json.loads(line[6:]).get("choices", []):
            told = choice.get("logprobs") or {}
            out.setdefault(choice["index"], []).extend(
                zip(choice.get("token_ids", []), told.get("token_logprobs", [])))
    return out


def steady_readers(checks, readers, tokens, bytes_s):
    """D5_steady: who reads more slowly than its answer is made has all of it, and holds no pages"""
    shape = {"stream": True, "max_tokens": tokens, "logprobs": 20, "return_token_ids": True}
    with Oracle(rows=4, context=8192, step_us=300) as oracle:
        wanted = {}
        for index in range(readers):
            with Wire(oracle.port) as wire:
                wire.send(wish(f"reader {index}", **shape))
                wanted[index] = choices_of(wire.answer().body)
        began = time.monotonic()
        all_readers = [SteadyReader(oracle.port, wish(f"reader {index}", **shape), bytes_s)
                       for index in range(readers)]
        free, beside = 0, 0
        while any(reader.thread.is_alive() for reader in all_readers):
            seen = look(oracle)
            free += seen["count"] > 0 and all(group["used"] == 0 for group in seen["kv_pages"])
            if free % 50 == 1:  # places are free for others
                beside += exchange(oracle.port, wish(max_tokens=4)).status == 200
            time.sleep(0.02)
        seconds = time.monotonic() - began
        for index, reader in enumerate(all_readers):
            found, ended = reader.choices()
            checks.equal([len(ids) for ids in found.values()], [tokens],
                         f"D5 steady: tokens of reader {index}")
            checks.check(found == wanted[index] and ended,
                         f"D5 steady: reader {index} has what a fast one has, to the end")
        checks.check(free > 0, f"D5 steady: seen {free} times without a page in use")
        checks.check(beside > 0, f"D5 steady: {beside} requests of others were served")
        stats = exchange(oracle.port, request("GET", "/metrics")).body.decode()
        pauses = int(re.search(r"ingot_num_pauses_total\{.*\} (\d+)", stats)[1])
        checks.check(pauses >= readers, f"D5 steady: {pauses} pauses of {readers} readers")
        held = held_bytes(stats)
        checks.equal(held["262144"], held["+Inf"], f"D5 steady: bytes that wait: {held}")
        checks.check(eventually(lambda: is_idle(look(oracle))), "D5 steady: nothing is left")
    return {"readers": readers, "tokens": tokens, "bytes_s": bytes_s, "seconds": seconds,
            "bytes_each": len(all_readers[0].data), "pauses": pauses,
            "streams_that_held_bytes": held, "kib_held_mean": mean_held(stats) / 1024}
