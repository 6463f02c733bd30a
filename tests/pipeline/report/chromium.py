"""A page as headless Chromium sees it, by its DevTools protocol: what it logs, what it asks for, how wide it is."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60.0  # seconds for one answer; the machine may be busy


class View:
    """One tab. Events are kept as they come: `requests` and `complaints` of everything since the last `show`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._last = socket, 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def show(self, address: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Opens an address in a window of that size, and waits until it is loaded."""
        self.requests, self.complaints = [], []
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._call("Page.navigate", url=address)
        self._until("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the whole page, or of the window."""
        found = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _until(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE))
        given = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif message.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(given, ensure_ascii=False))
        return message


@contextmanager
def browser(profile: Path) -> Iterator[View]:
    """Chromium with an empty profile, without a screen, and with no way to the network but to this machine."""
    assert PROGRAM is not None
    rules = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    switches = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--host-resolver-rules={rules}",
    ]
    with (
        open(profile.with_suffix(".log"), "wb") as log,
        subprocess.Popen(
            [PROGRAM, *switches, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stderr is not None
            lines = (re.search(r"DevTools listening on (\S+)", line) for line in process.stderr)
            address = next(filter(None, lines))[1]
            with connect(address, max_size=None, open_timeout=PATIENCE) as socket:
                yield View(socket)
        finally:
            process.terminate()
