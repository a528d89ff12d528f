import { mkdir } from 'node:fs/promises';
import { ENGINE_SEMANTICS } from '../define/view-layout.ts';
import { viewsOf } from '../define/service-blocks.ts';
import { invariant, MillraceError } from '../errors/millrace-error.ts';
import { type Cut, takeCut } from '../topic/cut.ts';
import { type DuckDb, openDuckDb } from '../duckdb/duckdb.ts';
import { withBatchMemory } from '../memory/duckdb-memory.ts';
import { processMemory } from '../memory/process-memory.ts';
import { RELEASE } from '../installation/release.ts';
import { SERVED_SOURCE } from '../served/served-source.ts';
import { checkMode } from './check-mode.ts';
import { readAsServed } from './as-served-reading.ts';
import { compareModes } from './compare-modes.ts';
import { type CountedError, countErrors, refuseErrors } from './cell-errors.ts';
import { comparisonPlot } from './comparison-plot.ts';
import { loadPlotting } from './share-bars.ts';
import type { ModeComparison } from './comparison-types.ts';
import { atAllTimes, deriveRows, type DerivingTime } from './derive-rows.ts';
import { errorsTable } from './feature-staging.ts';
import { manifestOf, planServedService } from './served-service.ts';
import { derivedBlock, derivesRows, requestColumns } from './feature-columns.ts';
import { emptyCounts } from '../admission/log-counts.ts';
import { readEventTime } from './event-time-reading.ts';
import { ExportProgress } from './export-progress.ts';
import { manifestView } from './manifest-view.ts';
import { OutputFile, publishedBefore, type WrittenComparison } from './output-file.ts';
import { writeTrainingSet } from './write-training-set.ts';
import { namingOut } from './out-error.ts';
import { decidedReads } from './decided-reads.ts';
import type { LabelOptions, ManifestLabels } from './label-spine.ts';
import { prepareLabelSpine, sizeOfLabels } from './prepare-label-spine.ts';
import { prepareGrid, sizeOfGrid } from './prepare-grid.ts';
import { type PreparedSpine, prepareSpine } from './prepare-spine.ts';
import { openReadContext, spineContext } from './read-context.ts';
import { type BlockReading, pinnedAs, type ReadContext, type Reading, type SpineContext } from './reading.ts';
import { checkRepeatable } from './repeat-check.ts';
import { loggedReads, readRequests, type ServedLog } from './request-reading.ts';
import { planServed } from './served-plan.ts';
import { splitOf } from './split.ts';
import { checkShare } from './sample.ts';
import { type GridOptions, type GridPlan, spineOrGrid } from './grid.ts';
import { findSpineFile, type SpineFile } from './spine-file.ts';
import { entitiesOf, placesOf, type SpinePlace } from './spine-labels.ts';
import { LEAST_EXPORT_MEMORY, SweepMemory } from './sweep-memory.ts';
import { viewLogs } from './view-logs.ts';
import type { ManifestServedService, ManifestView, TrainingManifest, TrainingOptions } from './training-types.ts';

const MIB = 2 ** 20;

/**
 * Writes a training set: the spine's rows in their order (or, of a grid, entities at regular times), with what every feature of the service was at each row's time, as Parquet, and a
 * manifest beside it. Mode `event-time`: of the events before that time; mode `as-served`: what serving returned then, or for rows that
 * name requests, exactly what those were served. Repeating it by its manifest gives the same bytes.
 *
 * Throws MillraceError: `spine-not-found`, `spine-format-unknown`, `spine-unreadable`, `empty-spine`, `spine-column-missing`,
 * `spine-bad-name`, `spine-names-alike`, `spine-column-altered`, `spine-null-key`, `spine-bad-key`, `spine-bad-time`, `feature-column-clash`
 * (or `spine-invalid` for several of these), `bad-share`, `bad-grid`, `grid-too-large`, `requests-need-spine`, `sample-empty`, `sample-needs-keys`, `split-empty`, `split-needs-times`, `unknown-time-zone`, `unknown-time-at`, `out-exists`, `out-busy` (retryable), `out-folder-missing`, `out-not-writable`, `out-full` and `out-away` (both are waited for), `training-set-changed`, of decisions `bad-label-times`, `no-mature-labels`, `labels-need-topics`, `too-many-invalid-records`, unless `onError` is `null` the code of an
 * error in a cell (`value-out-of-range`, `state-corrupt`), and those of the log. As served also `database-missing`, `view-not-published`,
 * `definition-changed`, `commits-missing`, `history-changed`; by request `serving-log-missing`, `spine-bad-request`, `request-not-logged`,
 * `request-ambiguous`, `served-by-other-definition`, `request-feature-not-served`.
 * After an error or an abort nothing is left behind; what a killed process left, the next attempt of the same `exportId` removes. One that was
 * published already is not made again.
 *
 * @example
 * await exportTrainingSet({ service, spine: 'labels.parquet', out: 'training.parquet', mode: 'event-time',
 *   reader, spillDir: '/var/tmp', clock: systemClock });
 */
export async function exportTrainingSet(options: TrainingOptions): Promise<TrainingManifest> {
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  checkMode(options);
  checkShare('sample', options.sample);
  checkShare('split', options.split);
  const spine = spineOrGrid(options);
  const given = typeof spine === 'string' ? await findSpineFile(spine) : spine;
  const { exportId, overwrite = false } = options;
  const isSplit = splitOf(options) !== null;
  const before = await publishedBefore(options.out, exportId);
  if (before !== null) return before;
  const output = await OutputFile.create(options.out, { overwrite, isSplit, exportId, signal });
  try {
    await mkdir(options.spillDir, { recursive: true });
    return await withExport(options, signal, (run) => run.run(given, output));
  } catch (error) {
    // An interrupted query fails in DuckDB's words; the caller asked for it in his own.
    signal.throwIfAborted();
    throw error;
  } finally {
    await output.dispose();
  }
}

/**
 * How many rows a training set without labels would have, and of how many entities: they are looked for, and nothing is written. Throws MillraceError as
 * `exportTrainingSet` does of a grid.
 *
 * @example
 * const { rows, entities, steps } = await sizeOfTrainingSet({ service, grid: { entitiesOf: view, every: '1d', from: '2026-01-01', to: '2026-03-01' }, … });
 */
export async function sizeOfTrainingSet(options: Omit<TrainingOptions, 'out' | 'spine'>): Promise<GridPlan> {
  const signal = options.signal ?? new AbortController().signal;
  checkShare('sample', options.sample);
  const spine = spineOrGrid({ ...options, out: '' });
  invariant(typeof spine !== 'string' && 'every' in spine, 'labels have the rows they have');
  await mkdir(options.spillDir, { recursive: true });
  return await withExport({ ...options, out: '' }, signal, (run) => run.size(spine));
}

/**
 * What labels a training set of decisions would have: they are made, and nothing is written. Throws MillraceError as `exportTrainingSet` does of one.
 *
 * @example
 * const { counts, asOf } = await sizeOfLabelSet({ service, labels: { labels, from: '2026-01-01', to: '2026-03-01' }, … });
 */
export async function sizeOfLabelSet(
  options: Omit<TrainingOptions, 'out' | 'spine'> & { readonly labels: LabelOptions },
): Promise<ManifestLabels> {
  const signal = options.signal ?? new AbortController().signal;
  await mkdir(options.spillDir, { recursive: true });
  return await withExport({ ...options, out: '' }, signal, (run) => run.sizeOfLabels(options.labels));
}

async function withExport<T>(
  options: TrainingOptions,
  signal: AbortSignal,
  work: (run: TrainingExport) => Promise<T>,
): Promise<T> {
  const { memory = processMemory(), statesMb, onWait } = options;
  const what = `export of ${options.service.name}`;
  return await withBatchMemory(memory, LEAST_EXPORT_MEMORY, what, { signal, onWait }, async (held) => {
    const duckdb = await openDuckDb({ memory, tempDir: options.spillDir });
    try {
      const sweepMemory = new SweepMemory(held, statesMb === undefined ? undefined : statesMb * MIB);
      return await work(new TrainingExport(options, signal, duckdb, sweepMemory));
    } finally {
      await duckdb.close();
    }
  });
}

/** What was read, and what the manifest says of how. */
interface Read {
  readonly reading: Reading;
  /** What the service derived, or what of it was logged, read as one more of its blocks; null: nothing. */
  readonly own: BlockReading | null;
  /** By which versions, where what was served was asked for. */
  readonly servedService: ManifestServedService | null;
  readonly cuts: ReadonlyMap<string, Cut | null>;
  readonly comparison: ModeComparison | null;
}

/** One run of an export, from the spine to the manifest. */
class TrainingExport {
  readonly #options: TrainingOptions;
  readonly #signal: AbortSignal;
  readonly #duckdb: DuckDb;
  readonly #memory: SweepMemory;
  readonly #progress: ExportProgress;
  readonly #places: readonly SpinePlace[];

  constructor(options: TrainingOptions, signal: AbortSignal, duckdb: DuckDb, memory: SweepMemory) {
    this.#options = options;
    this.#signal = signal;
    this.#duckdb = duckdb;
    this.#memory = memory;
    this.#progress = new ExportProgress(options.clock, options.onProgress);
    this.#places = placesOf(options.service);
  }

  size(grid: GridOptions): Promise<GridPlan> {
    this.#progress.phase('entities');
    return sizeOfGrid(this.#spineContext(), grid);
  }

  sizeOfLabels(labels: LabelOptions): Promise<ManifestLabels> {
    return sizeOfLabels(this.#spineContext(), labels);
  }

  async run(given: SpineFile | GridOptions | LabelOptions, output: OutputFile): Promise<TrainingManifest> {
    const { service, mode, repeatOf, exportId } = this.#options;
    const onError = this.#options.onError ?? repeatOf?.onError ?? 'fail';
    this.#progress.phase('every' in given ? 'entities' : 'spine');
    const spine = await this.#prepare(given);
    if (repeatOf !== undefined) checkRepeatable(repeatOf, service, spine, mode, splitOf(this.#options));
    this.#progress.phase('cut');
    const isOfRequests = spine.requestColumn !== null;
    const found = await (isOfRequests ? this.#readRequests(spine) : this.#readTimes(spine));
    const { reading, own, servedService, cuts, comparison } = found;
    const read: { reading: BlockReading; errors: CountedError[] }[] = [];
    for (const block of own === null ? reading.blocks : [...reading.blocks, own])
      read.push({ reading: block, errors: await countErrors(this.#duckdb, block.table, this.#signal) });
    if (onError !== 'null') await refuseErrors(this.#duckdb, spine.columns, read);
    this.#progress.phase('write');
    const views: ManifestView[] = [];
    for (const block of read) views.push(await manifestView(this.#duckdb, block.reading, block.errors, spine));
    const derived = own === null ? undefined : views.pop();
    const split = splitOf(this.#options);
    // An export of before is repeated as it was told then.
    const isSummarised = repeatOf === undefined || repeatOf.baseline !== undefined;
    const { baseline, ...written } = await writeTrainingSet(
      this.#duckdb,
      output,
      spine,
      { ...reading, blocks: read.map((block) => block.reading) },
      split,
      isSummarised,
      this.#signal,
    );
    const manifest: TrainingManifest = {
      format: 1,
      millrace: RELEASE.version,
      ...(exportId === undefined ? {} : { export: exportId }),
      semantics: ENGINE_SEMANTICS,
      mode,
      onError,
      service: service.name,
      rows: spine.rows,
      ...written,
      spine: {
        path: spine.path,
        sizeBytes: spine.sizeBytes,
        sha256: spine.sha256,
        timeColumn: spine.timeColumn,
        timeZone: spine.timeZone,
        timeAt: spine.timeAt,
        ...(spine.requestColumn === null ? {} : { requestColumn: spine.requestColumn }),
        ...(spine.grid === null ? {} : { grid: spine.grid }),
        columns: spine.columns.map(({ name }) => name),
      },
      ...(spine.labels === undefined ? {} : { labels: spine.labels }),
      ...(spine.sample === null ? {} : { sample: spine.sample }),
      views,
      ...(derived === undefined
        ? {}
        : {
            derived: {
              ...(isOfRequests ? {} : { tag: service.derivedTag ?? '' }),
              request: isOfRequests
                ? requestColumns(service).map(({ column }) => column)
                : spine.given.map(({ column }) => column.name),
              requestTypes: isOfRequests
                ? requestColumns(service).map(({ feature }) => feature.result)
                : spine.given.map(({ type }) => type),
              features: derived.features,
              ...(derived.logged === undefined ? {} : { logged: derived.logged }),
              ...(servedService === null ? {} : { served: servedService }),
            },
          }),
      sources: reading.sources,
      cuts: Object.fromEntries(cuts),
      ...(comparison === null ? {} : { comparison }),
      ...(baseline === undefined ? {} : { baseline }),
    };
    const compared = comparison === null ? null : await writtenComparison(manifest, comparison);
    this.#signal.throwIfAborted();
    await namingOut(output.path, () => output.publish(manifest, compared));
    return manifest;
  }

  #prepare(given: SpineFile | GridOptions | LabelOptions): Promise<PreparedSpine> {
    if ('labels' in given) return prepareLabelSpine(this.#spineContext(), given);
    if ('every' in given) return prepareGrid(this.#spineContext(), given);
    return prepareSpine(this.#options, this.#duckdb, given, this.#places, this.#signal);
  }

  #spineContext(): SpineContext {
    return spineContext(this.#options, {
      duckdb: this.#duckdb,
      memory: this.#memory,
      progress: this.#progress,
      places: this.#places,
      signal: this.#signal,
    });
  }

  #context(spine: PreparedSpine): Promise<ReadContext> {
    return openReadContext(
      { ...this.#options, cuts: this.#cuts(spine) },
      { ...this.#spineContext(), entities: entitiesOf([...spine.keyed]), rows: spine.rows },
    );
  }

  /**
   * By event time, the log is read as far as the entities of the rows were looked for. Not where the modes are compared: what was committed must be
   * pinned before the cut is taken, and is only known of rows that are there.
   */
  #cuts({ grid }: PreparedSpine): TrainingOptions['cuts'] {
    const { cuts, mode, compare = false, service, grid: options } = this.#options;
    const view = options?.entitiesOf?.view;
    if (view === undefined || grid?.entitiesOf === undefined || mode !== 'event-time' || compare) return cuts;
    const { name, topic } = view.source;
    const isRead = viewsOf(service).some(({ source }) => source.name === name && source.topic === topic);
    return isRead ? { [name]: grid.entitiesOf.cut, ...cuts } : cuts;
  }

  /** Labels of entities at times, in one mode or, to compare them, in both. */
  async #readTimes(spine: PreparedSpine): Promise<Read> {
    const { mode, service, compare = false } = this.#options;
    // What is missing for the plot is told before the reading, not after it.
    if (compare) await loadPlotting();
    const context = await this.#context(spine);
    // What was committed is pinned before the cuts are taken: no commit is beyond them.
    const isServed = mode === 'as-served' || compare;
    const derives = derivesRows(this.#options, null);
    const servicePlan = isServed && derives ? await planServedService(context, spine) : null;
    const plans = isServed ? await planServed(context, servicePlan?.alsoRead) : [];
    const logs = mode === 'event-time' || compare ? await viewLogs(context) : [];
    const cuts = new Map(logs.map(({ source, cut }) => [source.name, cut]));
    const byTime = logs.map(() => spine.rows);
    const byCommit = plans.flatMap(({ versions }) => versions.map(({ rows }) => rows));
    this.#progress.expect([...byCommit, ...byTime]);
    this.#progress.phase('sweep');
    const asServed = plans.length === 0 ? null : await readAsServed(context, plans);
    const eventTime = byTime.length === 0 ? null : await readEventTime(context, logs);
    const ownServed = asServed && servicePlan && (await this.#derived(spine, asServed, servicePlan.versions));
    const ownTimed = eventTime && derives ? await this.#derived(spine, eventTime, atAllTimes(service)) : null;
    let comparison: ModeComparison | null = null;
    if (asServed !== null && eventTime !== null) {
      this.#progress.phase('compare');
      const times = servicePlan?.versions ?? [];
      const own = ownServed && ownTimed && { asServed: ownServed, eventTime: ownTimed, times };
      comparison = await compareModes(context, { plans, asServed, eventTime, logs, own });
    }
    const reading = mode === 'event-time' ? eventTime : asServed;
    invariant(reading !== null, 'nothing was read');
    return {
      reading: pinnedAs(reading, asServed),
      own: mode === 'event-time' ? ownTimed : ownServed,
      servedService: servicePlan && manifestOf(servicePlan, spine.rows),
      cuts,
      comparison,
    };
  }

  /** What the service derives, read as one more of its blocks. */
  async #derived(spine: PreparedSpine, reading: Reading, times: readonly DerivingTime[]): Promise<BlockReading> {
    const { service } = this.#options;
    const table = await deriveRows({ service, duckdb: this.#duckdb, signal: this.#signal }, spine, reading, times);
    // What was read for functions of then alone is no column: its errors are counted nowhere.
    for (const { block, table: read } of reading.blocks)
      await this.#duckdb.run(`DELETE FROM ${errorsTable(read)} WHERE feature >= ${block.view.layout.features.length}`);
    return { block: derivedBlock(service), table, counts: emptyCounts(), rowsWithoutState: 0 };
  }

  /** Labels of requests, from the serving log. */
  async #readRequests(spine: PreparedSpine): Promise<Read> {
    const { compare = false, servedTopic, reader, repeatOf, cuts, clock } = this.#options;
    if (compare) {
      throw new MillraceError(
        'compare-needs-times',
        'the modes are compared over entities at times, and the spine names requests',
        { remedy: 'Compare over a spine with the join keys and a label time, or leave the comparison out.' },
      );
    }
    if (spine.labels !== undefined) return await this.#readDecided(spine);
    if (reader === null || servedTopic === undefined || servedTopic === null) {
      throw new MillraceError(
        'serving-log-missing',
        `the spine names requests (column "${spine.requestColumn}"), and there is no ${reader === null ? 'connection to Kafka' : 'serving log'} to find them in`,
        {
          remedy: 'Set KAFKA_BROKERS and MILLRACE_SERVED_TOPIC, or name a label time (timeColumn; CLI: --time COLUMN).',
        },
      );
    }
    const context = await this.#context(spine);
    const given = cuts?.[SERVED_SOURCE] ?? repeatOf?.cuts[SERVED_SOURCE];
    const cut = given ?? (await takeCut(reader, servedTopic, clock));
    this.#progress.expect([spine.rows]);
    this.#progress.phase('sweep');
    const log = { reader, topic: servedTopic, cut };
    const { own, ...reading } = await readRequests(context, loggedReads(context, log), spine.keyed);
    return { reading, own, servedService: null, cuts: new Map([[SERVED_SOURCE, cut]]), comparison: null };
  }

  /** Decisions, from the reads they carry, and from the serving log where they name requests alone. */
  async #readDecided(spine: PreparedSpine): Promise<Read> {
    const { servedTopic, reader, repeatOf, cuts, clock } = this.#options;
    const context = await this.#context(spine);
    let log: ServedLog | null = null;
    const openLog = async (): Promise<ServedLog | null> => {
      if (reader === null || servedTopic == null) return null;
      const given = cuts?.[SERVED_SOURCE] ?? repeatOf?.cuts[SERVED_SOURCE];
      log ??= { reader, topic: servedTopic, cut: given ?? (await takeCut(reader, servedTopic, clock)) };
      return log;
    };
    this.#progress.expect([spine.rows]);
    this.#progress.phase('sweep');
    const { own, ...reading } = await readRequests(context, decidedReads(context, openLog), spine.keyed);
    const { cut = null } = (log as ServedLog | null) ?? {};
    const read = cut === null ? [] : [[SERVED_SOURCE, cut] as const];
    return { reading, own, servedService: null, cuts: new Map(read), comparison: null };
  }
}

async function writtenComparison(manifest: TrainingManifest, comparison: ModeComparison): Promise<WrittenComparison> {
  const { format, millrace, service, spine } = manifest;
  const document = { format, millrace, service, spine, ...comparison };
  return { json: `${JSON.stringify(document, null, 2)}\n`, svg: await comparisonPlot(comparison) };
}
