-- presence_by_hour: what the footers say, from the columns: for each symbol and UTC hour the minutes with any row, with a
-- row of each basis, with a row that was suspect, with a corrected row. Bit 0 of a mask is the hour's first minute.
--
-- `quotes` is the table, as in quotes_current.sql. A sum of distinct powers of two is their bitwise or, in Athena and
-- DuckDB alike. Each power is exact in a double; their sum would not be (60 bits into 53), so it is one of integers.
-- Hours and minutes are taken at UTC, whatever the zone of the session.
SELECT dt, symbol, hour,
       CAST(sum(DISTINCT bit) AS bigint) AS present,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'quote' THEN bit END), 0) AS bigint) AS quote,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'close' THEN bit END), 0) AS bigint) AS close,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'open' THEN bit END), 0) AS bigint) AS open,
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'previous_close' THEN bit END), 0) AS bigint) AS previous_close,
       -- A quote more than three minutes older than its minute.
       CAST(coalesce(sum(DISTINCT CASE WHEN basis = 'quote' AND traded_at < minute - INTERVAL '180' SECOND THEN bit END), 0)
            AS bigint) AS suspect,
       CAST(coalesce(sum(DISTINCT CASE WHEN revision > 0 THEN bit END), 0) AS bigint) AS revised
FROM (
    SELECT dt, symbol, minute, basis, traded_at, revision,
           CAST(date_trunc('hour', CAST(minute AS timestamp with time zone) AT TIME ZONE 'UTC') AS timestamp) AS hour,
           CAST(power(2, extract(MINUTE FROM CAST(minute AS timestamp with time zone) AT TIME ZONE 'UTC')) AS bigint) AS bit
    FROM quotes
) AS placed
GROUP BY dt, symbol, hour
