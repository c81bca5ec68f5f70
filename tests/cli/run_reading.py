"""What commands read: standard input that fails or does not end, and pipes in place of files."""

import contextlib
import os
import signal
import subprocess
import tempfile

from cli_harness import (BINARY, CASE, IDS, BadInput, Checks, ingot, one_error_line,
                         real_model, wait_for_reading)


def check_standard_input(bad):
    """What cannot be read is an error, not the end; so is a line that does not end. One Ctrl-C is
    enough while a command waits for a line."""
    model = bad.model_with("letters")
    with open(os.path.join(model, "tokenizer.model"), "wb") as file:  # "a" alone
        file.write(b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"
                   b"\n\x0a\n\x01a\x15\0\0\x80\xbf\x18\x01")
    commands = {"tokenize": ["tokenize", model, "--jsonl"],
                "detokenize": ["detokenize", model, "--jsonl"], "embed": ["embed", model, "-"],
                "run": ["run", model]}
    for name, command in commands.items():
        for where, says in (("</", b"Is a directory"), ("<&-", b"Bad file descriptor"),
                            ("</dev/zero", b"expected at most")):
            if name == "run" and where == "</dev/zero":
                continue  # a gigabyte
            done = subprocess.run(["bash", "-c", f'exec "$0" "$@" {where}', BINARY, *command],
                                  capture_output=True, check=False, timeout=120,
                                  env={**os.environ, **bad.env})
            bad.checks.equal(done.returncode, 1, f"{name} {where}: exit code")
            line = one_error_line(done) or ""
            bad.checks.check("standard input" in line and says.decode() in line,
                             f"{name} {where}: says so: {done.stderr[:300]!r}")
    done = ingot(*commands["tokenize"], stdin=b'"a"\n\n"b"', env=bad.env)
    bad.checks.check(done.stdout.count(b"ids") == 1 and b"standard input, line 2" in done.stderr,
                     f"lines before a wrong one are answered: {done}")
    for name in ("tokenize", "embed"):
        process = subprocess.Popen([BINARY, *commands[name]], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**os.environ, **bad.env})
        wait_for_reading(process)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        bad.checks.check(process.poll() in (130, -signal.SIGINT),
                         f"{name}: Ctrl-C while it waits for a line: {process.poll()}")
        process.kill()
        process.communicate()


def check_pipes(bad):
    """A shell's <(command) as a file: its writer may take its time, and Ctrl-C ends the wait."""
    model = real_model()
    for flag, text in (("--json-schema-file", '{"type": "object"}'), ("--grammar-file",
                                                                      'root ::= "a"')):
        script = f"exec \"$0\" run \"$1\" Hi --max-tokens 2 {flag} <(sleep 0.3; echo '{text}')"
        done = subprocess.run(["bash", "-c", script, BINARY, model], capture_output=True,
                              check=False, timeout=120, env={**os.environ, **bad.env})
        bad.checks.equal(done.returncode, 0, f"{flag} of a slow pipe: {done.stderr[:300]!r}")
    pipe = bad.path("nobody")
    os.mkfifo(pipe)
    for what, command in (("run", ["run", model, "Hi", "--json-schema-file", pipe]),
                          ("serve", ["serve", CASE, "--port", "0", "--chat-template", pipe])):
        process = subprocess.Popen([BINARY, *command], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={**os.environ, **bad.env})
        wait_for_reading(process)
        bad.checks.equal(process.poll(), None, f"{what}: waits for a pipe's writer")
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        bad.checks.check(process.poll() in (130, -signal.SIGINT),
                         f"{what}: Ctrl-C while it waits for a pipe: {process.poll()}")
        process.kill()
        process.communicate()
    folder = bad.model_with("fifo")
    os.mkfifo(os.path.join(folder, "generation_config.json"))
    bad.refused("a pipe in a model's folder", "run", folder, *IDS,
                names=["generation_config.json: expected a regular file, found a pipe"])


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        bad = BadInput(checks, folder)
        check_standard_input(bad)
        check_pipes(bad)
    checks.finish()


if __name__ == "__main__":
    main()
