import { readKeyText } from '../../engine/served/sampled.ts';
import { keyText } from '../../engine/define/key-text.ts';
import { isMillraceError } from '../../engine/errors/millrace-error.ts';
import type { LogReader, RawRecord } from '../../engine/topic/log-reader.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';

/** Where what was served and decided is looked for. */
export interface ConsoleLog {
  readonly reader: LogReader;
  readonly servedTopic: string;
}

/** A read of an entity, as the serving log has it. */
export interface EntityRequest {
  readonly requestId: string;
  readonly service: string | null;
  readonly servedAt: string;
  readonly asOf: string;
  readonly version: number;
  readonly found: boolean;
  /** JSON texts, as they were logged. */
  readonly values: string;
  readonly errors: string | null;
}

/** A decision that was made by one of the reads. */
export interface EntityDecision {
  readonly decisionId: string;
  readonly decidedAt: string;
  readonly model: string;
  readonly action: string;
  readonly score: string;
  readonly requestId: string;
}

/** What was found, and whether all that was to be looked through was. */
export interface Found<Row> {
  readonly rows: readonly Row[];
  readonly isWhole: boolean;
}

const DAY_US = 86_400_000_000;
/** Of each partition the newest so many records are looked through, of the last 24 hours, and no longer than this. */
export const MOST_RECORDS = 2_000;
const MOST_PARTITIONS = 64;
const MOST_ROWS = 100;
const WITHIN_MS = 3_000;

/** The logged reads of an entity of the last 24 hours, newest first, at most 100. */
export async function entityRequests(
  { reader, servedTopic }: ConsoleLog,
  view: string,
  key: readonly ScalarValue[],
  nowUs: number,
): Promise<Found<EntityRequest>> {
  const wanted = Buffer.from(readKeyText(view, keyText(key)));
  const rows: EntityRequest[] = [];
  const isWhole = await newestRecords(reader, servedTopic, nowUs - DAY_US, (record) => {
    if (record.key === null || !wanted.equals(record.key)) return;
    const read = objectOf(record);
    if (read === null) return;
    rows.push({
      requestId: textOf(read['request_id']),
      service: read['service'] === null ? null : textOf(read['service']),
      servedAt: textOf(read['served_at']),
      asOf: textOf(read['as_of']),
      version: Number(read['version']),
      found: read['found'] === true,
      values: textOf(read['values']),
      errors: read['errors'] === null ? null : textOf(read['errors']),
    });
  });
  return { rows: rows.toSorted((a, b) => (a.servedAt < b.servedAt ? 1 : -1)).slice(0, MOST_ROWS), isWhole };
}

/** The decisions on these topics of the last 24 hours that name one of the requests, newest first, at most 100. */
export async function requestDecisions(
  reader: LogReader,
  topics: readonly string[],
  requestIds: ReadonlySet<string>,
  nowUs: number,
): Promise<Found<EntityDecision>> {
  const rows: EntityDecision[] = [];
  let isWhole = true;
  for (const topic of topics) {
    const isRead = await newestRecords(reader, topic, nowUs - DAY_US, (record) => {
      const decision = objectOf(record);
      const requestId = decision === null ? '' : textOf(decision['request_id']);
      if (decision === null || !requestIds.has(requestId)) return;
      rows.push({
        decisionId: textOf(decision['decision_id']),
        decidedAt: textOf(decision['decided_at']),
        model: textOf(decision['model']),
        action: textOf(decision['action']),
        score: textOf(decision['score']),
        requestId,
      });
    });
    isWhole &&= isRead;
  }
  return { rows: rows.toSorted((a, b) => (a.decidedAt < b.decidedAt ? 1 : -1)).slice(0, MOST_ROWS), isWhole };
}

/** Gives the newest records of a topic; false where there were more, or time was over. A topic that is not there has none. */
async function newestRecords(
  reader: LogReader,
  topic: string,
  sinceUs: number,
  take: (record: RawRecord) => void,
): Promise<boolean> {
  const signal = AbortSignal.timeout(WITHIN_MS);
  try {
    const { partitions } = await reader.bounds(topic);
    const looked = partitions.slice(0, MOST_PARTITIONS).filter(({ lowOffset, endOffset }) => endOffset > lowOffset);
    if (looked.length === 0) return true;
    const positions = new Map(
      looked.map(({ partition, lowOffset, endOffset }) => [partition, Math.max(lowOffset, endOffset - MOST_RECORDS)]),
    );
    const ends = new Map(looked.map(({ partition, endOffset }) => [partition, endOffset]));
    for await (const { records } of reader.read({ topic, positions, ends, signal }))
      for (const record of records) if (record.timestampUs >= sinceUs) take(record);
    const isCut = looked.some(({ lowOffset, endOffset }) => endOffset - lowOffset > MOST_RECORDS);
    return !signal.aborted && !isCut && looked.length <= MOST_PARTITIONS;
  } catch (error) {
    if (isMillraceError(error) && error.code === 'topic-not-found') return true;
    throw error;
  }
}

function objectOf({ value }: RawRecord): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = value === null ? null : JSON.parse(Buffer.from(value).toString('utf8'));
    return typeof parsed === 'object' && parsed !== null ? (parsed as Readonly<Record<string, unknown>>) : null;
  } catch {
    // What is no JSON is a dead letter of those who read the topic by its contract.
    return null;
  }
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
