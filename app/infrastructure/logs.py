"""Where log lines go: readable on a terminal, JSON elsewhere, both to standard error. Addresses never get that far."""

import logging
import re
import sys
from typing import Any

import structlog

# whatever follows the scheme may hold a user's name, a password or a token
ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*)://[^\s'\"]+")


class _Redacted:
    """Renders a log line and leaves out of addresses all but the scheme."""

    def __init__(self, renderer: structlog.typing.Processor) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, name: str, event: structlog.typing.EventDict) -> str:  # noqa: ANN401 - structlog's
        return ADDRESS.sub(r"\1://...", str(self._renderer(logger, name, event)))


def configure_logs() -> None:
    """Send structlog's lines and the libraries' warnings to standard error."""
    terminal = sys.stderr.isatty()
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
    ]
    if terminal:
        after: list[structlog.typing.Processor] = [_Redacted(structlog.dev.ConsoleRenderer())]
    else:
        after = [structlog.processors.format_exc_info, _Redacted(structlog.processors.JSONRenderer())]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *after],
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [lines]
    root.setLevel(logging.WARNING)
