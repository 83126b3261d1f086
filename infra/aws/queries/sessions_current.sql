-- sessions_current: the newest status of each symbol-session. Is it whole, may a job start? Where `final` is true.
--
-- `sessions` is the table: in Athena the Glue table of that name; in DuckDB
--   CREATE VIEW sessions AS SELECT * FROM read_parquet('<lake>/sessions/*/*.parquet', hive_partitioning = true);
-- Of two statuses of one instant the cautious one counts; after that, the order is that of the columns.
SELECT session_on, symbol, open, close, expected,
       present_quote, present_close, present_open, present_previous_close, longest_quiet_run, gaps,
       unrecoverable_no_data, unrecoverable_price_break, unrecoverable_unknown_symbol,
       oldest_price_age_s, outside, final, as_of, dt
FROM (
    SELECT *,
           row_number() OVER (
               PARTITION BY dt, symbol
               ORDER BY as_of DESC NULLS LAST,
                        final ASC NULLS LAST,
                        gaps DESC NULLS LAST,
                        open ASC NULLS LAST,
                        close ASC NULLS LAST,
                        expected ASC NULLS LAST,
                        present_quote ASC NULLS LAST,
                        present_close ASC NULLS LAST,
                        present_open ASC NULLS LAST,
                        present_previous_close ASC NULLS LAST,
                        longest_quiet_run ASC NULLS LAST,
                        unrecoverable_no_data ASC NULLS LAST,
                        unrecoverable_price_break ASC NULLS LAST,
                        unrecoverable_unknown_symbol ASC NULLS LAST,
                        oldest_price_age_s ASC NULLS LAST,
                        outside ASC NULLS LAST
           ) AS place
    FROM sessions
) AS ranked
WHERE place = 1
