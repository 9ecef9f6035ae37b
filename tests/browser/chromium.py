"""A headless Chromium, driven through chromedriver's own protocol: no package needed.

Only what the tests use: open a file, run a script, point, press a key, take a picture.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ANSWER_S = 60.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests run as root in containers, on a page of their own making
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
TAB, ESCAPE = "\ue004", "\ue00c"


class Browser:
    """One session of a browser."""

    def __init__(self, address: str, profile: Path) -> None:
        self._address = address
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL"}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{answer['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return json.load(answer)["value"]

    def _post(self, path: str, **body: Any) -> Any:
        return self._call("POST", self._session + path, body)

    def look(self, width: int, height: int, scheme: str) -> None:
        """Pretend to be a screen of that size (CSS pixels), "light" or "dark"."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def command(self, name: str, **params: Any) -> Any:
        """One command of the browser's own protocol."""
        return self._post("/goog/cdp/execute", cmd=name, params=params)

    def open(self, page: Path) -> None:
        self._post("/url", url=page.resolve().as_uri())

    def run(self, script: str, *args: Any) -> Any:
        """What the body of a JavaScript function returns."""
        return self._post("/execute/sync", script=script, args=list(args))

    def point_at(self, selector: str) -> None:
        """Move the mouse to the middle of the first element that fits."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block:'center'})", selector)
        found = self._post("/element", using="css selector", value=selector)
        move = {"type": "pointerMove", "duration": 0, "origin": found, "x": 0, "y": 0}
        mouse = {"type": "pointer", "id": "mouse", "actions": [move]}
        self._post("/actions", actions=[mouse])

    def press(self, key: str) -> None:
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self._post("/actions", actions=[{"type": "key", "id": "keys", "actions": steps}])

    def addresses(self) -> list[str]:
        """Everything the browser has asked for since the last call."""
        entries = self._post("/se/log", type="performance")
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        asked = [m for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [message["params"]["request"]["url"] for message in asked]

    def picture(self, file: Path) -> None:
        """A picture of the whole page."""
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def quit(self) -> None:
        self._call("DELETE", self._session)


@contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """A browser with a new, empty profile; gone when the block ends."""
    argv = ["chromedriver", "--port=0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            ports = (re.search(r"successfully on port (\d+)", line) for line in driver.stdout)
            port = next(match for match in ports if match)[1]
            browser = Browser(f"http://127.0.0.1:{port}", profile)
            try:
                yield browser
            finally:
                browser.quit()
        finally:
            driver.terminate()
