"""The end of the sandbox: its report on the programs that spoke to it, and its exit code."""

import contextlib
import json
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from proxy.app.report import lines, report
from proxy.commands.options import failed
from proxy.endpoint.compatibility import Compatibility
from proxy.runtime.counters import Counters
from proxy.runtime.logs import Secrets


class Ending:
    """A context: what runs in it ends with SIGTERM or Ctrl-C, then the report is printed. `path`
    gets it as JSON; with `is_strict` the exit code is 1 if a program was refused something.

    Raises click.UsageError if there is no proxy to report on, click.ClickException if `path`
    cannot be written.
    """

    def __init__(
        self, path: Path | None, is_strict: bool, secrets: Secrets, upstream_only: bool
    ) -> None:
        if upstream_only and (path or is_strict):
            text = "--report and --strict need the proxy: leave --upstream-only out"
            raise click.UsageError(text)
        self.compatibility = Compatibility(secrets)
        self.counters = Counters()
        self._path, self._is_strict = path, is_strict
        # At once, and not after an hour of tests.
        self._write(self.report())

    def report(self) -> dict[str, Any]:
        return report(self.compatibility, self.counters)

    def clear_report(self) -> None:
        self.compatibility.clear()
        self.counters = Counters()

    def continue_with(self, counters: Counters) -> None:
        """Takes the counters of a proxy that was started anew, and goes on counting in them."""
        counters.counts.update(self.counters.counts)
        self.counters = counters

    def __enter__(self) -> "Ending":
        # The server raises the signal again when it has stopped: SIGTERM would end the process.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if kind not in (None, KeyboardInterrupt):
            return False
        result = self.report()
        # Who reads the output may be gone.
        with contextlib.suppress(BrokenPipeError):
            click.echo(lines(result))
        self._write(result)
        if self._is_strict and result["refused"]:
            raise SystemExit(1)
        return True

    def _write(self, result: dict[str, Any]) -> None:
        if self._path is None:
            return
        try:
            self._path.write_text(json.dumps(result, indent=1) + "\n")
        except OSError as error:
            raise failed(f"--report: {self._path} cannot be written: {error.strerror}") from error
