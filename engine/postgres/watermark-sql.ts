/**
 * `viewWatermark` over the rows `o` of `stream_offset` of one version `v`, as an aggregate: to be grouped by the version. What lags and has seen no
 * event stands where history ended.
 */
export const WATERMARK_SQL =
  'coalesce(CASE WHEN bool_or(o.next_offset < o.end_offset) ' +
  'THEN min(coalesce(o.watermark_us, v.history_watermark_us)) FILTER (WHERE o.next_offset < o.end_offset) ' +
  'ELSE max(coalesce(o.watermark_us, v.history_watermark_us)) END, v.history_watermark_us)';
