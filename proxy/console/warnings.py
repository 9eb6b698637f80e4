"""The last warnings and errors of the log, for the page."""

import logging
from collections.abc import Callable

from proxy.console.advice import LOGGED, UNKNOWN
from proxy.console.rows import Row
from proxy.runtime.logs import Secrets

MAX_ROWS = 50
MAX_TEXT = 400
"""In characters."""


class Warnings(logging.Handler):
    """One row per format string, with its last text. `now` is this machine's clock, in seconds."""

    def __init__(self, secrets: Secrets, now: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._secrets = secrets
        self._now = now
        self._logged: dict[str, Row] = {}

    def start(self) -> None:
        logging.getLogger("proxy").addHandler(self)

    def stop(self) -> None:
        logging.getLogger("proxy").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if logging.lastResort and not logging.getLogger().handlers:
            # Without any other handler Python writes to stderr; this handler would prevent that.
            logging.lastResort.handle(record)
        kind = str(record.msg)
        # The dict is in the order of the last line of each kind, so that the oldest kind goes.
        before = self._logged.pop(kind, None)
        if len(self._logged) >= MAX_ROWS:
            del self._logged[next(iter(self._logged))]
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text = f"{text}: {type(record.exc_info[1]).__name__}"
        self._logged[kind] = {
            "what": record.levelname.lower(),
            "count": (int(str(before["count"])) if before else 0) + 1,
            "at": self._now(),
            "text": self._secrets.redact(text)[:MAX_TEXT],
            "advice": LOGGED.get(getattr(record.msg, "code", ""), UNKNOWN),
        }

    def rows(self) -> list[Row]:
        """Returns the newest first."""
        return sorted(self._logged.values(), key=lambda row: float(str(row["at"])), reverse=True)
