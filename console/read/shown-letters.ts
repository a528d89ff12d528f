import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { shownPayload, shownReasons } from '../../engine/define/sensitive-view.ts';
import { reasonText } from '../../engine/monitors/reason-text.ts';
import { deadLetters } from '../../engine/postgres/dead-letters.ts';
import { sqlState } from '../../engine/postgres/postgres-error.ts';
import type { Queryable } from '../../engine/postgres/queryable.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { shortened } from '../markup/shown.ts';

/** A dead letter as it may be shown: sensitive values hashed, and all where nobody knows which are. */
export interface ShownLetter {
  readonly version: number;
  /** Topic, partition and offset; or file and row. */
  readonly where: string;
  readonly reasons: readonly string[];
  readonly payload: string | null;
  readonly payloadBytes: number | null;
  readonly atUs: number;
}

const PAYLOAD_BYTES = 2_000;
const MOST_REASONS = 5;
const REASON_CHARS = 300;
const INSUFFICIENT_PRIVILEGE = '42501';

/** The newest dead letters of a view; null where the server's role may not read them. */
export async function shownLetters(
  on: Queryable,
  view: string,
  sources: ReadonlyMap<string, CompiledSource>,
  limit: number,
): Promise<readonly ShownLetter[] | null> {
  try {
    return (await deadLetters(on, view, limit, PAYLOAD_BYTES)).map((letter) => {
      const source = sources.get(letter.source) ?? null;
      return {
        version: letter.version,
        where: `${letter.file ?? letter.topic} ${letter.partition}/${letter.offset}`,
        reasons: shownReasons(letter.reasons, source)
          .slice(0, MOST_REASONS)
          .map((reason) => shortened(reason, REASON_CHARS)),
        payload: payloadOf(letter.payload, source),
        payloadBytes: letter.payloadBytes,
        atUs: letter.createdAtUs,
      };
    });
  } catch (error) {
    if (sqlState(error) === INSUFFICIENT_PRIVILEGE) return null;
    throw error;
  }
}

function payloadOf(payload: Uint8Array | null, source: CompiledSource | null): string | null {
  if (payload === null) return null;
  const text = Buffer.from(payload).toString('utf8');
  const isShown = source !== null && (source.sensitive ?? []).length === 0;
  return isShown ? text : shownPayload(text, source);
}

/** How many dead letters of a view there are by reason, most first, of the newest ones; null where the server's role may not read them. */
export async function letterReasons(
  on: Queryable,
  view: string,
  sources: ReadonlyMap<string, CompiledSource>,
  limit: number,
): Promise<{
  readonly letters: number;
  readonly reasons: readonly (readonly [reason: string, letters: number])[];
} | null> {
  try {
    const { rows } = await runSql<{ source: string; reasons: readonly string[] }>(
      on,
      sqlText`SELECT source, reasons FROM ${CATALOG}.dead_letter WHERE view = ${view} ORDER BY created_at DESC, partition, "offset" DESC LIMIT ${limit}`,
    );
    const counts = new Map<string, number>();
    for (const { source, reasons } of rows)
      for (const reason of new Set(shownReasons(reasons, sources.get(source) ?? null).map(reasonText)))
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
    return { letters: rows.length, reasons: [...counts].toSorted(([, a], [, b]) => b - a) };
  } catch (error) {
    if (sqlState(error) === INSUFFICIENT_PRIVILEGE) return null;
    throw error;
  }
}
