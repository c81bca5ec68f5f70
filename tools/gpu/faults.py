#!/usr/bin/env python3
"""Bad luck on a GPU machine: no GPU to see, models and caches larger than the GPU, and other
programs that hold its memory. Every run must end by itself within its time, and either answer or
say in one error line what is wrong.

    faults.py        # in an unpacked pack.sh archive, or in a built checkout
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = HERE if os.path.isdir(os.path.join(HERE, "bin")) else os.path.dirname(os.path.dirname(HERE))
PLACES = [os.path.join(ROOT, "bin/ingot"), os.path.join(ROOT, "build/dev/ingot")]
BINARY = os.environ.get("DEV_INGOT_BINARY") or next(filter(os.path.exists, PLACES), PLACES[0])
SECONDS = 120  # that a run may take before it counts as hanging
MIB = 1 << 20
SMALL = ["bench", "latency", "--random-weights", "smollm2-135m", "--device", "cuda", "--isl", "64",
         "--osl", "16", "--repeat", "1"]


class Report:
    def __init__(self):
        self.failed = 0

    def line(self, good, text):
        self.failed += not good
        print(f"{'ok    ' if good else 'FAIL  '} {text}", flush=True)


class Done:
    """A run that ended, or was stopped because it did not (`hung`)."""

    def __init__(self, arguments, env):
        libraries = os.path.join(ROOT, "lib") + ":" + os.environ.get("LD_LIBRARY_PATH", "")
        begin = time.monotonic()
        self.hung = False
        try:
            done = subprocess.run([BINARY, *arguments], capture_output=True, check=False,
                                  timeout=SECONDS,
                                  env={**os.environ, "LD_LIBRARY_PATH": libraries,
                                       "INGOT_TUNE_SECONDS": "0", **env})
            self.status, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as stopped:
            self.hung, self.status, out, err = True, -1, stopped.stdout, stopped.stderr
        self.seconds = time.monotonic() - begin
        self.out = (out or b"").decode(errors="replace")
        self.lines = [x for x in (err or b"").decode(errors="replace").splitlines() if x.strip()]
        self.errors = [x for x in self.lines if x.startswith("error: ")]

    def refused(self, *parts, status=1):
        """Ended with this status and one error line that has these parts."""
        return (self.status == status and len(self.errors) == 1 and
                all(part in self.errors[0] for part in parts))

    def text(self):
        what = "hung" if self.hung else f"status {self.status}"
        said = self.errors[0] if self.errors else " | ".join(self.lines[-3:])
        return f"{what} after {self.seconds:.1f} s: {said}"


def check_no_gpu(report, env):
    done = Done(SMALL, {**env, "CUDA_VISIBLE_DEVICES": "-1"})
    report.line(done.refused("cuda:0", "shows no GPU", status=2) and len(done.lines) == 1,
                f"no GPU to see: {done.text()}")


def check_too_large(report, env):
    """Refused by arithmetic: before weights are made, so within seconds."""
    large = ["--random-weights", "llama-3.1-70b", "--dtype", "float32", "--device", "cuda"]
    done = Done(["bench", "latency", *large, "--isl", "16", "--osl", "4"], env)
    report.line(done.refused("weights", "KV cache", "GiB are free", "weights alone do not fit") and
                done.seconds < 60, f"a model larger than the GPU: {done.text()}")
    done = Done(["plan", *large, "--json"], env)
    try:
        plan = json.loads(done.out)
    except ValueError:
        plan = {}
    report.line(done.status == 1 and plan.get("fits") is False and
                plan.get("weight_bytes", 0) > plan.get("free_bytes", 0) > 0,
                f"ingot plan of it: {done.text()}")
    done = Done(["bench", "throughput", "--random-weights", "llama-3.1-8b", "--device", "cuda",
                 "--kv-memory", "400", "--max-batch-size", "512", "--isl", "4096", "--osl", "4096",
                 "--num-requests", "512"], env)
    report.line(done.refused("KV cache", "GiB are free", "--kv-memory") and done.seconds < 60,
                f"a KV cache larger than the GPU: {done.text()}")


class Hog:
    """Another program that holds all but `left` bytes of the first GPU."""

    def __init__(self, left):
        self.process = subprocess.Popen([sys.executable, __file__, "--hog", str(left)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = self.process.stdout.readline().decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)


def hold(left):
    driver = ctypes.CDLL("libcuda.so.1")

    def call(name, *arguments):
        status = getattr(driver, name)(*arguments)
        if status != 0:
            sys.exit(f"{name}: {status}")

    device, context = ctypes.c_int(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxSetCurrent", context)
    for block in (1024 * MIB, 64 * MIB, 2 * MIB):
        while True:
            call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            memory = ctypes.c_uint64()
            if free.value < left + block:
                break
            if driver.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(block)) != 0:
                break
    call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    print(f"{free.value // MIB} of {total.value // MIB} MiB left", flush=True)
    sys.stdin.read()


def check_little_memory(report, env):
    """Whatever is left, a run answers or says that memory is short; with most, it answers."""
    answered = {}
    for left in (100, 400, 600, 800, 1000, 1200, 1600, 2400, 8000):
        with Hog(left * MIB) as hog:
            if not hog.said:
                report.line(False, f"{left} MiB left: the program that takes the rest failed")
                continue
            done = Done(SMALL, env)
        answered[left] = done.status == 0
        short = done.refused() and any(word in " ".join(done.lines).lower() for word in
                                       ("out of memory", "out_of_memory", "are free"))
        report.line(not done.hung and (answered[left] or short),
                    f"{hog.said}: {'answered' if answered[left] else done.text()}")
        for line in [] if answered[left] else done.lines[:-1]:
            print("         " + line)
    report.line(answered.get(8000) is True and answered.get(100) is False,
                "it answers with 8000 MiB and not with 100")


def main():
    if sys.argv[1:2] == ["--hog"]:
        return hold(int(sys.argv[2]))
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        env = {"INGOT_CACHE_DIR": folder, "INGOT_PROGRESS": "none"}
        check_no_gpu(report, env)
        check_too_large(report, env)
        done = Done(SMALL, env)
        report.line(done.status == 0, f"the small model with a whole GPU: {done.text()}")
        check_little_memory(report, env)
    print("faults: all passed" if not report.failed else f"faults: {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
