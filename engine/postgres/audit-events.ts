import { sql } from 'kysely';
import { formatDateTime } from '../values/iso-time.ts';
import { catalog, run } from './catalog.ts';
import type { EventDetails } from './event-details.ts';
import type { Queryable } from './queryable.ts';

const EVENTS = 'audit_event';
/** What input and result may take each, as JSON; of more only the size is kept. */
const MOST_BYTES = 4_096;
const MOST_ACTOR_CHARS = 200;

/** What somebody did that changed something. */
export interface NewEvent {
  readonly actor: string;
  /** As the command is called: `promote`, `token create`. */
  readonly action: string;
  /** What it was done to: a view, a source, a token; null: the installation. */
  readonly subject: string | null;
  readonly input: EventDetails;
  readonly result: EventDetails;
  /** UTC epoch µs; left out: now, by the database's clock. */
  readonly atUs?: number | undefined;
  /** Tells a repetition: said twice it is noted once. */
  readonly said?: string | undefined;
}

export interface AuditEvent extends Omit<NewEvent, 'said' | 'atUs'> {
  readonly id: number;
  /** UTC epoch µs. */
  readonly atUs: number;
}

export interface EventFilter {
  readonly subject?: string | undefined;
  /** Inclusive, UTC epoch µs. */
  readonly sinceUs?: number | undefined;
  readonly limit: number;
}

/**
 * Notes what was done; inside the transaction of a change it stands or falls with it.
 *
 * @example
 * await appendEvent(client, { actor: 'ana@laptop', action: 'token revoke', subject: 'checkout', input: {}, result: { revoked: ['a1b2'] } });
 */
export async function appendEvent(on: Queryable, event: NewEvent): Promise<void> {
  await run(
    on,
    catalog
      .insertInto(EVENTS)
      .values({
        said: event.said ?? null,
        at: event.atUs === undefined ? undefined : formatDateTime(event.atUs),
        actor: event.actor.slice(0, MOST_ACTOR_CHARS),
        action: event.action,
        subject: event.subject,
        input: boundedJson(event.input),
        result: boundedJson(event.result),
      })
      .onConflict((conflict) => conflict.column('said').doNothing()),
  );
}

function boundedJson(value: EventDetails): string {
  // Postgres takes no U+0000 in jsonb.
  const text = JSON.stringify(value).replaceAll(String.raw`\u0000`, String.raw`\ufffd`);
  const bytes = Buffer.byteLength(text);
  return bytes <= MOST_BYTES ? text : JSON.stringify({ bytes, leftOut: true });
}

/** The newest events first. */
export async function auditEvents(on: Queryable, { subject, sinceUs, limit }: EventFilter): Promise<AuditEvent[]> {
  let query = catalog.selectFrom(EVENTS).selectAll().orderBy('at', 'desc').orderBy('id', 'desc').limit(limit);
  if (subject !== undefined) query = query.where('subject', '=', subject);
  if (sinceUs !== undefined) query = query.where('at', '>=', sql<number>`${formatDateTime(sinceUs)}::timestamptz`);
  const rows = await run(on, query);
  return rows.map(({ id, at, actor, action, subject: of, input, result }) => ({
    id,
    atUs: at,
    actor,
    action,
    subject: of,
    input,
    result,
  }));
}
