"""Headless Chromium, driven through the DevTools protocol over a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT = 120
FLAGS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu",
         "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--mute-audio", "--window-size=1200,800")
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "Backspace": (8, "")}
SHIFT = 8


class Page:
    """One window of a browser with a profile of its own."""

    def __init__(self):
        program = shutil.which("chromium")
        if not program:
            sys.exit("chromium is missing: it is in tools/test-packages.txt")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read_end, self.output = os.pipe()
        self.input, write_end = os.pipe()
        # The browser reads commands from its descriptor 3 and answers on 4.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{read_end} 4>&{write_end} 2>/dev/null', "bash", program,
             *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=(read_end, write_end), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(read_end)
        os.close(write_end)
        self.pending = b""
        self.number = 0
        self.session = None
        self.urls = []      # of all requests
        self.bodies = []    # that were posted
        self.trouble = []   # exceptions, refusals of the policy, errors of the page
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.output)
        os.close(self.input)
        self.profile.cleanup()

    def message(self, until):
        while b"\0" not in self.pending:
            if not select.select([self.input], [], [], max(0, until - time.monotonic()))[0]:
                sys.exit("chromium: no answer in time")
            data = os.read(self.input, 1 << 20)
            if not data:
                sys.exit("chromium ended")
            self.pending += data
        text, self.pending = self.pending.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.output, json.dumps(command).encode() + b"\0")
        until = time.monotonic() + LIMIT
        while True:
            message = self.message(until)
            if message.get("id") == self.number:
                if "error" in message:
                    sys.exit(f"chromium: {method}: {message['error']}")
                return message["result"]
            self.event(message)

    def event(self, message):
        method, found = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.urls.append(found["request"]["url"])
            if "postData" in found["request"]:
                self.bodies.append(json.loads(found["request"]["postData"]))
        elif method == "Runtime.exceptionThrown":
            self.trouble.append(found["exceptionDetails"])
        elif method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.trouble.append(found["entry"])

    def run(self, script):
        """The value of an expression, promises awaited."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                         returnByValue=True)
        if "exceptionDetails" in done:
            sys.exit(f"chromium: {script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def until(self, script, seconds=LIMIT):
        """The expression's value once it is true; its last value when it never is."""
        end = time.monotonic() + seconds
        while True:
            value = self.run(script)
            if value or time.monotonic() > end:
                return value
            time.sleep(0.02)

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until(f"location.href.startsWith({json.dumps(url)}) && "
                   "document.readyState === 'complete'")

    def press(self, key, modifiers=0):
        code, text = KEYS[key]
        given = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if text:
            given["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **given)
        given.pop("text", None)
        self.call("Input.dispatchKeyEvent", type="keyUp", **given)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def click(self, selector):
        """With the mouse, where the element is."""
        box = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
                       "e.scrollIntoView({block: 'nearest'}); const r = e.getBoundingClientRect(); "
                       "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left",
                      clickCount=1)

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, name):
        """Into the folder PAGE_SCREENSHOTS, if there is that variable."""
        folder = os.environ.get("PAGE_SCREENSHOTS")
        if folder:
            data = self.call("Page.captureScreenshot", format="png")["data"]
            with open(os.path.join(folder, f"page_{name}.png"), "wb") as file:
                file.write(base64.b64decode(data))
