-- restatement: periods that were over and have another value now, with words in place of numbers; for nhjcctl, reports and
-- whoever asks by SQL. What the reasons mean is in sql/README.md.
CREATE OR REPLACE VIEW bv_restatement AS
SELECT r.unit_id, r.slot, r.id, u.code AS enterprise_code, i.data_code, (ARRAY['day', 'month', 'year'])[r.granularity] AS granularity,
       r.ts AS stat_date, r.restated_at,
       CASE WHEN r.reason = '' AND r.upload_id IS NOT NULL THEN 'correction' ELSE r.reason END AS reason, -- older rows know no other
       r.upload_id, r.old_value, r.new_value, r.old_n AS old_count, r.new_n AS new_count,
       public.ratio6(r.old_tce, 1) AS old_tce, public.ratio6(r.new_tce, 1) AS new_tce,
       public.ratio6(r.old_co2, 1) AS old_co2, public.ratio6(r.new_co2, 1) AS new_co2
FROM public.restatement r JOIN public.unit u ON u.id = r.unit_id
JOIN public.collect_item i ON i.unit_id = r.unit_id AND i.slot = r.slot;
