import { MillraceError } from '../errors/millrace-error.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { runSql } from '../postgres/run-sql.ts';
import { CATALOG } from '../postgres/schemas.ts';
import { sqlText } from '../postgres/sql.ts';
import { type KnownAlert, readAlerts } from './alert-store.ts';
import type { Silence } from './silence.ts';

const MOST_CHARS = 2_000;
/** A silence is for what is known and will be over. */
const LONGEST_MS = 90 * 86_400_000;

/** Who says something of an alert, and why. */
export interface Said {
  readonly who: string;
  readonly reason: string;
}

/** An alert by its id. Throws MillraceError `unknown-alert`. */
export async function alertNamed(on: Queryable, id: string): Promise<KnownAlert> {
  const [alert] = await readAlerts(on, { id });
  if (alert !== undefined) return alert;
  throw new MillraceError('unknown-alert', `there is no alert "${id}"`, {
    remedy: 'List the open and recent ones: millrace monitor',
    httpStatus: 404,
  });
}

/**
 * Says that somebody looks after an open alert. Said again it counts anew. Throws MillraceError `unknown-alert`, `alert-closed`, `invalid-alert-reason`.
 *
 * @example
 * await acknowledgeAlert(pool, 'al_3f…', { who: 'ana', reason: 'asked the airport' });
 */
export async function acknowledgeAlert(on: Queryable, id: string, said: Said): Promise<KnownAlert> {
  const { who, reason } = checkSaid(said);
  const alert = await alertNamed(on, id);
  if (alert.state === 'closed')
    throw new MillraceError('alert-closed', `alert "${id}" is closed: there is nothing to look after`, {
      remedy: 'None is needed. Where it opens again it can be acknowledged.',
      httpStatus: 409,
    });
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.alert_acknowledgement (alert, who, reason) VALUES (${id}, ${who}, ${reason})
    ON CONFLICT (alert) DO UPDATE SET who = excluded.who, reason = excluded.reason, at = clock_timestamp()`,
  );
  return await alertNamed(on, id);
}

/** What is to be silenced: all parts that are given have to be those of an alert's root. */
export type SilenceScope = Pick<Silence, 'object' | 'field' | 'segment' | 'kind'>;

/**
 * Marks alerts as silenced wherever they are told and shown, and keeps them out of the metric that wakes people, until a time. Throws MillraceError `invalid-silence`,
 * `invalid-alert-reason`.
 *
 * @param silence.id given by the caller: said twice it is one
 * @param nowMs by the wall, UTC epoch ms
 */
export async function addSilence(
  on: Queryable,
  silence: SilenceScope & Said & { readonly id: string; readonly untilMs: number },
  nowMs: number,
): Promise<void> {
  const { who, reason } = checkSaid(silence);
  const { id, object, field, segment, kind, untilMs } = silence;
  if (object === null && field === null && segment === null && kind === null)
    throw invalidSilence('it names neither object, field, segment nor kind: everything would be silent');
  if (!(untilMs > nowMs)) throw invalidSilence('it ends before it begins');
  if (untilMs - nowMs > LONGEST_MS) throw invalidSilence('it is for more than 90 days');
  await runSql(
    on,
    sqlText`
    INSERT INTO ${CATALOG}.alert_silence (id, object, field, segment_name, segment_value, kind, until_at, who, reason)
    VALUES (${id}, ${object}, ${field}, ${segment?.name ?? null}, ${segment?.value ?? null}, ${kind},
      to_timestamp(${untilMs}::double precision / 1000), ${who}, ${reason})
    ON CONFLICT (id) DO NOTHING`,
  );
}

/** What silences exactly this alert's root and kind. */
export function scopeOfAlert({ root, kind }: KnownAlert): SilenceScope {
  return { object: root.object, field: root.field, segment: root.segment, kind };
}

/** Ends silences before their time; those of that id, how many there were. */
export async function endSilence(on: Queryable, id: string): Promise<number> {
  const { rowCount } = await runSql(
    on,
    sqlText`UPDATE ${CATALOG}.alert_silence SET until_at = clock_timestamp() WHERE id = ${id} AND until_at > clock_timestamp()`,
  );
  return rowCount ?? 0;
}

function checkSaid({ who, reason }: Said): Said {
  const said = reason.trim();
  if (said === '' || said.length > MOST_CHARS || said.includes('\0'))
    throw new MillraceError(
      'invalid-alert-reason',
      `a reason has to have 1 to ${MOST_CHARS} characters, received ${said.length}`,
      { remedy: 'Say why, so that whoever comes next knows.' },
    );
  return { who: who.slice(0, 200), reason: said };
}

function invalidSilence(why: string): MillraceError {
  return new MillraceError('invalid-silence', `that is no silence: ${why}`, {
    remedy: 'Name what is to be silent, and until when within 90 days.',
  });
}
