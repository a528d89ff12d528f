import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { runArchive } from '../../engine/archive/run-archive.ts';
import { withArchive } from '../../engine/archive/archived-log-reader.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { openKafka } from '../kafka/kafka-fixture.ts';
import { describeLogReader, type LogReaderFixture } from '../kafka/log-reader-conformance.ts';
import { openStreamDatabase } from '../stream/stream-fixture.ts';
import { purchaseBytes, spendingView } from '../stream/stream-view.ts';
import { nextFence } from './archive-fixture.ts';
import { namedFiles, withDuckDb } from './archive-look.ts';

/** Kafka behind an archive; with `archives`, all but the last records of what is appended is archived and deleted from the topic. */
async function openArchivedKafka(archives: boolean): Promise<LogReaderFixture> {
  const kafka = await openKafka(inject('stack').kafkaBrokers);
  const database = await openStreamDatabase(inject('stack').databaseUrl);
  const { pool } = database;
  const folder = await mkdtemp(join(tmpdir(), 'millrace-archive-'));
  const reader = withArchive(kafka.reader, { pool, archiveDir: folder, duckdbTempDir: join(folder, '.duckdb') });
  return {
    reader,
    createTopic: (topic, partitions) => kafka.createTopic(topic, partitions),
    append: async (topic, partition, values) => {
      await kafka.append(topic, partition, values);
      if (!archives) return;
      const { source } = spendingView({ topic });
      await runArchive({
        source: { ...source, name: topic },
        reader: kafka.reader,
        pool,
        archiveDir: folder,
        fence: nextFence(),
        until: 'present-end',
        clock: systemClock,
        roll: { rows: 128 },
      });
      const end = (await kafka.reader.bounds(topic)).partitions[partition]!.endOffset;
      await kafka.deleteBefore(topic, partition, Math.max(end - 2, 0));
    },
    deleteBefore: async (topic, partition, offset) => {
      if (!archives) return kafka.deleteBefore(topic, partition, offset);
      // Archiving began here.
      await pool.query(
        `UPDATE millrace_catalog.archive_range SET from_offset = $3, rows = until_offset - $3
         WHERE topic = $1 AND partition = $2 AND from_offset < $3 AND until_offset > $3`,
        [topic, partition, offset],
      );
    },
    ...(archives ? { deletedCode: 'log-hole' } : {}),
    close: async () => {
      await reader.close();
      await kafka.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describeLogReader('the log reader over Kafka with an archive that has nothing', () => openArchivedKafka(false));
describeLogReader('the log reader over Kafka with the head of each topic in the archive', () =>
  openArchivedKafka(true),
);

describe('an archive of a Kafka topic', () => {
  test('has the headers that the contract names, as columns and as Parquet readers see them', async () => {
    const kafka = await openKafka(inject('stack').kafkaBrokers);
    const database = await openStreamDatabase(inject('stack').databaseUrl);
    const archiveDir = await mkdtemp(join(tmpdir(), 'millrace-archive-'));
    try {
      const topic = `headers-${process.pid}-${Math.floor(performance.timeOrigin)}`;
      await kafka.createTopic(topic, 1);
      const value = purchaseBytes({ id: 'a', at: '2026-01-01T00:00:00.5Z', customer: 'c', amount: 3 });
      await kafka.producer.send({
        topic,
        messages: [
          { key: 'k', value, headers: { trace_id: 't-1', other: 'x', span: ['one', 'two'] } },
          { value: 'not json', headers: {} },
          { value: null, headers: { trace_id: Buffer.from([0xff, 0x00, 0x41]) } },
        ],
      });
      const records = [];
      const read = { topic, positions: new Map([[0, 0]]), ends: new Map([[0, 3]]), headers: true };
      for await (const batch of kafka.reader.read(read)) records.push(...batch.records);
      expect(
        records.map(({ headers }) =>
          Object.fromEntries([...headers!].map(([name, bytes]) => [name, Buffer.from(bytes).toString('latin1')])),
        ),
      ).toEqual([{ trace_id: 't-1', other: 'x', span: 'two' }, {}, { trace_id: '\u00ff\u0000A' }]);
      const { source } = spendingView({ topic, source: { headers: ['trace_id', 'span'] } });
      await runArchive({
        source,
        reader: kafka.reader,
        pool: database.pool,
        archiveDir,
        fence: nextFence(),
        until: 'present-end',
        clock: systemClock,
      });
      const [path] = await namedFiles(database.pool, source.name);
      const rows = await withDuckDb((duckdb) =>
        duckdb.query(
          `SELECT "offset"::INTEGER AS o, decode(key) AS k, valid, id, "at"::VARCHAR AS "at", amount::INTEGER AS amount, header_trace_id AS trace, header_span AS span
           FROM read_parquet($1) ORDER BY ALL`,
          [join(archiveDir, path!)],
        ),
      );
      const nothing = { k: null, valid: false, id: null, at: null, amount: null };
      expect(rows).toEqual([
        { o: 0, k: 'k', valid: true, id: 'a', at: '2026-01-01 00:00:00.5+00', amount: 3, trace: 't-1', span: 'two' },
        { o: 1, ...nothing, trace: null, span: null },
        { o: 2, ...nothing, trace: '\ufffd\ufffdA', span: null },
      ]);
    } finally {
      await kafka.close();
      await database.close();
      await rm(archiveDir, { recursive: true, force: true });
    }
  });
});
