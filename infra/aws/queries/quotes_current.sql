-- quotes_current: one row for each symbol-minute, the first in the order of rows.
--
-- `quotes` is the table: in Athena the Glue table of that name; in DuckDB
--   CREATE VIEW quotes AS SELECT * FROM read_parquet('<lake>/quotes/*/*.parquet', hive_partitioning = true);
-- A filter on dt reads only the folders of those dates: dt is part of what the ranking is partitioned by.
SELECT symbol, minute, price, basis, source, traded_at, day_open, day_high, day_low, prev_close,
       observed_at, stored_at, revision, dt
FROM (
    SELECT *,
           row_number() OVER (
               PARTITION BY dt, symbol, minute
               ORDER BY revision DESC NULLS LAST,
                        CASE basis WHEN 'quote' THEN 0 WHEN 'close' THEN 1 WHEN 'open' THEN 2 ELSE 3 END ASC NULLS LAST,
                        -- The earliest sample; but of corrections the latest. The other key is null for every row.
                        CASE WHEN revision > 0 THEN NULL ELSE observed_at END ASC NULLS LAST,
                        CASE WHEN revision > 0 THEN observed_at ELSE NULL END DESC NULLS LAST,
                        traded_at DESC NULLS LAST,
                        source ASC NULLS LAST,
                        price ASC NULLS LAST,
                        stored_at ASC NULLS LAST,
                        day_open ASC NULLS LAST,
                        day_high ASC NULLS LAST,
                        day_low ASC NULLS LAST,
                        prev_close ASC NULLS LAST
           ) AS place
    FROM quotes
) AS ranked
WHERE place = 1
