import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { runBackfill } from '../../engine/backfill/run-backfill.ts';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { emptyCounts } from '../../engine/admission/log-counts.ts';
import { deadLetters } from '../../engine/postgres/dead-letters.ts';
import { streamOffsets } from '../../engine/postgres/stream-offsets.ts';
import { runStream } from '../../engine/stream/run-stream.ts';
import { type KafkaFixture, openKafka } from '../kafka/kafka-fixture.ts';
import { openStreamDatabase, publishEmptyVersion, stateBytes } from '../stream/stream-fixture.ts';
import { notesView } from './notes-view.ts';

const NOW_MS = Date.now();
const MEGABYTE = 1_000_000;

let database: Awaited<ReturnType<typeof openStreamDatabase>>;
let kafka: KafkaFixture;
let folder: string;
beforeAll(async () => {
  const { databaseUrl, kafkaBrokers } = inject('stack');
  database = await openStreamDatabase(databaseUrl);
  kafka = await openKafka(kafkaBrokers);
  folder = await mkdtemp(join(tmpdir(), 'millrace-bad-input-'));
});
afterAll(async () => {
  await kafka?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

/** What is to become of a record: where it is counted, and for a dead letter what its reasons say. */
interface Case {
  readonly what: string;
  readonly value: string | Buffer | null;
  readonly becomes: 'applied' | 'nullKey' | 'filtered' | 'duplicates' | 'tombstones' | RegExp;
}

let serial = 0;
function note(fields: Readonly<Record<string, unknown>> = {}): string {
  const at = new Date(NOW_MS - 60_000 + serial).toISOString();
  return JSON.stringify({ id: `n${serial++}`, at, person: `p${serial % 3}`, amount: serial, note: null, ...fields });
}

/** A valid note of exactly so many bytes. */
function noteOfBytes(bytes: number, fields: Readonly<Record<string, unknown>> = {}): string {
  const empty = note({ ...fields, note: '' });
  return empty.replace('"note":""', `"note":"${'x'.repeat(bytes - Buffer.byteLength(empty))}"`);
}

const years = (n: number): string => new Date(NOW_MS + n * 365 * 86_400_000).toISOString();

function cases(): Case[] {
  const twice = note();
  const dropped = note({ note: 'drop' });
  return [
    { what: 'valid', value: note(), becomes: 'applied' },
    { what: 'a tombstone', value: null, becomes: 'tombstones' },
    { what: 'empty', value: Buffer.alloc(0), becomes: /the value is empty/ },
    { what: 'blank', value: '   ', becomes: /JSON/ },
    { what: 'not JSON', value: 'hello', becomes: /JSON/ },
    { what: 'half of a JSON', value: note().slice(0, -5), becomes: /JSON/ },
    { what: 'JSON and more', value: `${note()}${note()}`, becomes: /JSON/ },
    { what: 'bytes that are not UTF-8', value: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), becomes: /UTF-8/ },
    { what: 'JSON null', value: 'null', becomes: /expected a JSON object, received null/ },
    { what: 'a list', value: '[1]', becomes: /expected a JSON object, received a list/ },
    { what: 'a number', value: '7', becomes: /expected a JSON object, received 7/ },
    {
      what: 'an empty object',
      value: '{}',
      becomes: /id: expected text.*\n.*at: expected.*\n.*person: .*\n.*amount: /,
    },
    { what: 'a field of another type', value: note({ amount: '7' }), becomes: /^amount: expected .*, received "7"$/ },
    { what: 'a field out of its range', value: note({ amount: -1 }), becomes: /^amount: / },
    {
      what: 'a number too large for one',
      value: note().replace(/"amount":\d+/, '"amount":1e999'),
      becomes: /^amount: /,
    },
    { what: 'NUL in a text', value: note({ person: 'a\0b' }), becomes: /^person: / },
    { what: 'half a surrogate pair', value: note({ person: 'a\ud800' }), becomes: /^person: / },
    { what: 'a time without offset', value: note({ at: '2001-01-01T00:00:00' }), becomes: /^at: / },
    { what: 'a time that is none', value: note({ at: 'soon' }), becomes: /^at: / },
    {
      what: 'an event time years ahead',
      value: note({ at: years(5) }),
      becomes: /^at: ahead-of-broker-time: the event time lies .* ahead/,
    },
    { what: 'the last time there is', value: note({ at: '9999-12-31T23:59:59.999999Z' }), becomes: /^at: / },
    { what: 'an event time years ago', value: note({ at: years(-30) }), becomes: 'applied' },
    { what: 'valid after those', value: note(), becomes: 'applied' },
    { what: 'a null join key', value: note({ person: null }), becomes: 'nullKey' },
    { what: 'a megabyte, valid', value: noteOfBytes(MEGABYTE), becomes: 'applied' },
    { what: 'a megabyte of text that is not JSON', value: 'x'.repeat(MEGABYTE), becomes: /JSON/ },
    {
      what: 'a megabyte in a field of a wrong type',
      value: note({ amount: 'x'.repeat(MEGABYTE - 200) }),
      becomes: /^amount: .*…/,
    },
    { what: 'a megabyte of open brackets', value: '['.repeat(MEGABYTE), becomes: /JSON/ },
    {
      what: 'half a million nested lists in a field',
      value: note({ amount: 'HERE' }).replace('"HERE"', '['.repeat(450_000) + ']'.repeat(450_000)),
      becomes: /^amount: /,
    },
    {
      what: 'a megabyte of one join key',
      value: note({ person: randomBytes(450_000).toString('hex') }),
      becomes: /^key: /,
    },
    { what: 'a long join key', value: note({ person: randomBytes(2_000).toString('hex') }), becomes: /^key: / },
    {
      what: 'the longest join key there may be',
      value: note({ person: randomBytes(1_000).toString('hex') }),
      becomes: 'applied',
    },
    { what: 'an id of a megabyte', value: note({ id: 'i'.repeat(MEGABYTE - 200) }), becomes: 'applied' },
    { what: 'a row function that fails', value: note({ note: 'throw' }), becomes: /^features\.checked: / },
    { what: 'dropped by where', value: dropped, becomes: 'filtered' },
    { what: 'that again', value: dropped, becomes: 'duplicates' },
    { what: 'sent twice', value: twice, becomes: 'applied' },
    { what: 'the second of them', value: twice, becomes: 'duplicates' },
    { what: 'fields the contract does not know', value: note({ __proto__x: 1, constructor: 2 }), becomes: 'applied' },
    { what: 'the last one', value: note(), becomes: 'applied' },
  ];
}

interface Letter {
  readonly offset: number;
  readonly payload: string | null;
  readonly reasons: string;
}

async function lettersOf(view: CompiledView, version: number): Promise<Letter[]> {
  const all = await deadLetters(database.pool, view.name, 10_000);
  return all
    .filter((letter) => letter.version === version)
    .map(({ offset, payload, reasons }) => ({
      offset,
      payload: payload === null ? null : Buffer.from(payload).toString('latin1'),
      reasons: reasons.join('\n'),
    }))
    .toSorted((a, b) => a.offset - b.offset);
}

test('every bad record becomes what it should, once, in stream and backfill alike', { timeout: 180_000 }, async () => {
  const topic = `bad-records-${randomUUID()}`;
  await kafka.createTopic(topic, 1);
  const view = await notesView(topic);
  const log = cases();
  for (const { value } of log) {
    // One by one: a batch of them would be larger than the broker takes.
    await kafka.producer.send({ topic, messages: [{ partition: 0, key: 'k', value }] });
  }
  const expected = emptyCounts();
  expected.records = log.length;
  const buried = new Map<number, Case & { becomes: RegExp }>();
  for (const [offset, one] of log.entries()) {
    if (one.becomes instanceof RegExp) {
      expected.invalid++;
      buried.set(offset, { ...one, becomes: one.becomes });
    } else {
      expected[one.becomes]++;
      if (one.what === 'an event time years ago') expected.undeduped++;
    }
  }

  // The stream is stopped after every few micro-batches and goes on in a new run: nothing may come twice by that.
  const version = await publishEmptyVersion(database.pool, view, await kafka.reader.bounds(topic));
  let runs = 0;
  for (let ended = ''; ended !== 'present-end'; runs++) {
    const controller = new AbortController();
    let commits = 0;
    const result = await runStream({
      view,
      version,
      pool: database.pool,
      reader: kafka.reader,
      clock: systemClock,
      until: 'present-end',
      fence: { generation: 1, attemptMs: runs, owner: 'test' },
      signal: controller.signal,
      limits: { batchRecords: 3, maxBatchRecords: 3 },
      onProgress: () => undefined,
      failAt: (point) => void (point === 'after-commit' && ++commits === 3 && controller.abort()),
    });
    ended = result.ended;
  }
  expect(runs).toBeGreaterThan(2);
  const [offset] = await streamOffsets(database.pool, view.name, version);
  expect(offset).toMatchObject({ nextOffset: log.length, counts: expected });
  const letters = await lettersOf(view, version);
  expect(letters.map((letter) => log[letter.offset]?.what)).toEqual([...buried.values()].map((one) => one.what));
  for (const { offset: at, payload, reasons } of letters) {
    const { what, value, becomes } = buried.get(at)!;
    expect.soft([what, reasons]).toEqual([what, expect.stringMatching(becomes)]);
    expect(payload).toBe(Buffer.from(value ?? '').toString('latin1'));
    // Whatever a record holds, a person can read why it was refused.
    expect(reasons.length).toBeLessThan(2_000);
  }
  const streamed = await stateBytes(database.pool, view, version);
  expect(streamed.length).toBe(4);

  // The same log as a batch.
  const backfilled = await runBackfill({
    view,
    pool: database.pool,
    reader: kafka.reader,
    spillDir: folder,
    clock: systemClock,
    builder: 'test',
  });
  expect(backfilled.counts).toEqual(expected);
  expect(await stateBytes(database.pool, view, backfilled.version)).toEqual(streamed);
  const again = await lettersOf(view, backfilled.version);
  expect(again.map(({ offset: at, reasons }) => [at, reasons])).toEqual(
    letters.map(({ offset: at, reasons }) => [at, reasons]),
  );
});
