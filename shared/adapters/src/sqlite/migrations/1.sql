-- Schema version 1. Instants are milliseconds since the epoch, minutes are minutes since the epoch, days are ISO text.
-- Once released, a migration never changes: the next version is another file.

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: receipts name it
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, id);

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    died_at INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_queue ON dead_letters (queue, id);

CREATE TABLE stream (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    id TEXT NOT NULL
) STRICT;

CREATE TABLE shards (
    shard INTEGER PRIMARY KEY,
    appended INTEGER NOT NULL DEFAULT 0, -- sequence of the newest record ever appended
    arrived_at INTEGER, -- when it arrived
    checkpoint INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE records (
    shard INTEGER NOT NULL REFERENCES shards (shard),
    sequence INTEGER NOT NULL,
    arrived_at INTEGER NOT NULL,
    partition_key TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (shard, sequence)
) STRICT;

CREATE TABLE budget (
    provider TEXT NOT NULL,
    minute INTEGER NOT NULL,
    live INTEGER, -- calls reserved, once they are
    leased INTEGER NOT NULL DEFAULT 0,
    share INTEGER, -- the smallest share asked with
    PRIMARY KEY (provider, minute)
) STRICT, WITHOUT ROWID;

CREATE TABLE expectations (
    minute INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (minute, chunk)
) STRICT, WITHOUT ROWID;

CREATE TABLE gaps (
    day TEXT NOT NULL,
    symbol TEXT NOT NULL,
    version INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (day, symbol)
) STRICT, WITHOUT ROWID;
CREATE INDEX gaps_pending ON gaps (day, symbol) WHERE pending = 1;

CREATE TABLE sources (
    source TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (source, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE landed (
    shard TEXT PRIMARY KEY,
    through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    at INTEGER NOT NULL,
    id TEXT NOT NULL,
    item TEXT NOT NULL,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
