"""`ingot chat` in a terminal: Ctrl-C stops an answer and the session goes on, /reset, the exits."""

import os
import re
import signal
import subprocess

from chat_harness import CTRL_C, CTRL_D, LIMIT, PROMPT, Terminal, answer_of
from cli_harness import BINARY, Checks, real_model

LONG = "Write a very long story about the sea and the people who live by it."
QUESTION = "What is the capital of France?"


def check_cancel(checks, chat):
    """Ctrl-C while the answer streams."""
    fresh, report = chat.ask(QUESTION)
    checks.check("Paris" in fresh and "stop" in report, f"an answer: {fresh!r} {report}")
    chat.type(LONG + "\n")
    checks.check(chat.until(LONG + "\n") is not None, "the terminal shows what is typed")
    while len(chat.text) < 40 and chat.read(LIMIT):
        pass
    chat.type(CTRL_C)
    printed = chat.until(PROMPT)
    checks.check(printed is not None, "Ctrl-C: the prompt is back")
    text, report = answer_of(printed or "", LONG)
    tokens = int(re.match(r"\[(\d+)", report)[1]) if report else 0
    checks.check("cancelled" in report and 0 < tokens < 1000,
                 f"Ctrl-C: the answer stopped: {report}")
    checks.check(len(text) > 30, f"Ctrl-C: what was said stays: {text[:60]!r}")
    checks.check(not chat.read(1.0), f"Ctrl-C: nothing comes after the prompt: {chat.text!r}")
    checks.equal(chat.process.poll(), None, "Ctrl-C: the session lives")
    return fresh


def check_goes_on(checks, chat, fresh):
    """The session after a cancelled answer: its history, and /reset."""
    again, report = chat.ask(QUESTION)
    checks.check(again and "cancelled" not in report and report,
                 f"the next question is answered: {again!r} {report}")
    chat.ask("My cat is called Zebulon.")
    checks.check("Zebulon" in chat.ask("What is my cat called?")[0], "it remembers")
    chat.type("/reset\n")
    checks.check("(forgotten)" in (chat.until(PROMPT) or ""), "/reset says so")
    checks.check("Zebulon" not in chat.ask("What is my cat called?")[0], "/reset: it has forgotten")
    chat.type("/reset\n")
    chat.until(PROMPT)
    checks.equal(chat.ask(QUESTION)[0], fresh, "/reset: the first answer, to the letter")


def check_idle(checks, chat):
    """Ctrl-C at the prompt warns, and only a second one in a row leaves."""
    chat.type("half a line" + CTRL_C)
    printed = chat.until(PROMPT)
    checks.check("Ctrl-C again leaves" in (printed or ""), f"Ctrl-C at the prompt: {printed!r}")
    checks.check(chat.ask("Hi")[1], "the chat goes on, without the half line")
    chat.type(CTRL_C)
    checks.check("Ctrl-C again leaves" in (chat.until(PROMPT) or ""), "it warns again after that")
    checks.equal(chat.process.poll(), None, "one Ctrl-C does not leave")
    chat.type(CTRL_C)
    checks.equal(chat.exit_code(), 0, "the second Ctrl-C leaves")


def check_pipe(checks, model):
    """Without a terminal nobody presses twice: a signal at the prompt ends the chat."""
    chat = subprocess.Popen([BINARY, "chat", model, "--max-tokens", "4"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    chat.stdin.write(b"Hi\n")
    for line in chat.stderr:
        if line.startswith(b"["):
            break
    chat.send_signal(signal.SIGINT)
    checks.equal(chat.wait(timeout=LIMIT), 0, "a pipe: SIGINT at the prompt leaves")


def check_failures(checks, model):
    """Without a terminal the exit code tells that a turn, or reading the next one, failed."""
    def chat(stdin, **options):
        return subprocess.run([BINARY, "chat", model, "--max-tokens", "4"], stdin=stdin,
                              capture_output=True, check=False, timeout=LIMIT, **options)

    folder = os.open("/", os.O_RDONLY)
    done = chat(folder)
    os.close(folder)
    checks.equal(done.returncode, 1, "a folder as standard input: exit code")
    checks.check(done.stderr.startswith(b"error: ") and b"standard input" in done.stderr,
                 f"a folder as standard input: says so: {done.stderr!r}")
    done = chat(None, preexec_fn=lambda: os.close(0))
    checks.equal(done.returncode, 1, f"closed standard input: exit code {done.stderr!r}")
    checks.equal(chat(subprocess.DEVNULL).returncode, 0, "empty standard input: nothing failed")
    for lines, code in ((b"\xff\n", 1), (b"\xff\nHi\n", 1), (b"Hi\n", 0)):
        done = subprocess.run([BINARY, "chat", model, "--max-tokens", "4"], input=lines,
                              capture_output=True, check=False, timeout=LIMIT)
        checks.equal(done.returncode, code, f"{lines!r}: exit code")
        checks.equal(done.stderr.count(b"error: "), code, f"{lines!r}: {done.stderr!r}")
        checks.equal(done.stderr.count(b"tok/s"), lines.count(b"Hi"), f"{lines!r}: answers")


def main():
    checks = Checks()
    model = real_model()
    chat = Terminal(model, "--max-tokens", "2000")
    checks.check("Ctrl-D leaves" in (chat.until(PROMPT) or ""), "chat says how to leave")
    fresh = check_cancel(checks, chat)
    check_goes_on(checks, chat, fresh)
    chat.type(CTRL_D)
    checks.equal(chat.exit_code(), 0, "Ctrl-D leaves with code 0")
    chat = Terminal(model, "--max-tokens", "8")
    chat.until(PROMPT)
    check_idle(checks, chat)
    check_pipe(checks, model)
    check_failures(checks, model)
    checks.finish()


if __name__ == "__main__":
    main()
