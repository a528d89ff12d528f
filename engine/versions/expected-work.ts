import type { CompiledSource } from '../define/compiled-view.ts';
import type { HistorySample } from '../define/history-sample.ts';
import { isMillraceError } from '../errors/millrace-error.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import type { LogReader } from '../topic/log-reader.ts';

/** What building a version of a view takes. */
export interface ExpectedWork {
  /** Rows of the history's files there are now; null where they were not counted. */
  readonly historyRows: number | null;
  /** Records between the first and the present end of the topic; null where the topic could not be asked. */
  readonly topicRecords: number | null;
  /** Both together, as far as they are known. */
  readonly rows: number;
  /** Null where nothing was measured. */
  readonly minutes: number | null;
  /** What the minutes come from. */
  readonly measured: string;
  /** What the states of the live version take, in bytes: about as much again while both are kept; null where none is live. */
  readonly stateBytes: number | null;
}

/** Rows a second, and where that is from. */
export interface MeasuredRate {
  readonly rowsPerSecond: number;
  readonly from: string;
}

/** Bytes of states and index a second: a million entities on two cores (docs/adr/0020-made-of-states.md). */
const COPIED_PER_SECOND = 20_000_000;

/** What making a version of the live one's states takes: nothing is read. */
export function copyingWork(stateBytes: number): ExpectedWork {
  return {
    historyRows: 0,
    topicRecords: 0,
    rows: 0,
    minutes: stateBytes / COPIED_PER_SECOND / 60,
    measured: 'as fast as states were copied on two cores',
    stateBytes,
  };
}

/** How fast a version was built from the log; null where it was not, or that is not known. */
export function ownRate({ version, builtAtUs, createdAtUs, counts, madeFrom }: ViewVersion): MeasuredRate | null {
  const rows = counts.records ?? 0;
  if (madeFrom !== null || builtAtUs === null || builtAtUs <= createdAtUs || rows === 0) return null;
  return { rowsPerSecond: rows / ((builtAtUs - createdAtUs) / 1e6), from: `as fast as version ${version} was built` };
}

/**
 * The rows that a build would read now, and how long it takes at a rate that was measured.
 *
 * @param samples what was counted of the histories
 * @throws MillraceError what `LogReader.bounds` throws but `topic-not-found`
 */
export async function expectedWork(options: {
  readonly source: CompiledSource;
  readonly samples: readonly HistorySample[];
  readonly live: ViewVersion | null;
  readonly stateBytes: number | null;
  readonly reader: Pick<LogReader, 'bounds'> | null;
  readonly rate: MeasuredRate | null;
}): Promise<ExpectedWork> {
  const { source, samples, live, stateBytes, reader, rate } = options;
  const historyRows = source.history === null ? 0 : rowsOf(source, samples, live);
  const topicRecords = source.topic === null ? 0 : reader === null ? null : await recordsOf(reader, source.topic);
  const rows = (historyRows ?? 0) + (topicRecords ?? 0);
  return {
    historyRows,
    topicRecords,
    rows,
    minutes: rate === null ? null : rows / rate.rowsPerSecond / 60,
    measured: rate?.from ?? 'nothing was measured',
    stateBytes,
  };
}

/** Counted now, else of the files that the live version read. */
function rowsOf({ name }: CompiledSource, samples: readonly HistorySample[], live: ViewVersion | null): number | null {
  const counted = samples.find(({ source }) => source === name)?.of ?? null;
  if (counted !== null) return counted;
  if (live === null || live.source !== name || live.history === null) return null;
  return live.history.files.reduce((sum, { rows = 0 }) => sum + rows, 0);
}

/** Null where there is no such topic yet. */
async function recordsOf(reader: Pick<LogReader, 'bounds'>, topic: string): Promise<number | null> {
  try {
    const { partitions } = await reader.bounds(topic);
    return partitions.reduce((sum, { lowOffset, endOffset }) => sum + endOffset - lowOffset, 0);
  } catch (error) {
    if (isMillraceError(error) && error.code === 'topic-not-found') return null;
    throw error;
  }
}
