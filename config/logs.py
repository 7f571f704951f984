"""Logs as one JSON object a line, so that hostile text cannot forge a second line."""

from __future__ import annotations

import json
import logging

from compliance.audit.context import request_id


class JsonFormatter(logging.Formatter):
    """Level, logger, message, request id; the traceback when there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON, ASCII only."""
        line = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := request_id.get():
            line["request"] = request
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)
