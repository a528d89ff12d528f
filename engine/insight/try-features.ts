import { mkdir } from 'node:fs/promises';
import type { CompiledService } from '../define/compiled-view.ts';
import { sensitiveParts } from '../define/sensitive-view.ts';
import { blockOf, viewsOf } from '../define/service-blocks.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import { listingsOfProcess } from '../history/history-listing.ts';
import { readEventTime } from '../training/event-time-reading.ts';
import { ExportProgress } from '../training/export-progress.ts';
import { atAllTimes, deriveRows } from '../training/derive-rows.ts';
import { derivesRows } from '../training/feature-columns.ts';
import { type PreparedSpine, prepareSpine } from '../training/prepare-spine.ts';
import { openReadContext } from '../training/read-context.ts';
import type { Reading } from '../training/reading.ts';
import { checkShare } from '../training/sample.ts';
import { findSpineFile } from '../training/spine-file.ts';
import { entitiesOf, LABELS_TABLE, placesOf, type SpinePlace } from '../training/spine-labels.ts';
import type { SpineColumn } from '../training/spine-columns.ts';
import { LEAST_EXPORT_MEMORY, SweepMemory } from '../training/sweep-memory.ts';
import type { ReadingOptions } from '../training/training-types.ts';
import { type ViewsLog, viewLogs } from '../training/view-logs.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { stageEventLabels } from './event-labels.ts';
import { type Label, labelledRows } from './label-kind.ts';
import { LabelSample } from './label-sample.ts';
import { measureTable } from './measure-table.ts';
import { labelColumn, readLabel } from './read-label.ts';
import { numberRows } from './row-columns.ts';
import { refuseNothing, refuseWithoutHistory } from './try-faults.ts';
import { notesOf } from './try-notes.ts';
import { TRY_ROWS, type TryOptions } from './try-options.ts';
import type { TriedFeature, TriedLabel, TriedRows, TriedBlock, TryReport } from './try-report.ts';

/**
 * Reads features over the files of a history, as a training set by event time has them, and says what they are like: how often there is a value, how
 * values are spread, and what each tells of a label by itself. Without any service: topics are not read.
 *
 * @throws MillraceError `try-needs-history`, `nothing-before-labels`, `label-constant`, `label-unusable`, `spine-column-missing`, and what an export by event
 * time throws of spine and history
 * @example
 * const report = await tryFeatures({ subject: 'service delay_model', service, spine: 'labels.parquet', label: 'late', spillDir, clock: systemClock });
 */
export async function tryFeatures(options: TryOptions): Promise<TryReport> {
  const { memory = processMemory(), spillDir, subject } = options;
  const signal = options.signal ?? new AbortController().signal;
  const startedMs = options.clock.monotonicMs();
  refuseWithoutHistory(options.service);
  await mkdir(spillDir, { recursive: true });
  return await withBatchMemory(memory, LEAST_EXPORT_MEMORY, `try of ${subject}`, { signal }, async (held) => {
    const duckdb = await openDuckDb({ memory, tempDir: spillDir });
    try {
      const report = await new Trial(options, duckdb, new SweepMemory(held), signal).run();
      return { ...report, seconds: (options.clock.monotonicMs() - startedMs) / 1000 };
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      await duckdb.close();
    }
  });
}

/** Label rows in DuckDB, ready to be read. */
interface StagedRows {
  readonly rows: number;
  readonly of: TriedRows['of'];
  readonly label: SpineColumn | null;
  /** Where the service derives something of them. */
  readonly prepared: PreparedSpine | null;
  /** What of requests they lack; null of rows that know none. */
  readonly lacking: readonly string[] | null;
}

type HowMeasured = Parameters<typeof measureTable>[2];

class Trial {
  readonly #options: TryOptions;
  readonly #reading: ReadingOptions;
  readonly #duckdb: DuckDb;
  readonly #memory: SweepMemory;
  readonly #signal: AbortSignal;
  readonly #places: readonly SpinePlace[];

  constructor(options: TryOptions, duckdb: DuckDb, memory: SweepMemory, signal: AbortSignal) {
    const { timeColumn, timeZone, timeAt, spillDir, clock } = options;
    const service = options.spine === undefined ? plainViews(options.service) : options.service;
    this.#options = options;
    this.#reading = { service, timeColumn, timeZone, timeAt, mode: 'event-time', reader: null, spillDir, clock };
    this.#duckdb = duckdb;
    this.#memory = memory;
    this.#signal = signal;
    this.#places = placesOf(service);
  }

  async run(): Promise<Omit<TryReport, 'seconds'>> {
    const { subject } = this.#options;
    const progress = new ExportProgress(this.#options.clock, this.#options.onProgress);
    const logs = await viewLogs({ options: this.#reading, signal: this.#signal });
    const staged = await this.#stage(logs);
    await numberRows(this.#duckdb, this.#signal);
    // Before the long part: what is wrong with a label is told at once.
    const label = staged.label === null ? null : await readLabel(this.#duckdb, staged.label, staged.rows, this.#signal);
    progress.expect(logs.map(() => staged.rows));
    progress.phase('sweep');
    const context = await openReadContext(this.#reading, {
      duckdb: this.#duckdb,
      memory: this.#memory,
      progress,
      places: this.#places,
      entities: entitiesOf(this.#places),
      rows: staged.rows,
      signal: this.#signal,
    });
    const reading = await readEventTime(context, logs);
    const blocks: TriedBlock[] = [];
    const features: TriedFeature[] = [];
    const how = { label, rows: staged.rows, signal: this.#signal };
    for (const { block, table, defaulted, rowsWithoutState } of reading.blocks) {
      const { name, view } = block;
      const sensitive = sensitiveParts(view);
      const isSensitive = (feature: string): boolean => sensitive.feature(feature);
      const read = { block: name, table, features: view.layout.features, defaulted, isSensitive };
      const measured = await measureTable(this.#duckdb, read, how);
      features.push(...measured.features);
      blocks.push({ block: name, view: view.name, rows: measured.rows, found: measured.rows - rowsWithoutState });
    }
    if (staged.prepared !== null) features.push(...(await this.#derived(staged.prepared, reading, how)));
    const span = await this.#span();
    await refuseNothing({ context, logs, blocks, span });
    if (label !== null) features.sort((a, b) => (b.strength?.score ?? 0) - (a.strength?.score ?? 0));
    const report = {
      subject,
      history: historyOf(reading),
      rows: { rows: staged.rows, from: formatDateTime(span.fromUs), to: formatDateTime(span.toUs), of: staged.of },
      label: label === null ? null : triedLabel(label, staged.rows),
      blocks,
      features,
    };
    return { ...report, notes: [...notesOf(report), ...this.#untried(staged.lacking)] };
  }

  /** What the service derives of each row. */
  async #derived(spine: PreparedSpine, reading: Reading, how: HowMeasured): Promise<readonly TriedFeature[]> {
    const { service } = this.#reading;
    const derived = service.derived ?? [];
    const deriving = { service, duckdb: this.#duckdb, signal: this.#signal };
    const table = await deriveRows(deriving, spine, reading, atAllTimes(service));
    const features = derived.map(({ name, type }) => ({ name, result: type }));
    const hushed = new Set(derived.flatMap(({ name, hushed: isHushed }) => (isHushed ? [name] : [])));
    const read = { block: service.name, table, features, isSensitive: (feature: string) => hushed.has(feature) };
    return (await measureTable(this.#duckdb, read, how)).features;
  }

  /** Names what the service derives where it was not tried, and why. */
  #untried(lacking: StagedRows['lacking']): string[] {
    const { service } = this.#options;
    const derived = service.derived ?? [];
    if (derived.length === 0 || lacking?.length === 0) return [];
    const names = derived.map(({ name }) => `${service.name}__${name}`).join(', ');
    const why =
      lacking === null
        ? 'rows made of events are of one view at a time, and have no request; give label rows (--spine)'
        : `the spine lacks what the service asks for: ${lacking.join(', ')}`;
    return [`not tried: ${names}, which the service derives: ${why}`];
  }

  async #stage(logs: readonly ViewsLog[]): Promise<StagedRows> {
    const { spine, label, sample: size = { rows: TRY_ROWS }, clock, onProgress } = this.#options;
    const [duckdb, signal] = [this.#duckdb, this.#signal];
    if (spine === undefined) {
      const of = await stageEventLabels({
        duckdb,
        logs,
        places: this.#places,
        listings: listingsOfProcess(clock),
        size,
        signal,
        onProgress: (rows, totalRows) => onProgress?.({ phase: 'events', rows, totalRows }),
      });
      return { rows: of.rows, of: { kind: 'events', ...of }, label: null, prepared: null, lacking: null };
    }
    const taken = new LabelSample('rows' in size ? size.rows : Number.POSITIVE_INFINITY);
    const reading = 'share' in size && size.share < 1 ? { ...this.#reading, sample: size.share } : this.#reading;
    checkShare('sample', reading.sample);
    const file = await findSpineFile(spine);
    const prepared = await prepareSpine(reading, duckdb, file, this.#places, signal, {
      keep: taken.keep,
      mayLackRequest: true,
    });
    const { keys, ofKeys, ofRows } = taken.kept;
    const ofShare = prepared.sample;
    return {
      rows: prepared.rows,
      of: {
        kind: 'spine',
        path: spine,
        keys,
        // Of a share they were not counted before it was taken.
        ofKeys: ofShare === null ? ofKeys : null,
        ofRows: ofShare?.ofRows ?? ofRows,
      },
      label: label === undefined ? null : labelColumn(spine, prepared.columns, label),
      prepared: derivesRows(reading, null) && prepared.lacking.length === 0 ? prepared : null,
      lacking: prepared.lacking,
    };
  }

  async #span(): Promise<{ readonly fromUs: number; readonly toUs: number }> {
    const [found] = await this.#duckdb.query<{ first: bigint; last: bigint }>(
      `SELECT min(time_us) AS first, max(time_us) AS last FROM ${LABELS_TABLE}`,
    );
    return { fromUs: Number(found?.first), toUs: Number(found?.last) };
  }
}

/** The views of a service, each once and as itself: rows that are made of events know no roles. */
function plainViews(service: CompiledService): CompiledService {
  return { ...service, blocks: viewsOf(service).map((view) => blockOf(view)) };
}

function historyOf({ sources }: Reading): TryReport['history'] {
  return sources.map(({ source, history }) => ({
    source,
    files: history.length,
    bytes: history.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    rows: history.reduce((sum, { rows = 0 }) => sum + rows, 0),
  }));
}

function triedLabel(label: Label, rows: number): TriedLabel {
  const labelled = labelledRows(label);
  return {
    column: label.column,
    kind: label.kind,
    rows: labelled,
    nulls: rows - labelled,
    positive:
      label.kind === 'binary'
        ? {
            value: label.positive,
            negative: label.negative,
            rows: label.codes.reduce((sum, code) => sum + (code === 1 ? 1 : 0), 0),
          }
        : null,
    categories: label.kind === 'category' ? label.names.length : null,
  };
}
