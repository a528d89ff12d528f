import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { addCounts, emptyCounts, type LogCounts } from '../../engine/admission/log-counts.ts';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { Shape } from '../../engine/contract/row-of.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import type { FeatureView } from '../../engine/define/feature-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import type { Source, SourceFacts } from '../../engine/define/source.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { inspectHistory } from '../../engine/history/inspect-history.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { deadLetters } from '../../engine/postgres/dead-letters.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { exportTrainingSet } from '../../engine/training/export-training-set.ts';
import type { TrainingManifest } from '../../engine/training/training-types.ts';
import { systemClock } from '../../engine/values/clock.ts';
import type { FeaturesResponse } from '../../serving/api-schemas.ts';
import { startApi } from '../../serving/start-api.ts';
import type { StackAddresses } from '../global-setup.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { openStreamDatabase, stateBytes } from '../stream/stream-fixture.ts';
import { readParquet } from '../training/training-fixture.ts';

/** What a situation has of its own. */
export interface Own {
  readonly name: string;
  readonly topic: string;
  readonly folder: string;
}

/** The time of most events, and one after all of them. */
export const T = '2024-05-01T00:00:00Z';
export const LATER = '2024-05-02T00:00:00Z';

/** What most contracts begin with; the key is `id`. */
export const ID_AT = { id: z.string(), at: z.iso.datetime() };
export const user = entity('user', { id: z.string() });

/** Lets no number of invalid records stop a driver. */
export const ANY_INVALID = { rate: 1, window: 1000 };

/** A source over the files below `h/` and the topic; `history: undefined` leaves the files out. */
export function caseSource<Members extends Shape>(
  { name, topic, folder }: Own,
  members: Members,
  options: Partial<SourceFacts> = {},
): Source<string, Members> {
  const history = { path: `${folder}/h/*`, disjoint: true };
  const facts: SourceFacts = { schema: z.object(members), eventTime: 'at', topic, history, ...options };
  return { kind: 'source', name, options: facts };
}

/** A record of the topic; text is its value. */
export type Sent = string | Buffer | { readonly value: string | Buffer | null; readonly timestampMs: number };

/** A label: who, and when. */
export interface Label {
  readonly key: Readonly<Record<string, unknown>>;
  readonly at: string;
}

export interface Situation {
  /** The view under a name, a topic and a folder of its own. */
  readonly define: (own: Own) => FeatureView;
  /** History files by their path in the folder: text, bytes, or (Parquet) a SELECT. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  readonly records?: readonly Sent[];
  /** Default: user `a`, later than all events. */
  readonly labels?: readonly Label[];
  /** Puts records onto the topic in another way. */
  readonly send?: (topic: string) => Promise<void>;
}

/** What became of a situation: the same in batch, stream, training and serving, or `play` failed. */
export interface Outcome {
  /** Per label what a training set has, by feature: integers as bigint, decimals as text, times as epoch µs. */
  readonly rows: Readonly<Record<string, unknown>>[];
  /** Per label whether a read at its time says that the state holds events at or after it. */
  readonly ahead: readonly boolean[];
  readonly counts: LogCounts;
  /** Reasons of dead letters, of history before the topic's. */
  readonly letters: readonly { readonly reasons: string; readonly payload: Buffer | null }[];
  readonly manifest: TrainingManifest;
  /** Records between the stream and its topic's end, at its end. */
  readonly lag: number;
  readonly view: CompiledView;
}

/** Real services for situations, each with a view, a topic and a folder of its own. */
export class CaseWorld {
  readonly duckdb: DuckDb;
  readonly kafka: KafkaFixture;
  readonly folder: string;
  readonly #database: Awaited<ReturnType<typeof openStreamDatabase>>;
  #made = 0;

  private constructor(
    database: Awaited<ReturnType<typeof openStreamDatabase>>,
    kafka: KafkaFixture,
    folder: string,
    duckdb: DuckDb,
  ) {
    this.#database = database;
    this.kafka = kafka;
    this.folder = folder;
    this.duckdb = duckdb;
  }

  static async open(stack: StackAddresses): Promise<CaseWorld> {
    const database = await openStreamDatabase(stack.databaseUrl);
    const kafka = await openKafka(stack.kafkaBrokers);
    const folder = await mkdtemp(join(tmpdir(), 'millrace-cases-'));
    return new CaseWorld(database, kafka, folder, await openDuckDb({ memoryMb: 256, tempDir: join(folder, 'spill') }));
  }

  async close(): Promise<void> {
    await this.duckdb.close();
    await this.kafka.close();
    await this.#database.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Writes files below a new folder; gives that. */
  async files(contents: Readonly<Record<string, string | Buffer>>): Promise<string> {
    const at = join(this.folder, `case-${++this.#made}`);
    await mkdir(at);
    for (const [name, content] of Object.entries(contents)) {
      const path = join(at, name);
      await mkdir(dirname(path), { recursive: true });
      const isSql = name.endsWith('.parquet') && typeof content === 'string';
      if (isSql) await this.duckdb.run(`COPY (${content}) TO '${path}' (FORMAT parquet)`);
      else await writeFile(path, content);
    }
    return at;
  }

  async #compiled({ define }: Situation, folder: string, topic: string) {
    const name = `case_${this.#made}`;
    const view = define({ name, topic, folder });
    const service = featureService(`${name}_service`, [view]);
    // As `plan`: every footer, every header, and a sample of rows through the contract.
    const inspect = (source: CompiledView['source']): ReturnType<typeof inspectHistory> =>
      inspectHistory(source, this.duckdb, { sample: 1000, nowUs: systemClock.nowUs() });
    const definitions = await compileDefinitions(definitionsInMemory([view, service], folder), {
      inspectHistory: inspect,
    });
    return { view: definitions.views.get(name)!, service: definitions.services.get(service.name)! };
  }

  /** What `plan` says: `code at path: message. remedy` per fault. */
  async refusals(situation: Pick<Situation, 'define' | 'files'>): Promise<string[]> {
    const folder = await this.files(situation.files ?? {});
    try {
      await this.#compiled(situation, folder, `case-${randomUUID()}`);
    } catch (error) {
      const { faults } = (error as { details: { faults?: readonly Record<string, string>[] } }).details;
      if (faults === undefined) throw error;
      return faults.map(({ code, path, message, remedy }) => `${code} at ${path}: ${message}. ${remedy}`);
    }
    return [];
  }

  /**
   * Plans, backfills history, streams the topic's records, backfills both together, exports a training set and asks the API; all of them must
   * agree to the byte.
   */
  async play(situation: Situation): Promise<Outcome> {
    const folder = await this.files(situation.files ?? {});
    const topic = `case-${randomUUID()}`;
    await this.kafka.createTopic(topic, 1);
    const { view, service } = await this.#compiled(situation, folder, topic);
    const { pool } = this.#database;
    const hasTopic = view.source.topic !== null;
    const reader = hasTopic ? this.kafka.reader : null;
    const backfill = (): ReturnType<typeof runBackfill> =>
      runBackfill({
        view,
        pool,
        reader,
        spillDir: this.folder,
        clock: systemClock,
        builder: 'test',
      });
    // History alone, then its topic as a stream.
    const first = await backfill();
    await publishVersion({ pool, view: view.name, version: first.version });
    await this.#send(topic, situation);
    let lag = 0;
    let { counts } = first;
    if (hasTopic) {
      const streamed = await runStream({
        view,
        version: first.version,
        pool,
        reader: this.kafka.reader,
        clock: systemClock,
        until: 'present-end',
        fence: { generation: 1, attemptMs: 1, owner: 'test' },
        onProgress: () => undefined,
      });
      lag = streamed.lag;
      const [offset] = await streamOffsets(pool, view.name, first.version);
      counts = { ...counts };
      addCounts(counts, { ...emptyCounts(), ...offset!.counts });
    }
    const states = await stateBytes(pool, view, first.version);
    // Both as one batch.
    const second = await backfill();
    assert.deepEqual(await stateBytes(pool, view, second.version), states);
    assert.deepEqual(second.counts, counts);
    const letters = await this.#letters(view, first.version);
    assert.deepEqual(await this.#letters(view, second.version), letters);
    await publishVersion({ pool, view: view.name, version: second.version });

    const { labels = [{ key: { id: 'a' }, at: LATER }] } = situation;
    const spine = join(folder, 'spine.jsonl');
    const lines = labels.map(({ key, at }) => `${JSON.stringify({ ...key, event_timestamp: at })}\n`);
    await writeFile(spine, lines.join(''));
    const manifest = await exportTrainingSet({
      service,
      spine,
      out: join(folder, 'training.parquet'),
      mode: 'event-time',
      reader,
      spillDir: join(this.folder, 'spill'),
      clock: systemClock,
    });
    const { invalid, applied } = manifest.views[0]!.counts;
    assert.deepEqual([invalid, applied], [counts.invalid, counts.applied]);
    const set = await readParquet(join(folder, 'training.parquet'));
    const prefix = `${view.name}__`;
    const rows = set.rows.map((row) =>
      Object.fromEntries(view.layout.features.map(({ name }) => [name, row[prefix + name]])),
    );
    const ahead = await this.#expectServed(view, labels, rows);
    return { rows, ahead, counts, letters, manifest, lag, view };
  }

  async #send(topic: string, { records = [], send }: Situation): Promise<void> {
    for (const record of records) {
      const isPlain = typeof record === 'string' || Buffer.isBuffer(record);
      const { value, timestampMs } = isPlain ? { value: record, timestampMs: undefined } : record;
      await this.kafka.producer.send({
        topic,
        messages: [{ partition: 0, value, ...(timestampMs === undefined ? {} : { timestamp: String(timestampMs) }) }],
      });
    }
    await send?.(topic);
  }

  async #letters(view: CompiledView, version: number): Promise<Outcome['letters']> {
    const all = await deadLetters(this.#database.pool, view.name, 10_000);
    return all
      .filter((letter) => letter.version === version)
      .toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
      .map(({ reasons, payload }) => ({
        reasons: reasons.join('\n'),
        payload: payload === null ? null : Buffer.from(payload),
      }));
  }

  /** A read through HTTP after an entity's newest event is what the training set has. */
  async #expectServed(
    view: CompiledView,
    labels: readonly Label[],
    rows: readonly Readonly<Record<string, unknown>>[],
  ): Promise<boolean[]> {
    const ahead: boolean[] = [];
    const api = await startApi({ pool: this.#database.pool });
    try {
      for (const [index, { key, at }] of labels.entries()) {
        const response = await fetch(`${api.url}/v1/features`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ features: [view.name], entity: key, at }),
        });
        const answer = (await response.json()) as FeaturesResponse;
        if (response.status !== 200) throw new Error(`the API refused ${at}: ${JSON.stringify(answer)}`);
        const read = answer.results[0]!.views[view.name]!;
        ahead.push(read.ahead);
        if (read.ahead) continue;
        assert.equal(read.errors, null);
        assert.deepEqual(spelled(view, read.values), spelled(view, rows[index]!));
      }
    } finally {
      await api.close();
    }
    return ahead;
  }
}

/** Values of JSON and of Parquet in one spelling. */
function spelled(view: CompiledView, values: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    view.layout.features.map(({ name, result }) => {
      const value = values[name];
      const isIso = result.kind === 'timestamp' && typeof value === 'string';
      return [
        name,
        isIso ? String(Date.parse(`${value.slice(0, 23)}Z`) * 1000 + Number(value.slice(23, 26))) : String(value),
      ];
    }),
  );
}
