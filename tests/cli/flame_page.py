#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Uses the flame graph's page as a person would, in a real Chromium without a window.

usage: flame_page.py CHROMIUM PAGE CHECK      (CHECK is the name of one of the check_* functions)

PAGE is what `stint flame` has written. Checks that need names or sizes which no recording at hand has put other data
in its place: the page's own script and style, which its security policy names by hash, stay as they are.
Exit status: 0 as expected, 1 with what isn't on standard error.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

TIMEOUT_S = 60


class Browser:
    """Chromium, spoken to through a pair of pipes: it listens on no port."""

    def __init__(self, chromium, profile):
        to_child, self.to_browser = os.pipe()
        self.from_browser, from_child = os.pipe()

        def arrange():
            high = [os.dup2(to_child, 10), os.dup2(from_child, 11)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--window-size=1200,800", "--remote-debugging-pipe",
                 f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen([chromium, *flags], preexec_fn=arrange, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.buffer = b""
        self.next_id = 0
        self.session = None
        self.events = []

    def read(self):
        while b"\0" not in self.buffer:
            data = os.read(self.from_browser, 1 << 16)
            if not data:
                raise AssertionError("chromium has ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.next_id:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, path):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url="file://" + path)
        self.until("document.readyState === 'complete' && document.getElementById('status-name').textContent.trim()")

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression):
        end = time.monotonic() + TIMEOUT_S
        while not self.js(f"!!({expression})"):
            if time.monotonic() > end:
                raise AssertionError(f"it never came true: {expression}")
            time.sleep(0.02)

    def text(self, element):
        return self.js(f"document.getElementById({json.dumps(element)}).textContent")

    def key(self, key, shift=False):
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
                 "ArrowDown": 40}
        params = {"key": key, "modifiers": 8 if shift else 0}
        if key in codes:
            params["windowsVirtualKeyCode"] = codes[key]
        else:
            params["text"] = key
        if key == "Enter":
            params["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", **params)
        params.pop("text", None)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def mouse(self, kind, x, y):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left",
                  clickCount=0 if kind == "mouseMoved" else 1)

    def click(self, x, y):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def close(self):
        self.process.terminate()
        self.process.wait(TIMEOUT_S)


def same(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">\n(.*?)\n\s*</script>', page, re.S).group(1))


def with_data(page, data):
    text = json.dumps(data).replace("<", "\\u003c")
    start = page.index('id="data">') + len('id="data">')
    return page[:start] + "\n" + text + "\n" + page[page.index("</script>", start):]


def tree(*nodes, unit="samples"):
    """Data from (depth, name, kind, self) of each node below the root, in preorder."""
    strings, frames, columns = [""], [], {"depth": [0], "frame": [0], "self": [0]}
    strings.append("all")
    frames += [1, 0, 0]
    for depth, name, kind, value in nodes:
        strings.append(name)
        frames += [len(strings) - 1, 0, kind]
        columns["depth"].append(depth)
        columns["frame"].append(len(frames) // 3 - 1)
        columns["self"].append(value)
    return {"schema": "stint.flame/1", "title": "t", "facts": [], "notes": [], "unit": unit, "strings": strings,
            "frames": frames, **columns}


SMALL = tree((1, "app", 1, 0), (2, "main", 2, 10), (3, "work", 2, 50), (4, "alloc", 3, 10), (3, "read", 5, 20),
             (1, "other", 1, 0), (2, "work", 2, 10))


def check_recording(browser, page, show):
    """The page that stint wrote: what it says is in it, and it asks the network for nothing."""
    data = data_of(page)
    show(page)
    same(browser.js("document.title"), data["title"], "title")
    total = f"{sum(data['self']):,}".split(",")[0]
    facts = browser.text("facts")
    if data["facts"][0] not in facts or total not in facts:
        raise AssertionError(f"facts: {facts}")
    same(browser.js("document.querySelectorAll('#notes li').length + "
                    "(document.querySelector('#notes summary').textContent ? 1 : 0) > 0"),
         bool(data["notes"]), "notes are shown")


def check_keyboard(browser, page, show):
    show(with_data(page, SMALL))
    for _ in range(20):
        if browser.js("document.activeElement.id") == "graph":
            break
        browser.key("Tab")
    same(browser.js("document.activeElement.id"), "graph", "Tab reaches the graph")
    same(browser.js("document.getElementById('graph').matches(':focus-visible')"), True, "focus can be seen")
    for key, name in (("ArrowDown", "app"), ("ArrowRight", "other"), ("ArrowLeft", "app"), ("ArrowDown", "main"),
                      ("ArrowDown", "work"), ("ArrowRight", "read"), ("ArrowUp", "main")):
        browser.key(key)
        same(browser.text("status-name"), name, key)
    browser.key("Enter")
    same(browser.js("location.hash"), "#z=2", "Enter zooms")
    same(browser.js("document.getElementById('reset').disabled"), False, "it can be reset")
    if "100.00 % of shown" not in browser.text("status-facts"):
        raise AssertionError(browser.text("status-facts"))
    browser.key("Escape")
    same(browser.js("location.hash"), "#z=1", "Escape zooms out one step")
    browser.key("Home")
    same(browser.js("location.hash"), "", "Home shows everything")
    browser.key("i")
    same(browser.js("location.hash"), "#root=bottom", "i turns it over")
    browser.key("ArrowUp")
    same(browser.text("status-name"), "app", "up is inward then")
    browser.key("o")
    same(browser.js("location.hash"), "#root=bottom&order=name", "o changes the order")
    browser.key("?", shift=True)
    same(browser.js("document.getElementById('keys').open"), True, "? shows the keys")
    browser.key("Escape")
    same(browser.js("document.getElementById('keys').open"), False, "Escape closes them")


def check_search(browser, page, show):
    show(with_data(page, SMALL))
    browser.key("/")
    same(browser.js("document.activeElement.id"), "search", "/ goes to the search")
    browser.type("WORK|alloc")
    same(browser.text("matched"), "10.00 %, 10 samples", "capital letters matter once there are some")
    browser.js("document.getElementById('search').select()")
    browser.type("work|alloc")
    same(browser.text("matched"), "70.00 %, 70 samples", "a match within a match counts once")
    browser.key("Enter")
    same(browser.text("status-name"), "work", "Enter goes to a match")
    browser.key("n")
    same(browser.text("status-name"), "alloc", "n goes to the next")
    browser.key("N", shift=True)
    same(browser.text("status-name"), "work", "N goes back")
    browser.key("ArrowUp")
    browser.key("Enter")
    same(browser.text("matched"), "66.67 % of shown, 60 samples", "the share is that of what is shown")
    browser.key("Home")
    browser.key("/")
    browser.type("([")
    same(browser.text("matched"), "0.00 %, 0 samples (as plain text)", "what is no regular expression is text")
    browser.key("Escape")
    same(browser.text("matched"), "", "Escape clears the search")


def check_mouse(browser, page, show):
    show(with_data(page, SMALL))
    top = browser.js("document.getElementById('graph').getBoundingClientRect().top")
    row = [top + 4 + 19 * k + 9 for k in range(6)]
    browser.mouse("mouseMoved", 100, row[3])
    same(browser.js("document.getElementById('tip').hidden"), False, "a tooltip")
    if not browser.text("tip").startswith("work"):
        raise AssertionError(browser.text("tip"))
    same(browser.text("status-name"), "work", "the status line")
    browser.click(100, row[3])
    same(browser.js("location.hash"), "#z=3", "a click zooms")
    browser.until("document.getElementById('status-facts').textContent.includes('60 samples')")
    time.sleep(0.5)  # the zoom's motion
    browser.mouse("mouseMoved", 1100, row[4])
    same(browser.text("status-name"), "work", "empty space names what is focused")
    browser.mouse("mouseMoved", 100, row[4])
    same(browser.text("status-name"), "alloc", "what is below fills the width")
    browser.click(100, row[1])
    same(browser.js("location.hash"), "#z=1", "a click on a caller zooms out to it")


def check_hostile(browser, page, show):
    attack = "<img src=x onerror=\"window.pwned=1\"></script><script>window.pwned=1</script>\u202e\u0000\u2028'\";"
    data = tree((1, attack, 1, 0), (2, attack, 2, 5), (3, "__proto__", 2, 5), (4, "x" * 60000, 5, 3), unit=attack)
    data["title"] = data["facts"] = data["notes"] = attack
    data.update(facts=[attack], notes=[attack, attack])
    show(with_data(page, data))
    browser.key("ArrowDown")
    browser.key("ArrowDown")
    browser.mouse("mouseMoved", 100, browser.js("document.getElementById('graph').getBoundingClientRect().top") + 50)
    browser.key("/")
    browser.type("img")
    same(browser.js("window.pwned"), None, "nothing ran")
    same(browser.js("document.images.length"), 0, "nothing became an element")
    same(browser.js("document.scripts.length"), 2, "no script came in")
    if "\u202e" in browser.text("status-name") or "\\u{202e}" not in browser.text("status-name"):
        raise AssertionError("what turns text around is shown by its number")
    # Even markup that did get in could do nothing: the policy stops it, before anything leaves the page.
    browser.js("""new Promise(resolve => {
        document.addEventListener('securitypolicyviolation', resolve, {once: true});
        document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x" onerror="window.pwned=1">');
    }).then(() => new Promise(done => setTimeout(done, 100)))""")
    same(browser.js("window.pwned"), None, "the policy stops handlers")
    browser.js("document.images[0].remove()")


def check_large(browser, page, show):
    """100,000 nodes: says how long a frame takes."""
    rng = random.Random(1)
    nodes, depth = [], 0
    while len(nodes) < 100000:
        depth = max(1, min(120, depth + rng.choice((1, 1, 1, 0, -1, -3))))
        nodes.append((depth, f"function_{rng.randrange(5000)}", rng.choice((2, 2, 3, 5)), rng.randrange(100)))
    show(with_data(page, tree(*nodes)))
    took = browser.js("""(async () => {
        const canvas = document.getElementById('graph'), box = canvas.getBoundingClientRect(), times = [];
        for (let i = 0; i < 20; i++) {
            const start = performance.now();
            document.getElementById('search').value = 'function_' + i;
            document.getElementById('search').dispatchEvent(new Event('input'));
            await new Promise(requestAnimationFrame);
            await new Promise(done => setTimeout(done));
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[10];
    })()""")
    print(f"100,000 nodes: search and redraw in {took:.0f} ms (median)")


def check_print(browser, page, show):
    import base64
    show(with_data(page, SMALL))
    pdf = base64.b64decode(browser.call("Page.printToPDF")["data"])
    if not pdf.startswith(b"%PDF-") or len(pdf) < 2000:
        raise AssertionError("no picture in print")
    same(browser.js("document.getElementById('graph').getBoundingClientRect().height > 200"), True,
         "the screen is as before")


def faults(events, path):
    blocked = {event["params"]["requestId"] for event in events if event.get("method") == "Network.loadingFailed" and
               event["params"].get("blockedReason") == "csp"}
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            yield f"exception: {params['exceptionDetails']}"
        if method == "Network.requestWillBeSent" and params["requestId"] not in blocked and \
                params["request"]["url"] != "file://" + path:
            yield f"a request left the page: {params['request']['url']}"
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            if "Content Security Policy" not in params["entry"]["text"]:
                yield f"logged: {params['entry']['text']}"


def main():
    chromium, page_path, check = sys.argv[1:]
    with open(page_path, encoding="utf-8") as file:
        page = file.read()
    work = tempfile.mkdtemp()
    path = os.path.join(work, "page.html")
    browser = Browser(chromium, os.path.join(work, "profile"))

    def show(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        browser.open(path)

    try:
        globals()["check_" + check](browser, page, show)
        browser.js("0")  # whatever was sent before has come in
        for fault in faults(browser.events, path):
            raise AssertionError(fault)
    except AssertionError as why:
        print(f"{check}: {why}", file=sys.stderr)
        return 1
    finally:
        browser.close()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
