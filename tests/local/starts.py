"""Starts a program as a person would, and follows what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from restock.config import Settings
from tests.local.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Start:
    """One start, with what it printed so far."""

    def __init__(self, module: str, data: Path, **environment: str) -> None:
        command = [sys.executable, "-m", module, *(["run"] if module == "restock.cli" else [])]
        clean = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        settings = {"RESTOCK_DATA_DIR": str(data), "PORT": "0", **environment}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=clean | settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.data = data
        self.printed = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line

    def until(self, text: str, times: int = 1) -> Start:
        """Wait until a text was printed."""
        wait_until(lambda: self.printed.count(text) >= times or self.process.poll() is not None, 120, repr(text))
        assert self.printed.count(text) >= times, self.printed
        return self

    def ended(self) -> int:
        code = self.process.wait(120)
        self._reader.join(10)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def card(self) -> dict[str, str]:
        return dict(json.loads((self.data / "runtime.json").read_text()))
