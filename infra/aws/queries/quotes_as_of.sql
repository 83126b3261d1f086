-- quotes_as_of: quotes_current as it was at an instant, by when the stream had accepted each row.
--
-- Its one parameter is the instant, as text with its zone: '2026-11-20 15:00:00.000 UTC'.
-- `quotes` is the table, as in quotes_current.sql. Rows that came later are left out before the ranking, not after it.
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
    WHERE stored_at <= CAST(? AS timestamp with time zone)
) AS ranked
WHERE place = 1
