import type { DuckDBBlobValue } from 'duckdb';
import type pg from 'pg';
import type { CompiledService, CompiledView, Row } from '../define/compiled-view.ts';
import { roleOf } from '../define/service-blocks.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { unpackRow } from '../labels/packed-row.ts';
import { versions } from '../postgres/view-versions.ts';
import { scanServedReads } from '../served/scan-served-reads.ts';
import { LoggedRead, type ServedRead } from '../served/served-read.ts';
import { ownToLog } from '../served/service-to-log.ts';
import { DECIDED_READS_TABLE } from './load-label-spine.ts';
import type { ReadContext } from './reading.ts';
import type { FoundReads, ReadsFrom, ServedLog } from './request-reading.ts';
import { poolOf } from './served-plan.ts';
import { ownReadsOf, readsOf } from './reads-of.ts';
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
      let byRequest: AskedByRequest = new Map();
      for await (const { decision, row } of decisions(context)) {
        const carried = carriedReads(decision, row, service, blocks);
        carried.forEach(({ served }) => found(served));
        const told = new Set(carried.map(({ block }) => block));
        if (isWhole(service, told)) continue;
        for (const id of row['request_ids'] as readonly string[])
          byRequest.set(id, [...(byRequest.get(id) ?? []), { decision, told }]);
        if (byRequest.size < REQUESTS_AT_ONCE) continue;
        await lookUp(context, await openLog(), byRequest, found, onPassed);
        byRequest = new Map();
      }
      if (byRequest.size > 0) await lookUp(context, await openLog(), byRequest, found, onPassed);
    },
  };
}

/** Request to the decisions that name it, and which blocks' reads these carry themselves. */
type AskedByRequest = Map<string, readonly { readonly decision: string; readonly told: ReadonlySet<string> }[]>;

/** Whether a decision carries all that the service gives: then its requests have nothing to tell. */
function isWhole(service: CompiledService, told: ReadonlySet<string>): boolean {
  return service.blocks.every(({ name }) => told.has(name)) && (ownToLog(service) === null || told.has(service.name));
}

async function* decisions({
  duckdb,
  signal,
}: ReadContext): AsyncGenerator<{ readonly decision: string; readonly row: Row }> {
  const sql = `SELECT r.decision_id, r.reads FROM ${DECIDED_READS_TABLE} r SEMI JOIN ${LABELS_TABLE} l ON l.row_number = r.row_number`;
  for await (const chunk of duckdb.chunks(sql, [], signal)) {
    for (const [decision, packed] of chunk.getRows())
      yield { decision: decision as string, row: unpackRow((packed as DuckDBBlobValue).bytes) };
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

/** The reads that a decision carries of the service, as the serving log would have them, each with its block's name. */
function carriedReads(
  decision: string,
  row: Row,
  service: CompiledService,
  blocks: ReadonlyMap<string, BlockReads>,
): { readonly block: string; readonly served: ServedRead }[] {
  const own = ownReadsOf(row, service.name).map((read) => ({
    block: service.name,
    served: servedBy(decision, read, service, undefined),
  }));
  const ofBlocks = [...blocks].flatMap(([name, block]) =>
    readsOf(row, service.name, name, block.view.name).map((read) => ({
      block: name,
      served: servedBy(decision, read, service, block),
    })),
  );
  return [...own, ...ofBlocks];
}

/** @param block undefined: it is of the service itself */
function servedBy(decision: string, read: Row, service: CompiledService, block: BlockReads | undefined): ServedRead {
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
  // A tag that is null is of a version from before there were tags: then its definition alone tells.
  const tags = Object.entries(JSON.parse(read['tags'] as string) as Readonly<Record<string, string | null>>);
  const then = Object.fromEntries(tags.filter(([, tag]) => tag !== null));
  const now = view.tags?.features ?? {};
  const other = Object.keys(then).filter((name) => now[name] !== undefined && now[name] !== then[name]);
  const isSame = Object.entries(then).every(([name, tag]) => now[name] === tag) && Object.keys(then).length > 0;
  const fingerprint = fingerprints.get(read['version'] as number) ?? (isSame ? view.fingerprint : 'unknown');
  return { fingerprint, otherFeatures: other.length === 0 ? undefined : new Set(other) };
}

async function lookUp(
  { options: { service }, signal }: ReadContext,
  log: ServedLog | null,
  byRequest: AskedByRequest,
  found: FoundReads,
  onPassed: (records: number, total: number) => void,
): Promise<void> {
  if (log === null) {
    const untold = [...byRequest].find(([, asked]) => asked.some(({ told }) => told.size === 0));
    if (untold === undefined) return;
    throw withoutLog(untold[0], untold[1].find(({ told }) => told.size === 0)!.decision);
  }
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
      for (const { decision, told } of byRequest.get(read.requestId) ?? [])
        if (!told.has(blockOf(read, service))) found(asOfDecision(read, decision));
}

/** The read under the id that its decision is found by. */
function asOfDecision(read: ServedRead, decision: string): ServedRead {
  return Object.create(read, { requestId: { value: decision, enumerable: true } }) as ServedRead;
}

/** Of which block a logged read is; of the service itself its name. */
function blockOf({ requestJson, role, view }: ServedRead, service: CompiledService): string {
  return requestJson === null ? (role ?? view) : service.name;
}

function withoutLog(request: string, decision: string): MillraceError {
  return new MillraceError(
    'serving-log-missing',
    `decision "${decision}" names requests and carries no reads (request "${request}"), and there is no serving log to find them in`,
    { remedy: 'Set MILLRACE_SERVED_TOPIC, or let decisions carry their reads: decide({ reads: [read], … }).' },
  );
}
