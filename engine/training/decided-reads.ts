import type { DuckDBBlobValue } from 'duckdb';
import type pg from 'pg';
import type { CompiledService, CompiledView, Row } from '../define/compiled-view.ts';
import { roleOf } from '../define/service-blocks.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { unpackRow } from '../labels/packed-row.ts';
import { versions } from '../postgres/view-versions.ts';
import { scanServedReads } from '../served/scan-served-reads.ts';
import { LoggedRead, type ServedRead } from '../served/served-read.ts';
import { DECIDED_READS_TABLE } from './load-label-spine.ts';
import type { ReadContext } from './reading.ts';
import type { FoundReads, ReadsFrom, ServedLog } from './request-reading.ts';
import { poolOf } from './served-plan.ts';
import { LABELS_TABLE } from './spine-labels.ts';

/** Decisions by request ids alone that are looked for in one reading of the serving log. */
const REQUESTS_AT_ONCE = 500_000;

/** Whose definition served what a decision says of a block. */
interface BlockReads {
  readonly view: CompiledView;
  readonly role: string | null;
  /** Version to fingerprint. */
  readonly fingerprints: ReadonlyMap<number, string>;
}

/**
 * What decisions were made of: the reads they carry, as they were served, and of those that name requests alone what the serving log has of these. A read is
 * found by its decision's id.
 *
 * @param openLog asked where a decision names requests alone, once or more
 *
 * Throws (while reading) `serving-log-missing` where there is none to look requests up in.
 */
export function decidedReads(context: ReadContext, openLog: () => Promise<ServedLog | null>): ReadsFrom {
  const { service } = context.options;
  return {
    name: 'the reads of the decisions',
    async read(found: FoundReads, onPassed) {
      const blocks = await blockReads(service, poolOf(context));
      let byRequest = new Map<string, string[]>();
      for await (const { decision, reads, requestIds } of decisions(context)) {
        let isOwn = false;
        for (const read of reads) {
          const served = servedBy(decision, read, service, blocks);
          if (served === null) continue;
          isOwn = true;
          found(served);
        }
        if (isOwn) continue;
        for (const id of requestIds) byRequest.set(id, [...(byRequest.get(id) ?? []), decision]);
        if (byRequest.size < REQUESTS_AT_ONCE) continue;
        await lookUp(context, await openLog(), byRequest, found, onPassed);
        byRequest = new Map();
      }
      if (byRequest.size > 0) await lookUp(context, await openLog(), byRequest, found, onPassed);
    },
  };
}

async function* decisions({
  duckdb,
  signal,
}: ReadContext): AsyncGenerator<{ decision: string; reads: readonly Row[]; requestIds: readonly string[] }> {
  const sql = `SELECT r.decision_id, r.reads FROM ${DECIDED_READS_TABLE} r SEMI JOIN ${LABELS_TABLE} l ON l.row_number = r.row_number`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    for (const [decision, packed] of chunk.getRows()) {
      const { reads, request_ids: requestIds } = unpackRow((packed as DuckDBBlobValue).bytes);
      yield {
        decision: decision as string,
        reads: reads as readonly Row[],
        requestIds: requestIds as readonly string[],
      };
    }
  }
}

async function blockReads(service: CompiledService, pool: pg.Pool): Promise<ReadonlyMap<string, BlockReads>> {
  const found = new Map<string, BlockReads>();
  for (const block of service.blocks) {
    const { view } = block;
    const known = (await versions(pool, view.name)).map(({ version, fingerprint }) => [version, fingerprint] as const);
    found.set(block.name, { view, role: roleOf(block), fingerprints: new Map(known) });
  }
  return found;
}

/** A read that a decision carries, as the serving log would have it; null: of something else. */
function servedBy(
  decision: string,
  read: Row,
  service: CompiledService,
  blocks: ReadonlyMap<string, BlockReads>,
): ServedRead | null {
  const isOwn = (read['request'] ?? null) !== null;
  const block = isOwn ? undefined : blocks.get(read['block'] as string);
  if (isOwn ? read['block'] !== service.name : block === undefined || block.view.name !== read['view']) return null;
  const { fingerprint, otherFeatures } =
    block === undefined ? { fingerprint: '', otherFeatures: undefined } : definitionOf(read, block);
  return Object.assign(
    new LoggedRead({
      ...read,
      read_id: `${decision} ${String(read['block'])}`,
      request_id: decision,
      service: service.name,
      role: block?.role ?? null,
      fingerprint,
      entity: read['keys'],
      served_at: read['as_of'],
      found: (read['seq'] ?? null) !== null,
      ahead: false,
      seq: read['seq'] ?? null,
    }),
    { otherFeatures },
  );
}

/** By which definition a read was served, and which of its features mean something else by now: their tags tell. */
function definitionOf(
  read: Row,
  { view, fingerprints }: BlockReads,
): { readonly fingerprint: string; readonly otherFeatures: ReadonlySet<string> | undefined } {
  const then = JSON.parse(read['tags'] as string) as Readonly<Record<string, string>>;
  const now = view.tags?.features ?? {};
  const other = Object.keys(then).filter((name) => now[name] !== undefined && now[name] !== then[name]);
  const isSame = Object.entries(then).every(([name, tag]) => now[name] === tag) && Object.keys(then).length > 0;
  const fingerprint = fingerprints.get(read['version'] as number) ?? (isSame ? view.fingerprint : 'unknown');
  return { fingerprint, otherFeatures: other.length === 0 ? undefined : new Set(other) };
}

async function lookUp(
  { options: { service }, signal }: ReadContext,
  log: ServedLog | null,
  byRequest: ReadonlyMap<string, readonly string[]>,
  found: FoundReads,
  onPassed: (records: number, total: number) => void,
): Promise<void> {
  if (log === null) throw withoutLog(byRequest);
  const scan = scanServedReads({
    reader: log.reader,
    topic: log.topic,
    views: new Set(service.blocks.map(({ view }) => view.name)),
    services: new Set([service.name]),
    requestIds: new Set(byRequest.keys()),
    until: log.cut,
    signal,
    onProgress: onPassed,
  });
  for await (const reads of scan)
    for (const read of reads)
      for (const decision of byRequest.get(read.requestId) ?? []) found(asOfDecision(read, decision));
}

/** The read under the id that its decision is found by. */
function asOfDecision(read: ServedRead, decision: string): ServedRead {
  return Object.create(read, { requestId: { value: decision, enumerable: true } }) as ServedRead;
}

function withoutLog(byRequest: ReadonlyMap<string, readonly string[]>): MillraceError {
  const [first] = byRequest.entries();
  return new MillraceError(
    'serving-log-missing',
    `decision "${first?.[1][0]}" names requests and carries no reads (request "${first?.[0]}"), and there is no serving log to find them in`,
    { remedy: 'Set MILLRACE_SERVED_TOPIC, or let decisions carry their reads: decide({ reads: [read], … }).' },
  );
}
