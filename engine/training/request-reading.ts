import { roleOf } from '../define/service-blocks.ts';
import type { Cut } from '../topic/cut.ts';
import type { LogReader } from '../topic/log-reader.ts';
import { emptyCounts } from '../admission/log-counts.ts';
import { scanServedReads } from '../served/scan-served-reads.ts';
import type { ServedRead } from '../served/served-read.ts';
import { ownToLog } from '../served/service-to-log.ts';
import type { BlockReading, ReadContext, Reading } from './reading.ts';
import { countLostReads, type LostReads } from './lost-reads.ts';
import { type MatchedBlock, matchReads } from './match-reads.ts';
import { derivedBlock } from './feature-columns.ts';
import { checkMatches } from './request-faults.ts';
import { LABELS_TABLE, placeOf, type SpinePlace } from './spine-labels.ts';
import { StagedReads } from './staged-reads.ts';
import { StagedServiceReads } from './staged-service-reads.ts';

/** Beyond this many distinct request ids, they are told apart in DuckDB, which spills, instead of in memory. */
const IDS_IN_MEMORY = 1_000_000;

/** The serving log, and how far it is read. */
export interface ServedLog {
  readonly reader: LogReader;
  readonly topic: string;
  readonly cut: Cut;
}

/** Takes a read that was found; of what is not asked for, nothing is kept. */
export type FoundReads = (read: ServedRead) => void;

/** Where what requests were served is read from. */
export interface ReadsFrom {
  /** As messages name it. */
  readonly name: string;
  /** Hands on every read there is, once. */
  read(found: FoundReads, onPassed: (records: number, total: number) => void): Promise<void>;
}

/** The reads that the serving log has of the rows' requests. */
export function loggedReads(context: ReadContext, { reader, topic, cut }: ServedLog): ReadsFrom {
  const { service } = context.options;
  return {
    name: `serving log "${topic}"`,
    async read(found, onPassed) {
      const scan = scanServedReads({
        reader,
        topic,
        views: new Set(service.blocks.map(({ view }) => view.name)),
        services: new Set(ownToLog(service) === null ? [] : [service.name]),
        requestIds: await distinctRequests(context),
        until: cut,
        signal: context.signal,
        onProgress: onPassed,
      });
      for await (const reads of scan) for (const read of reads) found(read);
    },
  };
}

/**
 * Gives every label row exactly what its request was served: the values' bits, the state's `seq` and the request time.
 * Views are matched by request id, and by entity where the spine has its join keys; a role takes the reads of that role alone.
 *
 * Throws `request-not-logged`, `request-ambiguous`, `served-by-other-definition`, `request-feature-not-served`, `served-read-mismatch`.
 */
export async function readRequests(
  context: ReadContext,
  from: ReadsFrom,
  /** The places that the labels have ids of. */
  keyed: ReadonlySet<SpinePlace>,
): Promise<Reading & { readonly own: BlockReading | null }> {
  const { options, duckdb, signal, progress } = context;
  const staged: StagedReads[] = [];
  const { service } = options;
  const logged = ownToLog(service);
  let own: StagedServiceReads | null = null;
  try {
    if (logged !== null) own = await StagedServiceReads.open(duckdb, derivedBlock(service), logged, context.places);
    for (const block of options.service.blocks) staged.push(await StagedReads.open(context, block));
    const byBlock = new Map(staged.map((reads) => [blockId(reads.block.view.name, roleOf(reads.block)), reads]));
    let seen = 0;
    let reported = 0;
    const take = (read: ServedRead): void => {
      signal.throwIfAborted();
      seen++;
      if (read.requestJson !== null) own?.add(read);
      // A role of that name in another service may go by other columns.
      else if (read.role === null || read.service === service.name)
        byBlock.get(blockId(read.view, read.role))?.add(read);
    };
    await from.read(take, (records, total) => {
      progress.sweep({
        rows: Math.floor((context.rows * records) / Math.max(1, total)),
        events: seen - reported,
        pass: 1,
        passes: 1,
        fraction: total === 0 ? 1 : records / total,
      });
      reported = seen;
    });
  } finally {
    for (const reads of staged) reads.close();
    own?.close();
  }
  progress.sweepDone();
  const matched: MatchedBlock[] = [];
  for (const reads of staged) {
    const place = placeOf(context.places, reads.block);
    const texts = keyed.has(place) ? [{ place, column: 'entity_text' }] : [];
    matched.push(await matchReads(duckdb, reads, texts, texts.length > 0, signal));
  }
  const isKeyed = context.places.every((place) => keyed.has(place));
  const ofService = own && (await matchReads(duckdb, own, own.textsOf(keyed), isKeyed, signal));
  checkMatches(ofService === null ? matched : [...matched, ofService], options.missing ?? 'error', from.name);
  const blocks: BlockReading[] = [];
  for (const found of matched) blocks.push(blockReading(found, await countLostReads(context, found.block.view, found)));
  // Of no commit: what the reads of its views are of, is counted with them.
  return { blocks, own: ofService && blockReading(ofService, null), sources: [] };
}

function blockId(view: string, role: string | null): string {
  return JSON.stringify([view, role]);
}

async function distinctRequests({ duckdb, signal }: ReadContext): Promise<ReadonlySet<string> | undefined> {
  const [counted] = await duckdb.query<{ n: bigint }>(`SELECT count(DISTINCT request_id) AS n FROM ${LABELS_TABLE}`);
  if (Number(counted?.n) > IDS_IN_MEMORY) return undefined;
  const ids = new Set<string>();
  for await (const chunk of duckdb.chunks(`SELECT DISTINCT request_id FROM ${LABELS_TABLE}`, [], signal)) {
    for (const [id] of chunk.getRows()) ids.add(id as string);
  }
  return ids;
}

function blockReading(
  { block, names, table, rowsNotLogged, shapes }: MatchedBlock,
  lost: LostReads | null,
): BlockReading {
  const definitions = new Map<string, { version: number; fingerprint: string; rows: number }>();
  for (const { shape, rows } of shapes) {
    const id = `${shape.version} ${shape.fingerprint}`;
    const known = definitions.get(id) ?? { version: shape.version, fingerprint: shape.fingerprint, rows: 0 };
    definitions.set(id, { ...known, rows: known.rows + rows });
  }
  const notServed = names.flatMap((feature, index) => {
    const count = (why: string): number =>
      shapes.reduce((sum, { shape, rows }) => sum + (shape.notServed[index] === why ? rows : 0), 0);
    const otherDefinition = count('other-definition');
    const notAsked = count('not-asked');
    return otherDefinition + notAsked === 0 ? [] : [{ feature, otherDefinition, notAsked }];
  });
  return {
    block,
    table,
    counts: emptyCounts(),
    rowsWithoutState: shapes.reduce((sum, { rowsNotFound }) => sum + rowsNotFound, 0),
    logged: {
      rowsNotLogged,
      ...lost,
      definitions: [...definitions.values()].sort((a, b) => a.version - b.version),
      notServed,
    },
  };
}
