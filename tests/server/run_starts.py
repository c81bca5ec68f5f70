"""`ingot serve` whose files are not what they should be: one line that names the file and what was
expected, exit code 1, and nobody is asked anything. run_lifecycle.py has flags, ports and hosts,
run_flags.py configuration files.
"""

import os
import pty
import shutil
import subprocess
import tempfile

from server_harness import BINARY, LIMIT, TINY, Server, exchange, make_certificate, request

from cli_harness import Checks, one_error_line

MODELS = request("GET", "/v1/models")


class Starts:
    def __init__(self, checks, folder):
        self.checks = checks
        self.folder = folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def failed(self, what, names, *flags, model=TINY):
        """Started with a terminal, whose owner is never asked; what is waited for never comes."""
        mine, its = pty.openpty()
        done = subprocess.run([BINARY, "serve", model, "--port", "0", *flags], stdin=its,
                              capture_output=True, check=False, timeout=LIMIT,
                              start_new_session=True, env={**os.environ, "INGOT_PROGRESS": "none"})
        os.close(mine)
        os.close(its)
        lines = [line for line in done.stderr.splitlines() if not line.startswith(b"listening")]
        done.stderr = b"\n".join(lines)
        line = one_error_line(done) or ""
        self.checks.check(done.returncode == 1 and line and all(name in line for name in names),
                          f"{what}: {done.returncode}: {done.stderr!r}")

    def served(self, what, *flags, model=TINY, env=None, key=None):
        with Server(model, *flags, env=env) as server:
            wish = request("GET", "/v1/models", None, f"x-api-key: {key}") if key else MODELS
            self.checks.equal(exchange(server.port, wish).status, 200, what)
            return server.stderr()


def check_certificates(starts):
    certificate, key = make_certificate(starts.folder)
    other = starts.path("other")
    os.mkdir(other)
    _, other_key = make_certificate(other)
    locked = starts.path("locked.pem")
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout",
                    "pass:secret"], check=True, capture_output=True)
    garbage, empty = starts.write("garbage.pem", b"\0no PEM\n"), starts.write("empty.pem", b"")

    def failed(what, names, certfile, keyfile):
        starts.failed(what, names, "--ssl-certfile", certfile, "--ssl-keyfile", keyfile)

    for path in (garbage, empty, key, starts.folder):
        failed("no certificate", [path, "certificate chain"], path, key)
    for path in (garbage, empty, certificate, starts.folder, starts.path("none")):
        failed("no private key", [path, "private key"], certificate, path)
    failed("another's key", [other_key, "mismatch"], certificate, other_key)
    failed("a key with a passphrase", [locked, "passphrase"], certificate, locked)


def check_keys(starts):
    for what, data, names in (
            ("a NUL in a key", b"# keys\ngood\nb\0d\n", ["line 3", "control"]),
            ("an escape in a key", b"\x1b[1mkey\n", ["line 1", "control"]),
            ("a key that no header holds", b"\n" + b"k" * 5000 + b"\n", ["line 2", "5000"]),
            ("a file of zeros", bytes(100_000), ["line 1", "control"])):
        path = starts.write("keys", data)
        starts.failed(what, [path, *names], "--api-key-file", path)
    starts.failed("keys without an end", ["/dev/zero", "at most 16777216 bytes"], "--api-key-file",
                  "/dev/zero")
    starts.failed("a folder of keys", [starts.folder, "Is a directory"], "--api-key-file",
                  starts.folder)
    path = starts.write("keys", b"# two\r\n\r\nfirst key \r\n" + b"k" * 4096)
    starts.served("a key with a space", "--api-key-file", path, key="first key")
    starts.served("a key of 4,096 bytes, without a line end", "--api-key-file", path,
                  key="k" * 4096)


def check_models(starts):
    model = starts.path("model")

    def fresh():
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(TINY, model)
        return os.path.join(model, "model.safetensors"), os.path.join(model, "config.json")

    weights, _ = fresh()
    os.truncate(weights, os.path.getsize(weights) - 100)
    starts.failed("weights cut short", [weights], model=model)
    weights, _ = fresh()
    os.truncate(weights, 0)
    starts.failed("empty weights", [weights], model=model)
    os.remove(weights)
    starts.failed("no weights", [model], model=model)
    _, config = fresh()
    with open(config, "w", encoding="utf-8") as file:
        file.write("{")
    starts.failed("half a configuration", [config], model=model)
    os.remove(config)
    starts.failed("no configuration", [model], model=model)
    fresh()
    index = os.path.join(model, "model.safetensors.index.json")
    os.remove(os.path.join(model, "model.safetensors"))
    with open(index, "w", encoding="utf-8") as file:
        file.write('{"weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}')
    starts.failed("a shard that is missing", ["model-00002-of-00002.safetensors"], model=model)
    empty = starts.path("empty")
    os.mkdir(empty)
    starts.failed("an empty folder", [empty], model=empty)
    for name in ("x.gguf", "x.engine", "x.onnx"):
        path = starts.write(name, b"x")
        starts.failed(f"{name} of one byte", [path], model=path)


def check_cache(starts):
    """No room for the engine's file: the model is served, and a line says so."""
    said = starts.served("a cache folder that cannot be made",
                         env={"INGOT_CACHE_DIR": "/dev/null/cache", "INGOT_PROGRESS": "none"})
    starts.checks.check("not cached" in said and "/dev/null/cache" in said,
                        f"and says that it keeps nothing: {said!r}")


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        starts = Starts(checks, folder)
        check_certificates(starts)
        check_keys(starts)
        check_models(starts)
        check_cache(starts)
    checks.finish()


if __name__ == "__main__":
    main()
