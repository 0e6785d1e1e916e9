"""A list of subscribers as a CSV file (RFC 4180) that spreadsheets open right and cannot be made to run. Pure.

UTF-8 with a byte order mark, for without one Excel reads it as Windows-1252; times in UTC, ISO 8601. Phone numbers go
without their plus sign, as the storefront API takes them: a cell never begins with a sign that starts a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from restock.channels.values import ChannelName
from restock.reports.values.subscribers import SubscriberLine

BYTE_ORDER_MARK = "\ufeff"
ROWS_A_CHUNK = 200
BROKEN_OFF = "EXPORT BROKEN OFF: this file is not complete. Please download it again."
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")

_COLUMNS: tuple[tuple[str, Callable[[SubscriberLine], object]], ...] = (
    ("ID", lambda line: line.id),
    ("Status", lambda line: line.state),
    ("Channel", lambda line: line.channel.value),
    ("Email", lambda line: line.address if line.channel is ChannelName.email else None),
    ("Phone", lambda line: line.address.removeprefix("+") if line.channel is ChannelName.sms else None),
    ("Name", lambda line: line.name),
    ("Product", lambda line: line.goods.product_title),
    ("Variant", lambda line: line.goods.variant_title),
    ("SKU", lambda line: line.sku),
    ("Product ID", lambda line: line.goods.product_id),
    ("Variant ID", lambda line: line.goods.variant_id),
    ("Market ID", lambda line: line.market_id or None),
    ("Quantity", lambda line: line.quantity),
    ("Language", lambda line: line.locale),
    ("Accepts marketing", lambda line: {"granted": "yes", "refused": "no"}.get(line.marketing or "")),
    ("Asked at", lambda line: line.queued_at),
    ("Told at", lambda line: line.notified_at),
    ("Ended at", lambda line: line.ended_at),
    ("Reason", lambda line: line.end_reason),
)
HEADER = tuple(name for name, _ in _COLUMNS)


def safe_cell(value: object) -> str:
    """Write one cell; text that a spreadsheet would take for a formula gets an apostrophe, which it shows as text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = str(value).replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def write_rows(lines: Iterable[SubscriberLine]) -> Iterator[str]:
    """Yield the file in pieces, reading no further ahead than one of them.

    When the reading fails midway the last row says that the file is not whole, and the failure goes on to the caller.
    Not every server breaks off its answer then (granian ends it as if all were well), so the row is what can be seen.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(HEADER)
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            writer.writerow([safe_cell(cell(line)) for _, cell in _COLUMNS])
            if number % ROWS_A_CHUNK == 0:
                yield _take(buffer)
    except Exception:  # whatever it is, the reader of the file has to see that rows are missing
        if number >= ROWS_A_CHUNK:  # something has gone out
            writer.writerow([BROKEN_OFF])
            yield _take(buffer)
        raise
    yield _take(buffer)


def _take(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
