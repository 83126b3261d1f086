PRAGMA application_id = 1835363940;
PRAGMA user_version = 1;
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
INSERT INTO messages (id, queue, body, visible_at, receives) VALUES (2, 'live', 'waiting', 1795185061250, 0);
INSERT INTO dead_letters (id, queue, body, died_at) VALUES (1, 'live', 'dead', 1795185061250);
INSERT INTO stream (only_one, id) VALUES (1, '1f00d5eed0000001');
INSERT INTO shards (shard, appended, arrived_at, checkpoint) VALUES (0, 1, 1795185061250, 0);
INSERT INTO shards (shard, appended, arrived_at, checkpoint) VALUES (1, 2, 1795185061250, 1);
INSERT INTO records (shard, sequence, arrived_at, partition_key, data) VALUES (1, 1, 1795185061250, 'AAPL', X'7B2276223A317D204141504C0A');
INSERT INTO records (shard, sequence, arrived_at, partition_key, data) VALUES (0, 1, 1795185061250, 'SPY', X'7B2276223A317D205350590A');
INSERT INTO records (shard, sequence, arrived_at, partition_key, data) VALUES (1, 2, 1795185061250, 'AAPL', X'7B2276223A317D204141504C0A');
INSERT INTO budget (provider, minute, live, leased, share) VALUES ('finnhub', 29919751, 8, 5, 40);
INSERT INTO expectations (minute, chunk, item) VALUES (29919751, 0, '{"minute":"2026-11-20T14:31:00Z","symbols":["AAPL","BRK.B"],"requested_at":"2026-11-20T14:30:12.500Z"}');
INSERT INTO gaps (day, symbol, version, pending, item) VALUES ('2026-11-20', 'BRK.B', 1, 1, '{"v":1,"on":"2026-11-20","symbol":"BRK.B","open":{"waiting":{"2026-11-20T14:00:00Z":"0000000c0000000"},"market_absent":{"2026-11-20T14:00:00Z":"800000000000000","2026-11-20T15:00:00Z":"000000000000001"}},"suspect":{"2026-11-20T14:00:00Z":"000000800000000"},"upheld":{"quiet":{"2026-11-20T14:00:00Z":"000006000000000"}},"unrecoverable":{"no_data":{"2026-11-20T16:00:00Z":"000000000001c00"}},"attempts":2,"first_seen_at":"2026-11-20T14:36:00.000Z","next_attempt_at":"2026-11-20T15:00:00.000Z","replayed_at":"2026-11-20T14:40:00.123Z","reread_at":"2026-12-20T14:40:00.000Z","reads":[{"source":"alpaca:sip","read_at":"2026-11-20T14:39:59.999Z","complete_to":"2026-11-20T14:22:00Z","candles":{"2026-11-20T14:00:00Z":"000030000000000"}}]}');
INSERT INTO sources (source, endpoint, item) VALUES ('finnhub', 'candle', '{"health":"not_entitled","since":"2026-11-20T14:36:00.000Z","key_version":"3","plan":"All-in-One","benched":["BRK.B"],"served":["AAPL"],"limit":60}');
INSERT INTO landed (shard, through) VALUES ('0', 1795185060000);
INSERT INTO runs (at, id, item) VALUES (1795185600000, 'near', '{"at":"2026-11-20T14:40:00.000Z","id":"near","reconciled_through":"2026-11-20T14:35:00.000Z","report":{"open_gaps":4,"planned":["BRK.B"]}}');
