-- coverage: what the footers say of a range of minutes, from the columns: for each symbol and UTC hour the minutes with a row
-- of each basis, with a row that was suspect, with a corrected row. Bit 0 of a mask is the hour's first minute.
--
-- Its four parameters: the UTC dates of the range's first and last minute, as text ('2026-11-20'); the range's start and its
-- end, which is not in it, in epoch seconds. `quotes` is the table, as in quotes_current.sql; only these dates are read.
-- `hour` is the epoch second at which the hour begins.
--
-- Everything is reckoned in seconds since the epoch, so that the zone of the session has no part in it: in DuckDB, where the
-- columns carry their zone, whatever it is; in Athena, where they do not, since every session there is in UTC.
-- A sum of distinct powers of two is their bitwise or, in Athena and DuckDB alike. Each power is exact in a double; their sum
-- would not be (60 bits into 53), so it is one of integers.
SELECT symbol, hour,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'quote' THEN bit END), 0) AS bigint) AS quote,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'close' THEN bit END), 0) AS bigint) AS close,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'open' THEN bit END), 0) AS bigint) AS open,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'previous_close' THEN bit END), 0) AS bigint) AS previous_close,
       -- A quote more than three minutes older than its minute.
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'quote' AND traded_ms < minute_s * 1000 - 180000 THEN bit END), 0)
            AS bigint) AS suspect,
       CAST(coalesce(sum(DISTINCT CASE WHEN revision > 0 THEN bit END), 0) AS bigint) AS revised
FROM (
    SELECT symbol, basis, revision, traded_ms, minute_s,
           minute_s - mod(minute_s, 3600) AS hour,
           CAST(power(2, CAST(mod(minute_s, 3600) AS double) / 60) AS bigint) AS bit
    FROM (
        SELECT symbol, basis, revision,
               date_diff('second', CAST('1970-01-01 00:00:00 UTC' AS timestamp with time zone),
                         CAST(minute AS timestamp with time zone)) AS minute_s,
               date_diff('millisecond', CAST('1970-01-01 00:00:00 UTC' AS timestamp with time zone),
                         CAST(traded_at AS timestamp with time zone)) AS traded_ms
        FROM quotes
        WHERE dt BETWEEN CAST(? AS date) AND CAST(? AS date)
    ) AS timed
    WHERE minute_s >= ? AND minute_s < ?
) AS placed
GROUP BY symbol, hour
