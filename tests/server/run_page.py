"""The web page of `ingot serve` in headless Chromium: talk, stop, history, themes, keys, errors.

PAGE_SCREENSHOTS=FOLDER keeps pictures of it.
"""

import json
import time

from browser import SHIFT, Page
from server_harness import LIMIT, Server, exchange, request

from cli_harness import Checks, real_model

SECONDS = 60
KEY = "Key-of-the-page's-test"
LONG = "Write a very long story about the sea."
LAST = "document.querySelector('.message:last-child')"
DONE = f"{LAST}?.matches('.model:not(.coming)') && document.querySelector('#stop').hidden"
FOCUS = "document.activeElement.id"

# (what a model wrote, the nodes that it may become). Never an element or attribute of its own.
MARKDOWN = (
    ("plain **bold** and *soft* `co<b>de`",
     "<p>plain <strong>bold</strong> and <em>soft</em> <code>co&lt;b&gt;de</code></p>"),
    ("<img src=x onerror=alert(1)><script>alert(1)</script>",
     "<p>&lt;img src=x onerror=alert(1)&gt;&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    ("[a](javascript:alert(1)) [b](data:text/html,x) [c]( JaVaScRiPt:alert(1))",
     "<p>[a](javascript:alert(1)) [b](data:text/html,x) [c]( JaVaScRiPt:alert(1))</p>"),
    ("[<i>a</i>](https://a.example/\"onclick=\"x)",
     '<p><a href="https://a.example/%22onclick=%22x" title="https://a.example/%22onclick=%22x" '
     'target="_blank" rel="noopener noreferrer nofollow">&lt;i&gt;a&lt;/i&gt;</a></p>'),
    ("- a\n- b\n  - c\n\n1. d\n2. e",
     '<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><ol start="1"><li>d</li><li>e</li></ol>'),
    ("# T #\n> q\n> r\n\n---", "<h3>T</h3><blockquote><p>q\nr</p></blockquote><hr>"),
    ("```<b>\nx < y\n**z**\n",
     '<div class="code"><div class="bar"><span>&lt;b&gt;</span><button class="quiet" '
     'type="button" data-copy="code">Copy</button></div><pre tabindex="0"><code>x &lt; y\n**z**\n'
     "</code></pre></div>"),
    ("| a | b |\n|---|---|\n| 1 | <u> |",
     '<div class="scroll"><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td>'
     "<td>&lt;u&gt;</td></tr></tbody></table></div>"),
    ("snake_case_name 2*3*4 ** a", "<p>snake_case_name 2<em>3</em>4 ** a</p>"),
)
# Take the square of their length, or more, in careless parsers.
HEAVY = ("'*'.repeat(N)", "'['.repeat(N)", "'> '.repeat(N)", "'- '.repeat(N)",
         "'`a'.repeat(N)", "'**a '.repeat(N)", "'|'.repeat(N) + '\\n' + '|-'.repeat(N)",
         "'_a '.repeat(N)", "'[a]('.repeat(N)", "'~~~\\n'.repeat(N)", "'# '.repeat(N)")


def best_of(text):
    """JavaScript: the least of five times that rendering takes, in milliseconds."""
    return (f"(() => {{ const text = {text}; let best = Infinity; for (let i = 0; i < 5; ++i) {{ "
            "const t = performance.now(); html(text); "
            "best = Math.min(best, performance.now() - t); } return best; })()")


def ask(page, text, wait=True):
    page.run("document.querySelector('#input').focus()")
    page.type(text)
    page.press("Enter")
    page.until(f"document.querySelector('.message.user:nth-last-child(2) .body')"
               f"?.textContent === {json.dumps(text)}")
    if wait:
        page.until(DONE)


def last_text(page):
    return page.run(f"{LAST}?.querySelector('.body')?.textContent")


def live(server, *headers):
    return exchange(server.port, request("GET", "/requests", None, *headers)).json()


def set_parameters(page, **values):
    page.click("#open-settings")
    for name, value in values.items():
        page.run(f"(e => {{ e.focus(); e.select(); }})(document.querySelector('#{name}'))")
        if value == "":
            page.press("Backspace")
        else:
            page.type(str(value))
    page.press("Escape")
    # A dialog tells that it has closed a moment later; only then the cursor moves.
    page.until(f"!document.querySelector('dialog[open]') && {FOCUS} === 'input'")


def check_talk(checks, page, server):
    page.open(server.url + "/")
    model = page.until("document.querySelector('#model').value")
    checks.equal(model, server.ready["model"], "the model's name is shown")
    checks.equal(page.run(FOCUS), "input", "the cursor is in the message box")
    page.screenshot("empty")
    set_parameters(page, temperature=0, **{"max-tokens": 60}, system="Answer in a short sentence.")
    checks.equal(page.run(FOCUS), "input", "and back there after a dialog")
    page.type("What is the capital")
    page.press("Enter", SHIFT)
    page.type("of France?")
    checks.equal(page.run("document.querySelector('#input').value"),
                 "What is the capital\nof France?", "Shift+Enter starts a line")
    page.press("Enter")
    seen = set()
    end = time.monotonic() + LIMIT
    while not page.run(DONE) and time.monotonic() < end:
        seen.add(page.run(f"{LAST}?.matches('.coming') ? {LAST}.querySelector('.body')"
                          "?.textContent : null"))
    # How many are seen depends on the machine; a part of the answer was there before its end.
    checks.check(seen - {None, "", last_text(page)}, f"the answer came in parts: {seen}")
    checks.check("Paris" in last_text(page), f"the answer: {last_text(page)!r}")
    figures = page.run(f"{LAST}.querySelector('.figures span').textContent")
    checks.check("tokens/s" in figures and "first after" in figures, f"figures: {figures!r}")
    body = page.bodies[-1]
    checks.equal({k: body.get(k) for k in ("temperature", "max_tokens", "stream", "top_p")},
                 {"temperature": 0, "max_tokens": 60, "stream": True, "top_p": None},
                 "the parameters are sent, empty ones are not")
    checks.equal([m["role"] for m in body["messages"]], ["system", "user"],
                 "and the system message")
    checks.equal(body["messages"][0]["content"], "Answer in a short sentence.", "as it was typed")
    ask(page, "And of Italy?")
    checks.equal([m["role"] for m in page.bodies[-1]["messages"]],
                 ["system", "user", "assistant", "user"], "the next message sends the conversation")
    page.screenshot("talk")


def check_stop(checks, page, server):
    set_parameters(page, **{"max-tokens": "", "system": ""})
    for name, act in (("Escape", lambda: page.press("Escape")),
                      ("the button", lambda: page.click("#stop"))):
        page.click("#new-chat")
        ask(page, LONG, wait=False)
        page.until(f"{LAST}.querySelector('.body')?.textContent.length > 40")
        checks.equal(live(server)["count"], 1, f"{name}: the server answers one request")
        if name == "Escape":
            page.click("#open-live")
            row = page.until("document.querySelector('#live-rows tr')?.textContent")
            checks.check("/v1/chat/completions" in row and "running" in row, f"live table: {row!r}")
            page.screenshot("live")
            page.press("Escape")
            page.until("!document.querySelector('dialog[open]')")
            checks.equal(live(server)["count"], 1, "Escape closed the dialog alone")
        act()
        checks.check(page.until(DONE), f"{name} stops the answer")
        end = time.monotonic() + LIMIT
        while live(server)["count"] > 0 and time.monotonic() < end:
            time.sleep(0.02)
        checks.equal(live(server)["count"], 0, f"{name}: the server stopped too")
        checks.check("stopped" in page.run(f"{LAST}.querySelector('.figures').textContent"),
                     f"{name}: the answer says so")
        checks.check(len(last_text(page)) > 40, f"{name}: what has come is kept")
        checks.equal(page.run(FOCUS), "input", f"{name}: the cursor is back in the message box")


def titles(page):
    return page.run("[...document.querySelectorAll('#history .title')].map(e => e.textContent)")


def check_history(checks, page, server):
    before, text = titles(page), last_text(page)
    checks.equal(len(before), 3, "three conversations are listed")
    page.open(server.url + "/")
    page.until("document.querySelector('#model').value")
    checks.equal(titles(page), before, "a reload keeps them")
    checks.equal(last_text(page), text, "and shows the last one")
    page.click("#history li:nth-child(3) .title")
    checks.equal(page.run("document.querySelectorAll('.message').length"), 4, "another is opened")
    page.run("document.querySelector('#history li:nth-child(3) .icon').click()")
    checks.equal(titles(page), before[:2], "one is deleted")
    checks.equal(page.run(FOCUS), "undo", "and can be had back")
    page.press("Enter")
    checks.equal(sorted(titles(page)), sorted(before), "by Undo")
    page.run("document.querySelector('#history li:nth-child(1) .icon').click()")
    page.open(server.url + "/")
    page.until("document.querySelector('#model').value")
    checks.equal(len(titles(page)), 2, "what is deleted stays deleted")


def background(page):
    """How light the page is, 0 to 255."""
    return page.run("(() => { const c = document.createElement('canvas').getContext('2d'); "
                    "c.fillStyle = getComputedStyle(document.body).backgroundColor; "
                    "c.fillRect(0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data[0]; })()")


def check_themes(checks, page, server):
    for scheme, dark in (("light", False), ("dark", True)):
        page.prefer(scheme)
        checks.equal(background(page) < 128, dark, f"the system's theme: {scheme}")
    page.screenshot("dark")
    page.click("#theme")
    checks.check(background(page) > 128, "the toggle: light on a dark system")
    page.open(server.url + "/")
    checks.check(background(page) > 128, "it is remembered")
    page.click("#theme")
    page.prefer("light")
    checks.check(background(page) < 128, "dark on a light system")
    page.click("#theme")
    checks.check(background(page) > 128, "and the system's again")


WIDE = ("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth, "
        "...[...document.querySelectorAll('main, header, #scroller, #composer, dialog[open]')]"
        ".map(e => e.getBoundingClientRect().left + e.scrollWidth))")


def check_mobile(checks, page):
    page.size(390, 844, mobile=True)
    page.run(f"import(document.querySelector('script[type=module]').src.replace('chat.js', "
             "'markdown.js')).then(m => document.querySelector('#messages .model .body')"
             ".append(m.renderMarkdown('```\\n' + 'x'.repeat(300) + '\\n```\\n' + "
             "'y'.repeat(300) + '\\n\\n|a|b|\\n|-|-|\\n|' + 'z '.repeat(200) + '|b|')))")
    checks.equal(page.run(WIDE), 390, "390 pixels: nothing to scroll sideways")
    checks.check(page.until("getComputedStyle(document.querySelector('#sidebar')).visibility === "
                            "'hidden'"), "the list is away")
    page.run("document.querySelector('#scroller').scrollTop = 1e9")
    page.screenshot("mobile")
    page.click("#open-sidebar")
    page.until("document.querySelector('#sidebar').getBoundingClientRect().x === 0")
    checks.equal(page.run(FOCUS), "close-sidebar", "it comes by its button")
    page.screenshot("mobile_list")
    page.press("Escape")
    checks.equal(page.run(FOCUS), "open-sidebar", "and goes by Escape")
    for name in ("settings", "live"):
        if name == "live":
            page.click("#open-sidebar")
        page.run(f"document.querySelector('#open-{name}').click()")
        page.until(f"document.querySelector('#{name}').open")
        checks.equal(page.run(WIDE), 390, f"390 pixels: {name}")
        page.screenshot(f"mobile_{name}")
        page.press("Escape")
    page.size(1200, 800)


def check_markdown(checks, page):
    page.run("import(document.querySelector('script[type=module]').src.replace('chat.js', "
             "'markdown.js')).then(m => { window.html = text => { const d = "
             "document.createElement('div'); d.append(m.renderMarkdown(text)); "
             "return d.innerHTML; }; })")
    for text, expected in MARKDOWN:
        found = page.run(f"html({json.dumps(text)})")
        checks.equal(found, expected, f"markdown {text!r}")
    for text in HEAVY:
        # No figure of the browser counts what its parser looks at. The time grows 32 times where
        # with the length, 1024 times where with its square; a page's clock shows no less than 1 ms.
        small, large = (page.run(best_of(text.replace("N", n))) for n in ("2e3", "64e3"))
        checks.check(large < 256 * max(small, 1),
                     f"markdown {text}, 32 times as long: {small:.1f} ms, then {large:.1f} ms")


def check_names(checks, page):
    """What a screen reader says of everything that takes the keyboard."""
    roles = {"button", "textbox", "combobox", "spinbutton", "link"}
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree
             if not n.get("ignored") and n.get("role", {}).get("value") in roles]
    checks.check(len(nodes) >= 8, f"{len(nodes)} controls")
    checks.equal([role for role, name in nodes if not name.strip()], [], "all have names")
    # By Tab alone, once around.
    page.run("document.activeElement.blur()")
    stops = []
    for _ in range(60):
        page.press("Tab")
        stops.append(page.run("document.activeElement.id || document.activeElement.className"))
    wanted = {"new-chat", "open-live", "theme", "open-settings", "input"}
    checks.equal(wanted - set(stops), set(), "Tab reaches all of it")


def check_policy(checks, page):
    """The page's own safety net: no script but its files, no other server."""
    known = len(page.trouble)
    page.run("(() => { try { const s = document.createElement('script'); s.append("
             "'window.broken = 1'); document.body.append(s); } catch {} })()")
    checks.equal(page.run("window.broken ?? 0"), 0, "inline scripts do not run")
    thrown = page.run("(() => { try { document.querySelector('#status').innerHTML = '<b>a</b>'; } "
                      "catch (e) { return e.name; } })()")
    checks.equal(thrown, "TypeError", "text cannot become markup")
    fetched = page.run("fetch('http://127.0.0.1:9/').then(() => 'sent', e => e.name)")
    checks.equal(fetched, "TypeError", "nothing is sent elsewhere")
    said = " ".join(str(entry) for entry in page.trouble[known:])
    checks.check("Content Security Policy" in said, "all by the policy")
    del page.trouble[known:]


def check_errors(checks, page, server):
    page.click("#new-chat")
    set_parameters(page, **{"max-tokens": 7})
    ask(page, ("Tell me more. " * 6000).strip())
    said = page.run(f"{LAST}.querySelector('.error')?.textContent")
    checks.check(said and "tokens" in said, f"a prompt that is too long: {said!r}")
    page.screenshot("error")
    ask(page, "Say hello.")
    checks.equal([m["content"] for m in page.bodies[-1]["messages"]], ["Say hello."],
                 "what failed is not sent again")
    checks.check("cut at the limit" in page.run(f"{LAST}.querySelector('.figures').textContent"),
                 "an answer that met the limit says so")
    server.process.kill()
    server.process.wait()
    ask(page, "Are you there?")
    checks.equal(page.run(f"{LAST}.querySelector('.error')?.textContent"),
                 "The server cannot be reached.", "a server that is gone")


def check_key(checks, page, model):
    with Server(model, "--api-key", KEY) as server:
        page.open(server.url + "/")
        checks.check(page.until("document.querySelector('#key-dialog').open"),
                     "without a key the page loads and asks for one")
        page.screenshot("key")
        page.type("wrong")
        page.press("Enter")
        checks.check(page.until("document.querySelector('#key-dialog').open && "
                                "document.querySelector('#key-why').textContent.includes('take')"),
                     "a wrong one is told")
        page.type(KEY)
        page.press("Enter")
        checks.equal(page.until("document.querySelector('#model').value"), server.ready["model"],
                     "the right one opens it")
        set_parameters(page, temperature=0, **{"max-tokens": 8})
        ask(page, "Say hello.")
        checks.check(last_text(page), f"and talks: {last_text(page)!r}")
        checks.equal(page.run("Object.values(localStorage).join('').includes("
                              f"{json.dumps(KEY)})"), False, "the key is not kept on disk")
        page.open(server.url + "/")
        checks.equal(page.until("document.querySelector('#model').value"), server.ready["model"],
                     "a reload keeps it")


def main():
    checks = Checks()
    model = real_model()
    with Page() as page:
        with Server(model, "--served-model-name", "smollm2") as server:
            origin = server.url + "/"
            check_talk(checks, page, server)
            check_stop(checks, page, server)
            check_history(checks, page, server)
            check_themes(checks, page, server)
            check_mobile(checks, page)
            check_names(checks, page)
            check_markdown(checks, page)
            checks.equal(page.trouble, [], "no error in the browser's console")
            checks.equal([u for u in page.urls if not u.startswith((origin, "about:", "data:"))],
                         [], f"{len(page.urls)} requests, none to another server")
            checks.check(len(page.urls) > 20, "and they were seen")
            check_policy(checks, page)
            check_errors(checks, page, server)
        check_key(checks, page, model)
    checks.finish()


if __name__ == "__main__":
    main()
