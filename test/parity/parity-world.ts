import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { codeOf } from '../../engine/define/known-code.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { ScalarValue } from '../../engine/values/field-type.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import type { Clock } from '../../engine/values/clock.ts';
import type { LogBatch, LogReader } from '../../engine/topic/log-reader.ts';
import { ENGINE_SEMANTICS } from '../../engine/define/view-layout.ts';
import type { LogWriter } from '../../engine/topic/log-writer.ts';
import { createOnlineStore, type OnlineStore } from '../../engine/online/online-store.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import type { DerivedCodeOf, ViewRead } from '../../engine/online/view-read.ts';
import { auditParity } from '../../engine/parity/audit-parity.ts';
import type { AuditOptions, AuditOutcome } from '../../engine/parity/audit-types.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { stateTable } from '../../engine/postgres/state-table.ts';
import { liveVersion } from '../../engine/postgres/live-version.ts';
import { ServingLog } from '../../engine/served/serving-log.ts';
import { createViewReducer } from '../../engine/state/create-view-reducer.ts';
import { stateCrc } from '../../engine/state/stored-state.ts';
import type { EntityState, ViewReducer } from '../../engine/state/view-reducer.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { createMemoryLogReader, MemoryBroker, type NewRecord } from '../stream/memory-log.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';

export const SERVED_TOPIC = 'millrace.served';

/** A place in the log. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** The reader as a broken one would be: records left out, as if nothing were amiss. */
export function leavingOut(reader: LogReader, places: readonly Place[]): LogReader {
  async function* read(options: Parameters<LogReader['read']>[0]): AsyncGenerator<LogBatch> {
    for await (const batch of reader.read(options))
      yield {
        ...batch,
        records: batch.records.filter(
          (record) =>
            !places.some(({ partition, offset }) => partition === record.partition && offset === record.offset),
        ),
      };
  }
  return {
    bounds: (topic) => reader.bounds(topic),
    read,
    recordAt: (topic, partition, offset) => reader.recordAt(topic, partition, offset),
    reportOffsets: (group, topic, offsets) => reader.reportOffsets(group, topic, offsets),
    close: () => reader.close(),
  };
}

/** A view with its log, its stream, its readers and its serving log: a whole deployment on a broker in memory and a real Postgres. */
export class ParityWorld {
  readonly broker = new MemoryBroker();
  readonly reader: LogReader;
  readonly view: CompiledView;
  readonly pool: pg.Pool;
  readonly folder: string;
  readonly reducer: ViewReducer;
  readonly clock: Clock & { us: number };
  readonly topic: string;
  readonly #store: OnlineStore;
  #logs = 0;
  #attempts = 0;
  #requests = 0;

  constructor(options: { view: CompiledView; partitions: number; pool: pg.Pool; folder: string; nowUs: number }) {
    this.view = options.view;
    this.pool = options.pool;
    this.folder = options.folder;
    this.topic = options.view.source.topic!;
    this.broker.createTopic(this.topic, options.partitions);
    this.broker.createTopic(SERVED_TOPIC, 1);
    this.reader = createMemoryLogReader(this.broker);
    this.reducer = createViewReducer(options.view.layout);
    const clock = { us: options.nowUs, nowUs: () => clock.us, monotonicMs: () => performance.now() };
    this.clock = clock;
    const code = codeOf([options.view]);
    const derivedOf: DerivedCodeOf = async (version) => (await code.viewOf(version)).derived;
    this.#store = createOnlineStore({ pool: this.pool, clock, derivedOf });
  }

  append(partition: number, records: readonly NewRecord[]): void {
    this.broker.append(this.topic, partition, records);
  }

  /** Builds a version from the log as it is, and publishes it. */
  async backfill(): Promise<number> {
    const { version } = await runBackfill({
      view: this.view,
      pool: this.pool,
      reader: this.reader,
      spillDir: this.folder,
      clock: this.clock,
      builder: 'parity-test',
    });
    await publishVersion({ pool: this.pool, view: this.view.name, version });
    return version;
  }

  /** Streams to the present end, `batchRecords` per commit. */
  async stream(
    options: { drop?: readonly Place[]; batchRecords?: number; view?: CompiledView; version?: number } = {},
  ): Promise<void> {
    const live = await liveVersion(this.pool, this.view.name);
    const batchRecords = options.batchRecords ?? 5;
    await runStream({
      view: options.view ?? this.view,
      version: options.version ?? live!.version,
      pool: this.pool,
      reader: options.drop === undefined ? this.reader : leavingOut(this.reader, options.drop),
      fence: { generation: 1, attemptMs: ++this.#attempts, owner: 'parity-test' },
      until: 'present-end',
      clock: this.clock,
      limits: { batchRecords, maxBatchRecords: batchRecords },
    });
  }

  /** Streams with the code of another definition, which the catalog is made to take for the version's own meanwhile. */
  async streamForeign(view: CompiledView): Promise<void> {
    const set = (fingerprint: string): Promise<unknown> =>
      this.pool.query('UPDATE millrace_catalog.view_version SET fingerprint = $1 WHERE view = $2', [
        fingerprint,
        this.view.name,
      ]);
    await set(view.fingerprint);
    try {
      await this.stream({ view });
    } finally {
      await set(this.view.fingerprint);
    }
  }

  /** Serves entities and logs it. */
  async serve(
    keys: readonly (readonly ScalarValue[])[],
    options: { atUs?: number; features?: readonly string[]; change?: (read: ViewRead) => ViewRead } = {},
  ): Promise<ViewRead[]> {
    const { change = (read) => read, ...read } = options;
    const reads = (await this.#store.get(this.view.name, keys, read)).map(change);
    const writer: LogWriter = {
      send: async (topic, records) =>
        this.broker.append(
          topic,
          0,
          records.map(({ key, value, timestampMs }) => ({ key, value, timestampUs: timestampMs * 1000 })),
        ),
      close: async () => undefined,
    };
    const log = new ServingLog({
      writer,
      topic: SERVED_TOPIC,
      clock: this.clock,
      logId: `log-${++this.#logs}`,
      sample: 1,
    });
    // Of itself, and in a role of a service: what was served is the same.
    const role = this.#requests % 2 === 0 ? undefined : 'giver';
    log.offer(`request-${++this.#requests}`, role === undefined ? null : 'model', reads, keys, undefined, role);
    await log.close();
    return reads;
  }

  audit(options: Partial<AuditOptions> = {}): Promise<AuditOutcome> {
    return auditParity({
      view: this.view.name,
      code: codeOf([this.view]),
      pool: this.pool,
      reader: this.reader,
      archiveDir: null,
      servedTopic: SERVED_TOPIC,
      kind: 'audit',
      spillDir: this.folder,
      clock: this.clock,
      ...options,
    });
  }

  /** Changes the stored state of an entity (by its first key), by default with the checksum that goes with it. */
  async corrupt(
    key: string,
    change: (bytes: Buffer) => Uint8Array | Promise<Uint8Array>,
    withCrc = true,
  ): Promise<void> {
    const table = await this.stateTable();
    const column = ident(this.view.layout.keys[0]!.name);
    const { rows } = await this.pool.query<{ state: Buffer }>(`SELECT state FROM ${table} WHERE ${column} = $1`, [key]);
    const state = await change(Buffer.from(rows[0]!.state));
    const crc = withCrc ? stateCrc(state) : stateCrc(rows[0]!.state);
    await this.pool.query(`UPDATE ${table} SET state = $2, state_crc = $3 WHERE ${column} = $1`, [
      key,
      Buffer.from(state),
      crc,
    ]);
  }

  /** Changes the stored state as the engine has it. */
  corruptState(key: string, change: (state: EntityState) => void): Promise<void> {
    return this.corrupt(key, (bytes) => {
      const state = this.reducer.decode(bytes);
      change(state);
      return this.reducer.encode(state);
    });
  }

  /** Makes every version so far one that earlier semantics of the engine built. */
  async upgradeEngine(): Promise<void> {
    await this.pool.query('UPDATE millrace_catalog.view_version SET semantics = $1, fingerprint = $2', [
      ENGINE_SEMANTICS - 1,
      'before',
    ]);
  }

  async stateTable(): Promise<string> {
    const live = await liveVersion(this.pool, this.view.name);
    return stateTable(live!.stateTable);
  }
}

/** Worlds over one database per test file; each has its own, as views of one name would meet. */
export async function openWorld(
  databaseUrl: string,
  options: { view: CompiledView; partitions?: number; nowUs: number },
): Promise<ParityWorld & { close(): Promise<void> }> {
  const database = await openStreamDatabase(databaseUrl);
  const folder = await mkdtemp(join(tmpdir(), 'millrace-parity-'));
  const world = new ParityWorld({ partitions: 2, ...options, pool: database.pool, folder });
  return Object.assign(world, {
    close: async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  });
}
