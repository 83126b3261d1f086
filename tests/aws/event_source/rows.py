"""Rows and records as `collect` and `replay` put them into the stream."""

import json
from dataclasses import dataclass

from mapping import iso

MINUTE_MS = 60_000


def quote(symbol, minute_ms, after_ms=1_600):
    """A live row of a symbol, as the stream's record has it; its price is one of its minute alone."""
    price = round(100 + (minute_ms // MINUTE_MS % 997) / 10 + sum(symbol.encode()) % 89, 2)
    return {
        "v": 1,
        "symbol": symbol,
        "minute": iso(minute_ms).replace(".000Z", "Z"),
        "price": price,
        "basis": "quote",
        "source": "finnhub",
        "traded_at": iso(minute_ms - 800),
        "day_open": 101.5,
        "day_high": None,
        "day_low": None,
        "prev_close": 99.75,
        "observed_at": iso(minute_ms + after_ms),
        "revision": 0,
    }


def close(symbol, minute_ms, observed_ms):
    """A healed row: what replay puts in, any number to a record."""
    row = quote(symbol, minute_ms) | {"basis": "close", "observed_at": iso(observed_ms)}
    return row | {"day_open": None, "prev_close": None, "traded_at": iso(minute_ms - 1)}


def record(rows):
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()


def ms(text):
    from datetime import datetime

    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


@dataclass(frozen=True)
class Put:
    """A record of the shard: the good rows in it, and a part of the reason why it is poison, where it is."""

    record: object
    rows: tuple
    reason: str | None = None

    def stored(self):
        """The good rows as the lake has them."""
        return {
            (r["symbol"], ms(r["minute"]), r["price"], r["basis"], r["source"], ms(r["observed_at"]), r["revision"], self.record.arrived_ms)
            for r in self.rows
        }
