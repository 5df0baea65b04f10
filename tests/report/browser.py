"""A headless Chromium, spoken to in its DevTools protocol over two pipes: no driver, no port, no package."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads commands from descriptor 3 and answers on 4.
_START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


def find_browser():
    """Path of a Chromium or Chrome, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a headless browser, with all that it complained about and asked for."""

    def __init__(self, program, patience=30.0):
        self._patience, self._next, self._buffer = patience, 0, b""
        self._profile = tempfile.mkdtemp(prefix="browser-")
        ours, theirs = os.pipe(), os.pipe()
        # Descriptors of the child must not be 3 or 4 before they are copied there.
        given = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in (ours[0], theirs[1])]
        os.close(ours[0]), os.close(theirs[1])
        self._to, self._from = ours[1], theirs[0]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, given), program, *FLAGS, f"--user-data-dir={self._profile}"],
            pass_fds=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for one in given:
            os.close(one)
        self.complaints, self.requests, self._session = [], [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._session = None
            self.send("Browser.close")
        except (OSError, EOFError, TimeoutError, RuntimeError):
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to), os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def send(self, method, **parameters):
        """One command; returns its result."""
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._next:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, path, width=1280, height=900, scale=1, dark=False, media=""):
        """Shows a file at a width in CSS pixels; forgets what earlier pages complained about."""
        phone = width < 600
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", media=media, features=scheme)
        self.complaints.clear(), self.requests.clear()
        self._loaded = False
        self.send("Page.navigate", url=Path(path).resolve().as_uri())
        while not self._loaded:
            self._read()
        # Images are decoded, and a frame is drawn, before anything is measured.
        self.value(
            "Promise.all([...document.images].map(i => i.decode().catch(() => 0)))"
            ".then(() => new Promise(done => requestAnimationFrame(() => done(true))))"
        )

    def value(self, expression):
        """The value of a JavaScript expression; promises are waited for."""
        said = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise RuntimeError(said["exceptionDetails"]["exception"]["description"])
        return said["result"].get("value")

    def screenshot(self, path):
        """The whole page as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        said = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(said["data"]))

    def pdf(self):
        """The page as printed on A4."""
        said = self.send("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        return base64.b64decode(said["data"])

    def _read(self):
        """One message; events are noted."""
        deadline = time.monotonic() + self._patience
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser said nothing for {self._patience} s")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise EOFError(f"the browser has ended with {self._process.poll()}")
            self._buffer += part
        first, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(first)
        event, body = message.get("method"), message.get("params", {})
        if event == "Runtime.consoleAPICalled" and body["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([argument.get("value") for argument in body["args"]]))
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(body["exceptionDetails"]))
        elif event == "Log.entryAdded" and body["entry"]["level"] in ("error", "warning"):
            self.complaints.append(body["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(body["request"]["url"][:200])
        elif event == "Page.loadEventFired":
            self._loaded = True
        return message
