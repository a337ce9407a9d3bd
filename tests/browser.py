"""A real browser: chromium, by the W3C WebDriver protocol of its chromedriver."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import urllib3

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, section 11
KEYS = {"right": "\ue014", "left": "\ue012", "tab": "\ue004", "enter": "\ue007"}


def lacking() -> str | None:
    """What of the browser is not installed."""
    for name in ("chromium", "chromedriver"):
        if shutil.which(name) is None:
            return f"{name} is not installed"
    return None


class Browser:
    """One window, without a screen; a context manager."""

    def __init__(self, *, dark: bool = False, size: tuple[int, int] = (1400, 1000)):
        # A short path, for chromium makes a socket below it.
        self._home = Path(tempfile.mkdtemp(prefix="browser-"))
        self._dark = dark
        self._size = size
        self._http = urllib3.PoolManager(retries=False, timeout=60)
        self._url = ""

    def __enter__(self) -> Browser:
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "HOME": str(self._home), "TMPDIR": str(self._home)},
        )
        assert self._driver.stdout is not None
        port = next(
            line.split("port ")[1].rstrip(".\n")
            for line in self._driver.stdout
            if "started successfully on port" in line
        )
        self._url = f"http://127.0.0.1:{port}/session"
        width, height = self._size
        arguments = [
            "--headless=new",
            "--no-sandbox",  # root may not have it
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--window-size={width},{height}",
            f"--user-data-dir={self._home / 'profile'}",
        ]
        options = {"binary": shutil.which("chromium"), "args": arguments}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/{made['sessionId']}"
        if self._dark:
            feature = {"name": "prefers-color-scheme", "value": "dark"}
            self._command("Emulation.setEmulatedMedia", {"features": [feature]})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._url:
                self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait()
            assert self._driver.stdout is not None
            self._driver.stdout.close()
            shutil.rmtree(self._home, ignore_errors=True)

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", "/url"))

    def await_url(self, part: str) -> None:
        """Wait until `part` is in the address of a page that has come whole."""
        until = time.monotonic() + 20
        while part not in self.url or self.run("return document.readyState") != "complete":
            assert time.monotonic() < until, f"{part} is not in {self.url}"

    def click(self, selector: str) -> None:
        """Click what the CSS selector finds first, or the link with the text behind "="."""
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector)}/text"))

    def run(self, script: str) -> Any:
        """What a script in the page returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def complaints(self) -> list[str]:
        """What the console has said since the last time."""
        return [line["message"] for line in self._ask("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses on networks that were asked for since the last time."""
        found = []
        for line in self._ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(line["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                found += [url] if not url.startswith(("chrome:", "data:", "about:")) else []
        return found

    def _find(self, selector: str) -> str:
        using = "link text" if selector.startswith("=") else "css selector"
        value = selector.removeprefix("=")
        found = self._ask("POST", "/element", {"using": using, "value": value})
        return str(found[ELEMENT])

    def _command(self, name: str, values: dict[str, Any]) -> None:
        self._ask("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(
            method, self._url + path, json=body if method == "POST" else None
        )
        value = json.loads(answer.data)["value"]
        if answer.status != 200:
            raise AssertionError(f"{method} {path} {body}: {value['message'][:500]}")
        return value
