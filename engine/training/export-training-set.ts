import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import type { CompiledSource } from '../define/compiled-view.ts';
import { invariant, MillraceError } from '../errors/millrace-error.ts';
import { type Cut, takeCut } from '../log/cut.ts';
import { type DuckDb, openDuckDb } from '../log/duckdb.ts';
import { addCounts } from '../log/log-counts.ts';
import { scanLog } from '../log/scan-log.ts';
import { contentHash } from './content-hash.ts';
import { EntityIndex } from './entity-index.ts';
import { ExportProgress } from './export-progress.ts';
import { columnClashes, type FeatureColumn, featureColumns } from './feature-columns.ts';
import { FeatureStaging } from './feature-staging.ts';
import { countNulls, OutputFile, writeRows } from './output-file.ts';
import { InvalidExamples } from './invalid-examples.ts';
import { checkRepeatable, checkSameHistory } from './repeat-check.ts';
import { emptySpine, findSpineFile, loadSpine, type SpineFile } from './spine-file.ts';
import { spineError } from './spine-faults.ts';
import {
  entitiesOf,
  findBadValues,
  labelReadings,
  outputColumns,
  type SpineEntity,
  sortLabels,
} from './spine-labels.ts';
import { sweepSource } from './sweep-source.ts';
import type { ManifestSource, ManifestView, TrainingManifest, TrainingOptions } from './training-types.ts';
import { ViewSweep } from './view-sweep.ts';

const MIB = 2 ** 20;
const STATES_SHARE = 0.4;

/**
 * Writes a training set: the spine's rows in their order, with what every feature of the service was at each row's time
 * (of the events before it), as Parquet, and a manifest beside it. Repeating it at the manifest's cuts gives the same bytes.
 *
 * Throws MillraceError: `spine-not-found`, `spine-format-unknown`, `spine-unreadable`, `empty-spine`, `spine-column-missing`,
 * `spine-null-key`, `spine-bad-key`, `spine-bad-time`, `feature-column-clash` (or `spine-invalid` for several of these),
 * `out-exists`, `out-folder-missing`, `out-not-writable`, `training-set-changed`, `value-out-of-range`, `too-many-invalid-records`, and those of the log.
 * After an error or an abort nothing is left behind.
 *
 * @example
 * await exportTrainingSet({ service, spine: 'labels.parquet', out: 'training.parquet', mode: 'event-time',
 *   reader, memoryMb: 2048, spillDir: '/var/tmp', clock: systemClock });
 */
export async function exportTrainingSet(options: TrainingOptions): Promise<TrainingManifest> {
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();
  if (options.mode !== 'event-time') {
    throw new MillraceError(
      'unknown-mode',
      `training set mode ${JSON.stringify(options.mode)}; expected "event-time"`,
      {
        remedy: 'Use mode "event-time".',
      },
    );
  }
  const file = await findSpineFile(options.spine);
  const output = await OutputFile.create(options.out, options.overwrite ?? false);
  try {
    await mkdir(options.spillDir, { recursive: true });
    const spill = await mkdtemp(join(options.spillDir, 'training-'));
    try {
      return await exportWithin(options, signal, file, output, spill);
    } finally {
      await rm(spill, { recursive: true, force: true });
    }
  } catch (error) {
    // An interrupted query fails in DuckDB's words; the caller asked for it in his own.
    signal.throwIfAborted();
    throw error;
  } finally {
    await output.dispose();
  }
}

async function exportWithin(
  options: TrainingOptions,
  signal: AbortSignal,
  file: SpineFile,
  output: OutputFile,
  spill: string,
): Promise<TrainingManifest> {
  const statesMb = options.statesMb ?? options.memoryMb * STATES_SHARE;
  const duckdb = await openDuckDb({ memoryMb: Math.max(64, Math.floor(options.memoryMb - statesMb)), tempDir: spill });
  try {
    return await new TrainingExport(options, signal, duckdb, statesMb * MIB).run(file, output);
  } finally {
    await duckdb.close();
  }
}

interface PreparedSpine {
  readonly rows: number;
  readonly columns: readonly string[];
  readonly output: readonly { readonly name: string; readonly sql: string }[];
  readonly sha256: string;
}

/** One run of an export, from the spine to the manifest. */
class TrainingExport {
  readonly #options: TrainingOptions;
  readonly #signal: AbortSignal;
  readonly #duckdb: DuckDb;
  readonly #stateBudgetBytes: number;
  readonly #progress: ExportProgress;
  readonly #entities: readonly SpineEntity[];
  readonly #features: readonly FeatureColumn[];
  readonly #timeColumn: string;

  constructor(options: TrainingOptions, signal: AbortSignal, duckdb: DuckDb, stateBudgetBytes: number) {
    this.#options = options;
    this.#signal = signal;
    this.#duckdb = duckdb;
    this.#stateBudgetBytes = stateBudgetBytes;
    this.#progress = new ExportProgress(options.clock, options.onProgress);
    this.#entities = entitiesOf(options.service);
    this.#features = featureColumns(options.service);
    this.#timeColumn = options.timeColumn ?? 'event_timestamp';
  }

  async run(file: SpineFile, output: OutputFile): Promise<TrainingManifest> {
    const { service, repeatOf } = this.#options;
    this.#progress.phase('spine');
    const spine = await this.#prepareSpine(file);
    if (repeatOf !== undefined) checkRepeatable(repeatOf, service, spine.sha256);
    this.#progress.phase('cut');
    const sources = [...new Map(service.views.map((view) => [view.source.name, view.source])).values()];
    const cuts = new Map<string, Cut | null>();
    for (const source of sources) cuts.set(source.name, await this.#cutOf(source));

    this.#progress.phase('sweep');
    this.#progress.expect(sources.length, spine.rows);
    const sweeps: ViewSweep[] = [];
    const stagings = new Map<string, FeatureStaging>();
    const manifestSources: ManifestSource[] = [];
    try {
      const indexes: EntityIndex[] = [];
      for (const entity of this.#entities) indexes.push(await EntityIndex.open(this.#duckdb, entity));
      for (const [number, view] of service.views.entries()) {
        const results = view.layout.features.map((feature) => feature.result);
        const staging = await FeatureStaging.create(await this.#duckdb.connect(), `training_read_${number}`, results);
        stagings.set(view.name, staging);
        const index = indexes.find((candidate) => candidate.entity.name === view.layout.entity);
        invariant(index !== undefined, `no index for entity "${view.layout.entity}"`);
        sweeps.push(new ViewSweep(view, index, staging));
      }
      for (const source of sources) {
        const views = sweeps.filter((sweep) => sweep.view.source === source);
        const swept = await this.#sweep(source, cuts.get(source.name) ?? null, views, indexes);
        if (repeatOf !== undefined) checkSameHistory(repeatOf, swept);
        manifestSources.push(swept);
      }
    } finally {
      for (const staging of stagings.values()) staging.close();
    }

    this.#progress.phase('write');
    const tables = new Map([...stagings].map(([view, staging]) => [view, staging.table]));
    const views: ManifestView[] = [];
    for (const sweep of sweeps) views.push(await this.#manifestView(sweep, tables.get(sweep.view.name)!, spine.rows));
    await writeRows(this.#duckdb, output.partialPath, spine.output, this.#features, tables, this.#signal);
    const manifest: TrainingManifest = {
      format: 1,
      millrace: packageJson.version,
      mode: this.#options.mode,
      service: service.name,
      rows: spine.rows,
      ...(await contentHash(output.partialPath, this.#signal)),
      spine: {
        path: file.path,
        sizeBytes: file.sizeBytes,
        sha256: spine.sha256,
        timeColumn: this.#timeColumn,
        columns: spine.columns,
      },
      views,
      sources: manifestSources,
      cuts: Object.fromEntries(cuts),
    };
    this.#signal.throwIfAborted();
    await output.publish(manifest, this.#options.overwrite ?? false);
    return manifest;
  }

  /** Loads, checks and sorts the spine; every fault that can be told at once is told at once. */
  async #prepareSpine(file: SpineFile): Promise<PreparedSpine> {
    const { sha256 } = await contentHash(file.path, this.#signal);
    const special = new Set([
      this.#timeColumn,
      ...this.#entities.flatMap((entity) => entity.keys.map((key) => key.name)),
    ]);
    const columns = await loadSpine(this.#duckdb, file, special, this.#signal);
    const names = columns.map((column) => column.name);
    const readings = labelReadings(columns, this.#entities, this.#timeColumn);
    const faults = [
      ...readings.faults,
      ...(await findBadValues(this.#duckdb, readings, this.#signal)),
      ...columnClashes(names, this.#features),
    ];
    if (faults.length > 0) throw spineError(file.path, faults);
    const rows = await sortLabels(this.#duckdb, this.#entities, readings, this.#signal);
    if (rows === 0) throw emptySpine(file.path);
    const output = outputColumns(columns, this.#entities, readings, file.format !== 'parquet');
    return { rows, columns: names, output, sha256 };
  }

  async #cutOf(source: CompiledSource): Promise<Cut | null> {
    const { cuts, repeatOf, reader, clock } = this.#options;
    const given = cuts?.[source.name] ?? repeatOf?.cuts[source.name];
    if (given !== undefined) return given;
    return source.topic === null || reader === null ? null : await takeCut(reader, source.topic, clock);
  }

  async #sweep(
    source: CompiledSource,
    cut: Cut | null,
    views: readonly ViewSweep[],
    entities: readonly EntityIndex[],
  ): Promise<ManifestSource> {
    const names = entities.map((index) => index.entity.name);
    const invalid = new InvalidExamples();
    const figures = await sweepSource({
      views,
      entities,
      entityOf: new Map(views.map((view) => [view, names.indexOf(view.view.layout.entity)])),
      duckdb: this.#duckdb,
      stateBudgetBytes: this.#stateBudgetBytes,
      signal: this.#signal,
      scan: (onFraction) =>
        scanLog({
          source,
          cut,
          reader: this.#options.reader,
          duckdb: this.#duckdb,
          order: 'event-time',
          signal: this.#signal,
          onProgress: ({ phase, rows, totalRows }) => {
            if (phase === 'history' && totalRows !== null) onFraction(rows / totalRows);
          },
          onInvalid: (record) => invalid.add(record),
        }),
      onProgress: (progress) => this.#progress.sweep(progress),
    });
    this.#progress.sourceDone();
    for (const view of views) {
      addCounts(view.counts, figures.counts);
      invalid.check(source, view.view.name, view.counts);
    }
    return { source: source.name, cut, history: figures.files };
  }

  async #manifestView(sweep: ViewSweep, table: string, rows: number): Promise<ManifestView> {
    const { view } = sweep;
    const columns = this.#features.filter((column) => column.view === view.name);
    const staged = await countNulls(this.#duckdb, table, columns.length);
    invariant(staged.rows === rows, `view "${view.name}" was read for ${staged.rows} of ${rows} rows`);
    return {
      view: view.name,
      fingerprint: view.fingerprint,
      entity: view.layout.entity,
      keys: view.layout.keys.map((key) => key.name),
      source: view.source.name,
      counts: sweep.counts,
      rowsWithoutState: sweep.rowsWithoutState,
      features: columns.map(({ feature, column }, index) => ({
        name: feature.name,
        column,
        type: feature.result,
        nulls: staged.nulls[index] ?? 0,
        nullRate: (staged.nulls[index] ?? 0) / rows,
      })),
    };
  }
}
