import type { MonitorSubject } from '../monitors/monitor-bucket.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import type { Alert } from './alert.ts';

/** What is not to be told of, until when, who said so and why. A part that is null is any. */
export interface Silence {
  readonly id: string;
  readonly object: string | null;
  readonly field: string | null;
  readonly segment: MonitorSubject['segment'];
  readonly kind: string | null;
  /** UTC epoch ms, by the wall. */
  readonly untilMs: number;
  readonly who: string;
  readonly reason: string;
  readonly atMs: number;
}

/** Whether an alert is silenced. A silence is a person's: it counts by the wall, whatever time monitors have. */
export function isSilenced({ root, kind }: Alert, silence: Silence, wallMs: number): boolean {
  const { object, field, segment } = silence;
  return (
    wallMs < silence.untilMs &&
    (object === null || object === root.object) &&
    (field === null || field === root.field) &&
    (segment === null || (segment.name === root.segment?.name && segment.value === root.segment.value)) &&
    (silence.kind === null || silence.kind === kind)
  );
}

/** Silences that have not expired, newest first. */
export async function readSilences(on: Queryable, wallMs: number): Promise<Silence[]> {
  const { rows } = await runSql<{
    id: string;
    object: string | null;
    field: string | null;
    segment_name: string | null;
    segment_value: string | null;
    kind: string | null;
    until_ms: number;
    who: string;
    reason: string;
    at_ms: number;
  }>(
    on,
    sqlText`
    SELECT id, object, field, segment_name, segment_value, kind, (extract(epoch FROM until_at) * 1000)::bigint AS until_ms, who, reason,
      (extract(epoch FROM at) * 1000)::bigint AS at_ms
    FROM ${CATALOG}.alert_silence WHERE until_at > to_timestamp(${wallMs}::double precision / 1000) ORDER BY at DESC, id`,
  );
  return rows.map(({ segment_name: name, segment_value: value, until_ms: untilMs, at_ms: atMs, ...row }) => ({
    ...row,
    segment: name === null || value === null ? null : { name, value },
    untilMs,
    atMs,
  }));
}
