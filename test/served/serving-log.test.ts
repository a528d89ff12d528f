import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { FeatureLayout, ViewLayout } from '../../engine/define/view-layout.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { createServingLog } from '../../engine/served/create-serving-log.ts';
import type { ReadToLog } from '../../engine/served/read-encoder.ts';
import { isSampled, readKeyText } from '../../engine/served/sampled.ts';
import { ServingLog, type ServingLogOptions } from '../../engine/served/serving-log.ts';
import type { DropReason } from '../../engine/topic/buffered-log.ts';
import { ScriptedWriter } from './scripted-writer.ts';

/** Waits for a condition; the limit only ends a test that hangs. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, 60_000);

const keys: ViewLayout['keys'] = [{ name: 'id', type: { kind: 'string' } }];
const features: readonly FeatureLayout[] = [
  {
    name: 'note',
    aggregate: 'last',
    slot: 0,
    windowUs: null,
    hopUs: null,
    result: { kind: 'string' },
    nullable: true,
  },
];

function read(note: string | null = null, view = 'notes'): ReadToLog {
  return {
    view,
    version: 1,
    fingerprint: 'f',
    keys,
    features,
    values: [note],
    errors: null,
    found: true,
    asOfUs: 0,
    ahead: false,
    seq: 1,
    commitId: '-5',
  };
}

function opened(more: Partial<ServingLogOptions> = {}) {
  const writer = new ScriptedWriter();
  const drops: [DropReason, number, unknown][] = [];
  const log = new ServingLog({
    writer,
    topic: 'served',
    clock: systemClock,
    logId: 'log',
    sample: 1,
    flushMs: 1,
    onDrop: (reason, reads, cause) => drops.push([reason, reads, cause]),
    ...more,
  });
  const offer = (entity: string, note: string | null = null): void =>
    log.offer('request', null, [read(note)], [[entity]]);
  const written = (): { entity: string; note: string; readId: string }[] =>
    writer.written.map(({ value }) => {
      const row = JSON.parse(Buffer.from(value).toString()) as Record<string, string>;
      return {
        entity: (JSON.parse(row['entity']!) as { id: string }).id,
        note: (JSON.parse(row['values']!) as { note: string }).note,
        readId: row['read_id']!,
      };
    });
  return { writer, log, drops, offer, written };
}

const nothingDropped = { 'buffer-full': 0, 'too-large': 0, 'send-failed': 0, closed: 0 };

describe('sampling', () => {
  test('keeps about the share asked for, and of an entity all reads or none', async () => {
    const { log, offer, written } = opened({ sample: 0.1, maxBuffered: 100_000 });
    for (let round = 0; round < 3; round++) for (let n = 0; n < 5_000; n++) offer(`e${n}`);
    await log.close();
    const perEntity = new Map<string, number>();
    for (const { entity } of written()) perEntity.set(entity, (perEntity.get(entity) ?? 0) + 1);
    expect([...perEntity.values()].every((reads) => reads === 3)).toBe(true);
    // A hash is no dice: this number never changes.
    expect(perEntity.size).toBeGreaterThan(400);
    expect(perEntity.size).toBeLessThan(600);
    expect(log.figures).toEqual({ logged: perEntity.size * 3, dropped: nothingDropped, buffered: 0 });
    // Another process decides alike.
    const other = opened({ sample: 0.1, logId: 'other' });
    for (let n = 0; n < 5_000; n++) other.offer(`e${n}`);
    await other.log.close();
    expect(new Set(other.written().map(({ entity }) => entity))).toEqual(new Set(perEntity.keys()));
  });

  test('is decided by view and entity alone, and a larger sample contains a smaller one', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.string(), fc.string(), share, share, (view, entity, a, b) => {
        const key = readKeyText(view, entity);
        const [small, large] = a < b ? [a, b] : [b, a];
        if (isSampled(key, small)) expect(isSampled(key, large)).toBe(true);
        expect([isSampled(key, 0), isSampled(key, 1)]).toEqual([false, true]);
      }),
    );
  });

  test('a service has its own share: the settings, then its definition, then the default', async () => {
    const { log, written } = opened({ sample: 0, sampleOf: (service) => (service === 'override' ? 1 : undefined) });
    log.offer('request', null, [read()], [['direct']]);
    log.offer('request', 'plain', [read()], [['plain']]);
    log.offer('request', 'defined', [read()], [['defined']], 1);
    log.offer('request', 'override', [read()], [['overridden']], 0);
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['defined', 'overridden']);
  });

  test('is one in a hundred where nothing is said', async () => {
    const { log, offer } = opened({ sample: undefined, maxBuffered: 100_000 });
    for (let n = 0; n < 20_000; n++) offer(`e${n}`);
    await log.close();
    expect(log.figures.logged).toBeGreaterThan(100);
    expect(log.figures.logged).toBeLessThan(300);
  });

  test('refuses shares that are none', () => {
    const writer = new ScriptedWriter();
    for (const sample of [-0.1, 1.1, Number.NaN]) {
      const fault = expect.objectContaining({ code: 'invalid-sample' });
      expect(() => createServingLog({ writer, sample })).toThrow(fault);
      expect(() => createServingLog({ writer, services: { model: sample } })).toThrow(fault);
    }
    expect(() => createServingLog({ writer, topic: 'a b' })).toThrow(
      expect.objectContaining({ code: 'invalid-topic' }),
    );
  });
});

describe('offer', () => {
  test('comes back before anything is encoded or sent', async () => {
    const { log, offer, writer } = opened();
    for (let n = 0; n < 2_500; n++) offer('e');
    expect(writer.sends).toEqual([]);
    expect(log.figures).toEqual({ logged: 0, dropped: nothingDropped, buffered: 2_500 });
    await eventually(() => expect(log.figures.logged).toBe(2_500));
    expect(Math.max(...writer.sends)).toBeLessThanOrEqual(1_000);
    await log.close();
  });

  test('keeps the order of an entity, and gives every read an id of its own', async () => {
    const { log, writer, written } = opened();
    const notes = Array.from({ length: 50 }, (_, n) => String(n));
    for (const note of notes) {
      // One request that reads the same entity again and again, as a caller with an id of its own may.
      log.offer('same-request', null, [read(note), read(note)], [['a'], ['b']]);
      if (note === '25') await eventually(() => expect(log.figures.buffered).toBe(0));
    }
    await log.close();
    for (const entity of ['a', 'b']) {
      expect(
        written()
          .filter((one) => one.entity === entity)
          .map(({ note }) => note),
      ).toEqual(notes);
    }
    expect(new Set(written().map(({ readId }) => readId)).size).toBe(100);
    const recordKeys = new Set(writer.written.map(({ key }) => Buffer.from(key!).toString()));
    expect(recordKeys).toEqual(new Set(['notes\0a', 'notes\0b']));
  });

  test('drops what does not fit the buffer, and counts it', async () => {
    const { log, offer, writer, drops, written } = opened({ maxBuffered: 10 });
    writer.otherwise = 'silent';
    for (let n = 0; n < 25; n++) offer(`e${n}`);
    expect(log.figures).toEqual({ logged: 0, dropped: { ...nothingDropped, 'buffer-full': 15 }, buffered: 10 });
    expect(drops).toEqual([]); // told in the background, not to whoever reads
    await writer.nextSend();
    offer('more'); // being sent still counts
    expect(log.figures.dropped['buffer-full']).toBe(16);
    expect(written()).toEqual([]);
  });

  test('drops what would take more of the heap than it may, whatever the number of reads, and has room again for each that has gone', async () => {
    const { log, offer, writer, written } = opened({ maxBufferedBytes: 20_000 });
    const note = 'x'.repeat(4_000);
    writer.script = ['taken', 'refused', 'taken'];
    for (const round of [1, 2, 3]) {
      for (let n = 0; n < 4; n++) offer(`e${round}-${n}`, note);
      expect(log.figures).toMatchObject({ dropped: { 'buffer-full': 2 * round }, buffered: 2 });
      await eventually(() => expect(log.figures.buffered).toBe(0));
    }
    // Alone any is held, until no record can hold it.
    offer('alone', 'x'.repeat(1_000_000));
    await eventually(() => expect(log.figures.dropped['too-large']).toBe(1));
    offer('e4-0', note);
    offer('e4-1', note);
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['e1-0', 'e1-1', 'e3-0', 'e3-1', 'e4-0', 'e4-1']);
    expect(log.figures).toEqual({
      logged: 6,
      dropped: { ...nothingDropped, 'buffer-full': 6, 'send-failed': 2, 'too-large': 1 },
      buffered: 0,
    });
  });

  test('drops a read that no record can hold', async () => {
    const { log, offer, drops, written } = opened();
    offer('a', 'short');
    offer('b', 'x'.repeat(1_000_000));
    offer('c', 'short');
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['a', 'c']);
    expect(log.figures).toEqual({ logged: 2, dropped: { ...nothingDropped, 'too-large': 1 }, buffered: 0 });
    expect(drops).toEqual([['too-large', 1, undefined]]);
  });

  test('outlives a read that cannot be written', async () => {
    const { log, offer, drops, written } = opened();
    log.offer('request', null, [{ ...read(), asOfUs: Number.NaN }], [['broken']]);
    offer('whole');
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['whole']);
    expect(drops).toEqual([['send-failed', 1, expect.any(RangeError)]]);
    expect(log.figures).toEqual({ logged: 1, dropped: { ...nothingDropped, 'send-failed': 1 }, buffered: 0 });
  });

  test('sends large reads apart, so that no batch is larger than a broker takes', async () => {
    const { log, offer, writer } = opened();
    for (let n = 0; n < 6; n++) offer(`e${n}`, 'x'.repeat(400_000));
    await log.close();
    expect(writer.sends).toEqual([2, 2, 2]);
  });

  test('after the close counts what it drops', async () => {
    const { log, offer } = opened();
    await log.close();
    offer('late');
    expect(log.figures).toEqual({ logged: 0, dropped: { ...nothingDropped, closed: 1 }, buffered: 0 });
  });
});

describe('where Kafka is away', () => {
  test('the same reads are sent again, in order, with the same bytes, and logging goes on', async () => {
    const { log, offer, writer, written } = opened();
    writer.script = ['away', 'written-but-away', 'taken'];
    offer('a', '1');
    offer('a', '2');
    await eventually(() => expect(log.figures.logged).toBe(2));
    offer('a', '3');
    await log.close();
    expect(log.figures).toEqual({ logged: 3, dropped: nothingDropped, buffered: 0 });
    expect(written().map(({ note }) => note)).toEqual(['1', '2', '1', '2', '3']);
    const [first, , again] = writer.written;
    expect(Buffer.compare(first!.value, again!.value)).toBe(0);
  });

  test('gives a batch up after its time, tells why, and takes the next', async () => {
    const { log, offer, writer, drops, written } = opened({ retryForMs: 0 });
    writer.script = ['away', 'away'];
    offer('a');
    await eventually(() => expect(drops).toHaveLength(1));
    expect(drops[0]).toEqual(['send-failed', 1, expect.objectContaining({ code: 'service-unreachable' })]);
    offer('b');
    offer('c');
    await eventually(() => expect(log.figures.dropped['send-failed']).toBe(3));
    offer('d');
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['d']);
    expect(log.figures).toEqual({ logged: 1, dropped: { ...nothingDropped, 'send-failed': 3 }, buffered: 0 });
  });

  test('does not send again what was refused', async () => {
    const { log, offer, writer, drops } = opened();
    writer.script = ['refused'];
    offer('a');
    await eventually(() => expect(drops).toHaveLength(1));
    expect(drops[0]).toEqual(['send-failed', 1, expect.objectContaining({ code: 'topic-not-found' })]);
    offer('b');
    await log.close();
    expect(writer.sends).toEqual([1, 1]);
    expect(log.figures).toEqual({ logged: 1, dropped: { ...nothingDropped, 'send-failed': 1 }, buffered: 0 });
  });

  test('a full buffer is dropped from, and what is in it is kept until Kafka is back', async () => {
    const { log, offer, writer, drops, written } = opened({ maxBuffered: 3 });
    writer.otherwise = 'away';
    offer('a');
    await writer.nextSend();
    for (const entity of ['b', 'c', 'd', 'e']) offer(entity);
    await eventually(() => expect(drops).toEqual([['buffer-full', 2, undefined]]));
    writer.otherwise = 'taken';
    await eventually(() => expect(log.figures.buffered).toBe(0));
    offer('f');
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['a', 'b', 'c', 'f']);
    expect(log.figures).toEqual({ logged: 4, dropped: { ...nothingDropped, 'buffer-full': 2 }, buffered: 0 });
  });

  test.each(['silent', 'away'] as const)(
    'a close ends within its bound (%s), and counts what it leaves',
    async (how) => {
      const { log, offer, writer, drops } = opened({ closeForMs: 20, ownsWriter: true });
      writer.otherwise = how;
      for (let n = 0; n < 5; n++) offer(`e${n}`);
      await writer.nextSend();
      offer('waiting');
      await log.close();
      expect(writer.closed).toBe(true);
      expect(log.figures).toEqual({ logged: 0, dropped: { ...nothingDropped, 'send-failed': 6 }, buffered: 0 });
      expect(drops).toEqual([['send-failed', 6, undefined]]);
      await log.close();
    },
  );

  test('a close does not wait out the pause before the next attempt', async () => {
    const { log, offer, writer, written } = opened({ closeForMs: 60_000 });
    writer.script = ['away', 'away', 'away', 'away', 'away', 'away', 'away'];
    offer('a');
    await writer.nextSend();
    writer.script = [];
    await log.close();
    expect(written().map(({ entity }) => entity)).toEqual(['a']);
    expect(writer.closed).toBe(false); // it is not the log's
  });
});
