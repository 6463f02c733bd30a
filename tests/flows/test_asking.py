"""What the tests of flows stand on: a busy server is asked again, and a command ends with its failed block."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import psutil
import pytest

from tests import asking
from tests.flows.conftest import Started

DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
SLEEPS = "print(1, flush=True); time.sleep(300)"


@pytest.mark.parametrize(("busy", "status"), [(2, 200), (asking.ATTEMPTS, 503)])
def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch, busy: int, status: int) -> None:
    answers = [503] * busy + [200]
    monkeypatch.setattr(asking.time, "sleep", lambda _: None)

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.end_headers()
            self.wfile.write(b"[1]")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = asking.ask(f"http://127.0.0.1:{server.server_port}/api", "GET", "/x")
        server.shutdown()
    assert found == (status, [1]) and len(answers) == (0 if status == 200 else 1)


@pytest.mark.parametrize("heeds", [True, False])
def test_a_command_ends_with_its_failed_block(monkeypatch: pytest.MonkeyPatch, heeds: bool) -> None:
    monkeypatch.setattr("tests.flows.conftest.PATIENCE", 0.3)
    command = [sys.executable, "-c", "import signal, time; " + ("" if heeds else DEAF) + SLEEPS]
    with (
        pytest.raises(AssertionError, match="^what failed$"),
        Started(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run,
    ):
        assert run.stdout is not None and run.stdout.readline() == "1\n"
        raise AssertionError("what failed")
    assert run.returncode == (-15 if heeds else -9) and not psutil.pid_exists(run.pid)
