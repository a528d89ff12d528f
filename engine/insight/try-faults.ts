import type { CompiledService } from '../define/compiled-view.ts';
import { emptyPrepared } from '../define/empty-prepared.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import { scanLog } from '../log/scan-log.ts';
import { indexOf, type ReadContext } from '../training/reading.ts';
import type { ViewsLog } from '../training/view-logs.ts';
import { formatDateTime } from '../values/iso-time.ts';
import type { TriedBlock } from './try-report.ts';

/** Refuses views without files. Throws MillraceError `try-needs-history`. */
export function refuseWithoutHistory(service: CompiledService): void {
  const without = viewsOf(service).filter(({ source }) => source.history === null);
  if (without.length === 0) return;
  const named = without.map(({ name, source }) => `view "${name}" reads source "${source.name}"`).join(', ');
  throw new MillraceError('try-needs-history', `${named}, which has no history: only files are read here`, {
    remedy:
      'Give the source a `history` (records of its topic as Parquet, CSV or JSONL), or try views that have one; what a running installation knows is exported by "millrace export".',
    httpStatus: 422,
    details: { views: without.map(({ name }) => name) },
  });
}

/**
 * Refuses rows of which none has anything before it, and says why: entities that the history does not have, or times that lie before all of it.
 *
 * @param span of the rows' times
 * @throws MillraceError `nothing-before-labels`
 */
export async function refuseNothing({
  context,
  logs,
  blocks,
  span,
}: {
  readonly context: ReadContext;
  readonly logs: readonly ViewsLog[];
  readonly blocks: readonly TriedBlock[];
  readonly span: { readonly fromUs: number; readonly toUs: number };
}): Promise<void> {
  if (blocks.some(({ found }) => found > 0)) return;
  const lines: string[] = [];
  for (const log of logs) lines.push(...(await whyNothing(context, log)));
  throw new MillraceError(
    'nothing-before-labels',
    `no row's entity has an event before the row's time; rows are of ${formatDateTime(span.fromUs)} to ${formatDateTime(span.toUs)}; ${lines.join('; ')}`,
    {
      remedy:
        'Compare the join keys and the label times with the history: how keys are spelt, which column is the label time (--time), its zone and unit, and which files the history has.',
      httpStatus: 422,
      details: { rowsFromUs: span.fromUs, rowsToUs: span.toUs },
    },
  );
}

async function whyNothing(context: ReadContext, { source, reads, cut, views }: ViewsLog): Promise<string[]> {
  const looked = views.map((view) => ({
    view,
    index: indexOf(context, view),
    prepared: emptyPrepared(view.layout.slots),
    seen: new Set<number>(),
    events: 0,
    fromUs: Number.POSITIVE_INFINITY,
    toUs: Number.NEGATIVE_INFINITY,
  }));
  for (const { index } of looked) await index.load(context.duckdb, { low: 0, high: 2 ** 32 }, context.signal);
  const { duckdb, listings, signal } = context;
  const scan = scanLog({ source, reads, cut, reader: null, duckdb, listings, order: 'any', signal });
  for await (const events of scan.batches()) {
    signal.throwIfAborted();
    for (const event of events) {
      for (const look of looked) {
        if (look.view.prepare(event, look.prepared) !== 'ok') continue;
        look.events++;
        look.fromUs = Math.min(look.fromUs, event.eventTimeUs);
        look.toUs = Math.max(look.toUs, event.eventTimeUs);
        const id = look.index.idOf(look.prepared.keyText);
        if (id !== undefined) look.seen.add(id);
      }
    }
  }
  return looked.map(({ view, events, fromUs, toUs, seen, index }) => {
    if (events === 0) return `view "${view.name}" takes no event of the history`;
    const span = `events of ${formatDateTime(fromUs)} to ${formatDateTime(toUs)}`;
    return `view "${view.name}" has ${span}, of ${seen.size} of the rows' ${index.size} entities`;
  });
}
