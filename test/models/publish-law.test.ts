/** A torn or mixed model is never seen, whatever dies. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { tendModels } from '../../activities/tend-models.ts';
import { fetchModel } from '../../engine/models/fetch-model.ts';
import { type Healed, healModels, needsHealing } from '../../engine/models/heal-models.ts';
import { modelFile, removeAbandoned } from '../../engine/models/model-archive.ts';
import { CHUNK_BYTES, decodeModelRecord, encodeModelRecord } from '../../engine/models/model-record.ts';
import { MOST_MODEL_BYTES } from '../../engine/models/model-source-file.ts';
import { auditEvents } from '../../engine/postgres/audit-events.ts';
import { aliasVersions, modelVersions } from '../../engine/postgres/model-versions.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { MemoryLog } from './memory-log.ts';
import { type ModelWorld, openModelWorld, TOPIC } from './model-world.ts';

let world: ModelWorld;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
let models = 0;
const newModel = (): string => `model_${++models}`;
const died = new MillraceError('kafka-failed', 'died', { remedy: 'None.' });
const fromTopic = (log: MemoryLog) => ({ reader: log, archiveDir: null });

describe('a record', () => {
  it('comes out as it went in, and what is none of ours is passed over', () => {
    const seed = Date.now();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(5), fc.uuid(), (bytes, index, publishId) => {
        const chunk = { kind: 'chunk', publishId, index, count: index + 1, bytes: Buffer.from(bytes) } as const;
        expect(decodeModelRecord(encodeModelRecord(chunk))).toEqual(chunk);
        expect(() => decodeModelRecord(bytes)).not.toThrow();
        expect(decodeModelRecord(encodeModelRecord(chunk).subarray(0, 20))).toBeNull();
      }),
      { seed },
    );
    expect(decodeModelRecord(encodeModelRecord({ kind: 'announcement', model: 'late' }))).toEqual({
      kind: 'announcement',
      model: 'late',
    });
    for (const value of [null, Buffer.from('{}'), Buffer.from('MRM1\u0001\u0000\u0000\u0000\u0002[]')])
      expect(decodeModelRecord(value)).toBeNull();
  });
});

describe('a publish', () => {
  it('that dies at any step leaves nothing to be seen; done again it is one version, whole', async () => {
    const bytes = randomBytes(CHUNK_BYTES * 2 + 1000);
    const steps: string[] = [];
    const log = new MemoryLog();
    await world.publish(log, bytes, {
      model: newModel(),
      onProgress: ({ step, bytes: at }) => steps.push(`${step} ${at}`),
    });
    expect(steps).toEqual([
      'hashed 0',
      'archived 0',
      `sending ${CHUNK_BYTES}`,
      `sending ${CHUNK_BYTES * 2}`,
      `sending ${bytes.length}`,
      `read-back ${bytes.length}`,
      `written ${bytes.length}`,
      `announced ${bytes.length}`,
    ]);
    for (const [at, step] of steps.entries()) {
      const model = newModel();
      const own = new MemoryLog();
      let seen = 0;
      const dying = world.publish(own, bytes, {
        model,
        onProgress: () => {
          if (seen++ === at) throw died;
        },
      });
      await expect(dying).rejects.toBe(died);
      const rows = await modelVersions(world.pool, model);
      // Before the row there is nothing, from the row on all of it.
      const isThere = step.startsWith('written') || step.startsWith('announced');
      expect({ step, rows: rows.length }).toEqual({ step, rows: isThere ? 1 : 0 });
      for (const row of rows) expect(hashOf(await fetchModel(fromTopic(own), row))).toBe(hashOf(bytes));
      const { version, isNew } = await world.publish(own, bytes, { model });
      expect({ step, isNew }).toEqual({ step, isNew: !isThere });
      expect((await modelVersions(world.pool, model)).map((row) => row.version)).toEqual([1]);
      expect(hashOf(await fetchModel(fromTopic(own), version))).toBe(hashOf(bytes));
    }
  });

  it('whose answers are lost, and others that write at once, come out whole', async () => {
    const seed = Date.now();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: CHUNK_BYTES * 2 }), { minLength: 1, maxLength: 3 }),
        fc.array(fc.constantFrom('taken', 'written-but-away', 'away'), { maxLength: 12 }),
        fc.infiniteStream(fc.nat({ max: 3 })),
        async (sizes, outcomes, turns) => {
          const model = newModel();
          const log = new MemoryLog();
          log.put(Buffer.from('not ours'));
          log.outcome = async (_, sends) => {
            // Lets the others get in between.
            for (let turn = turns.next().value ?? 0; turn > 0; turn--) await new Promise(setImmediate);
            return outcomes[sends] ?? 'taken';
          };
          const all = sizes.map((size) => randomBytes(size + 16));
          const settled = await Promise.allSettled(all.map((bytes) => world.publish(log, bytes, { model })));
          const versions = await modelVersions(world.pool, model);
          for (const [index, one] of settled.entries()) {
            if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'service-unreachable' });
            else expect(one.value.version.sha256).toBe(hashOf(all[index]!));
          }
          expect(versions.length).toBe(settled.filter(({ status }) => status === 'fulfilled').length);
          for (const version of versions) {
            const bytes = await fetchModel(fromTopic(log), version);
            expect(hashOf(bytes)).toBe(version.sha256);
            expect(all.some((given) => given.equals(bytes))).toBe(true);
          }
        },
      ),
      { seed, numRuns: 15 },
    );
  });

  it('of one file by several at once is one version, noted once', async () => {
    const model = newModel();
    const log = new MemoryLog();
    log.outcome = async () => {
      await new Promise(setImmediate);
      return 'taken' as const;
    };
    const bytes = randomBytes(CHUNK_BYTES + 7);
    const published = await Promise.all([1, 2, 3].map(() => world.publish(log, bytes, { model })));
    expect(published.map(({ version }) => version.version)).toEqual([1, 1, 1]);
    expect(published.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await auditEvents(world.pool, { subject: model, limit: 10 })).toMatchObject([
      { actor: 'ana@laptop', action: 'model publish', input: { as: 'champion' }, result: { version: 1, isNew: true } },
    ]);
    // Another version; then the first again: the alias goes back to it, and nothing is sent.
    await world.publish(log, randomBytes(10), { model });
    const sends = log.sends;
    const again = await world.publish(log, bytes, { model });
    expect(again).toMatchObject({ isNew: false, version: { version: 1 } });
    expect(log.sends).toBe(sends + 1); // the announcement
    expect((await aliasVersions(world.pool, model, 'champion')).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('whose announcement cannot be sent stands, and says so', async () => {
    const log = new MemoryLog();
    log.outcome = ({ value }) => (decodeModelRecord(value)?.kind === 'announcement' ? 'away' : 'taken');
    const { version, unannounced } = await world.publish(log, randomBytes(10), { model: newModel() });
    expect(unannounced).toMatchObject({ code: 'service-unreachable' });
    expect(await fetchModel(fromTopic(log), version)).toHaveLength(10);
  });

  it('of a file that is written meanwhile is refused, and nobody is given it', async () => {
    const model = newModel();
    const log = new MemoryLog();
    const path = await world.file(randomBytes(CHUNK_BYTES * 2));
    const publishing = world.publish(log, Buffer.alloc(0), {
      model,
      file: path,
      onProgress: ({ step }) => step,
    });
    log.outcome = async (_, sends) => {
      if (sends === 1) await writeFile(path, randomBytes(CHUNK_BYTES * 2));
      return 'taken' as const;
    };
    await expect(publishing).rejects.toMatchObject({ code: 'model-not-published', retryable: true });
    expect(await modelVersions(world.pool, model)).toEqual([]);
  });

  it('of a file that is empty, missing or too large is refused before anything is sent', async () => {
    const log = new MemoryLog();
    const large = await world.file(Buffer.alloc(0));
    await truncate(large, MOST_MODEL_BYTES + 1);
    const refused = async (file: string) => {
      await expect(world.publish(log, Buffer.alloc(0), { file, model: 'no' })).rejects.toMatchObject({
        code: 'unfit-model-file',
      });
    };
    await refused(large);
    await refused(await world.file(Buffer.alloc(0)));
    await refused(`${world.folder}/none`);
    await refused(world.folder);
    expect(log.sends).toBe(0);
  });

  it('on a topic of several partitions is refused', async () => {
    const log = new MemoryLog();
    log.onBounds = (one) => ({
      ...one,
      partitions: [...one.partitions, { partition: 1, lowOffset: 0, endOffset: 0 }],
    });
    await expect(world.publish(log, randomBytes(3), { model: 'no' })).rejects.toMatchObject({
      code: 'model-topic-unfit',
    });
  });
});

describe('what topic or archive lost', () => {
  const healing = (log: MemoryLog, model: string) =>
    healModels({
      pool: world.pool,
      reader: log,
      writer: log,
      topic: TOPIC,
      archiveDir: world.archiveDir,
      clock: systemClock,
      newId: () => crypto.randomUUID(),
      actor: 'ana@laptop',
      model,
    });

  it('goes a day later, where it is the rest of a file that was never whole', async () => {
    const model = newModel();
    const log = new MemoryLog();
    const { version } = await world.publish(log, randomBytes(5), { model });
    const kept = modelFile(world.archiveDir, version);
    const parts = ['old', 'new'].map((name) => `${kept}.${name}.part`);
    for (const path of parts) await writeFile(path, 'half of it');
    const yesterday = new Date(Date.now() - 90_000_000);
    await utimes(parts[0]!, yesterday, yesterday);
    await utimes(kept, yesterday, yesterday);
    await healing(log, model);
    const names = await readdir(dirname(kept));
    expect(names.toSorted()).toEqual([basename(kept), basename(parts[1]!)].toSorted());
    expect(await removeAbandoned(join(world.archiveDir, 'nowhere'), Date.now())).toEqual([]);
  });

  it('is read from the other, and put back; lost from both it is named', async () => {
    const model = newModel();
    const log = new MemoryLog();
    const bytes = randomBytes(CHUNK_BYTES + 5);
    const { version } = await world.publish(log, bytes, { model });
    const needs = async (): Promise<string[]> =>
      (await needsHealing({ pool: world.pool, reader: log, archiveDir: world.archiveDir }))
        .map((one) => one.model)
        .filter((name) => name === model);
    expect(await needs()).toEqual([]);
    expect(await healing(log, model)).toEqual([{ model, version: 1, outcome: 'whole', why: null }]);

    log.loseHead(1);
    await expect(fetchModel(fromTopic(log), version)).rejects.toMatchObject({
      code: 'model-lost',
      message: expect.stringContaining('the topic begins at 1') as string,
    });
    const places = { reader: log, archiveDir: world.archiveDir };
    expect(hashOf(await fetchModel(places, version))).toBe(version.sha256);
    expect(await needs()).toEqual([model]);
    expect(await healing(log, model)).toMatchObject([{ outcome: 'sent', why: 'the topic begins at 1' }]);
    const [moved] = await modelVersions(world.pool, model);
    expect(moved).toMatchObject({ version: 1, sha256: version.sha256, fromOffset: version.untilOffset + 1 });
    expect(hashOf(await fetchModel(fromTopic(log), moved!))).toBe(version.sha256);
    expect(await needs()).toEqual([]);

    // The archive's folder: gone, then damaged.
    const kept = modelFile(world.archiveDir, version);
    await truncate(kept, 3);
    expect(await needs()).toEqual([model]);
    expect(await healing(log, model)).toMatchObject([{ outcome: 'archived' }]);
    expect(hashOf(await fetchModel({ reader: null, archiveDir: world.archiveDir }, version))).toBe(version.sha256);
    const file = await open(kept, 'r+');
    await file.write(Buffer.from('x!'), 0, 2, 5);
    await file.close();
    await expect(fetchModel({ reader: null, archiveDir: world.archiveDir }, version)).rejects.toMatchObject({
      code: 'model-lost',
    });
    // Damaged where it stands: it is another file, and is replaced by what the topic has.
    expect(await healing(log, model)).toMatchObject([{ outcome: 'archived' }]);
    expect(hashOf(await fetchModel({ reader: null, archiveDir: world.archiveDir }, version))).toBe(version.sha256);
    await truncate(kept, 3);
    log.clusterId = 'another';
    expect(await healing(log, model)).toMatchObject([{ outcome: 'lost' }]);
    // The file itself, published again, is the same version, and its bytes are there once more.
    const again = await world.publish(log, bytes, { model });
    expect(again).toMatchObject({ isNew: false, version: { version: 1, clusterId: 'another' } });
    expect(hashOf(await fetchModel(fromTopic(log), again.version))).toBe(version.sha256);
    expect(await healing(log, model)).toMatchObject([{ outcome: 'whole' }]);
  });

  it('is put back by a worker, by itself, and once', async () => {
    const model = newModel();
    const log = new MemoryLog();
    const { version } = await world.publish(log, randomBytes(50), { model });
    const elsewhere = new MemoryLog();
    elsewhere.clusterId = 'another';
    elsewhere.put(Buffer.from('x'));
    const healed: Healed[] = [];
    const tenders = [1, 2].map(() =>
      tendModels({
        pool: world.pool,
        reader: elsewhere,
        writer: elsewhere,
        topic: TOPIC,
        archiveDir: world.archiveDir,
        clock: systemClock,
        newId: () => crypto.randomUUID(),
        actor: 'worker w1',
        everyMs: 5,
        onHealed: (one) => one.model === model && healed.push(one),
        onError: (error) => expect(error).toBeUndefined(),
      }),
    );
    for (const tender of tenders) tender.start();
    await vi.waitFor(() => expect(healed).not.toEqual([]), 60_000);
    await Promise.all(tenders.map((tender) => tender.stop()));
    expect(healed).toMatchObject([{ outcome: 'sent', why: 'the topic is on cluster another, and not on c' }]);
    const [moved] = await modelVersions(world.pool, model);
    expect(await fetchModel(fromTopic(elsewhere), moved!)).toEqual(await fetchModel(fromTopic(log), version));
    expect((await auditEvents(world.pool, { subject: model, limit: 1 }))[0]).toMatchObject({
      actor: 'worker w1',
      action: 'model heal',
    });
  });

  it('is put back by a worker of what aliases stand for alone, though one model cannot be and the topic of another is gone', async () => {
    const [model, failing, gone] = [newModel(), newModel(), newModel()];
    const log = new MemoryLog();
    for (let n = 0; n < 3; n++) await world.publish(log, randomBytes(20 + n), { model });
    await world.publish(log, randomBytes(30), { model: failing });
    await world.publish(log, randomBytes(40), { model: gone, topic: 'gone' });
    const elsewhere = new MemoryLog();
    elsewhere.clusterId = 'third';
    elsewhere.onBounds = (bounds) => {
      if (bounds.topic === 'gone') throw new MillraceError('topic-not-found', 'it is gone', { remedy: 'None.' });
      return bounds;
    };
    elsewhere.outcome = ({ key }) => (key !== null && Buffer.from(key).toString() === failing ? 'away' : 'taken');
    const [healed, failures]: [Healed[], unknown[]] = [[], []];
    const tender = tendModels({
      pool: world.pool,
      reader: elsewhere,
      writer: elsewhere,
      topic: TOPIC,
      archiveDir: world.archiveDir,
      clock: systemClock,
      newId: () => crypto.randomUUID(),
      actor: 'worker w1',
      everyMs: 5,
      onHealed: (one) => [model, failing, gone].includes(one.model) && healed.push(one),
      onError: (error) => failures.push(error),
    });
    tender.start();
    // Twice around: the second finds the rest as the first one left it.
    await vi.waitFor(() => expect(failures.length).toBeGreaterThan(1), 60_000);
    await tender.stop();
    const places = healed.map((one) => `${one.model} ${one.version} ${one.outcome}`);
    expect(places.sort()).toEqual([`${gone} 1 sent`, `${model} 2 sent`, `${model} 3 sent`].sort());
    for (const error of failures) expect(error).toMatchObject({ code: 'service-unreachable' });
  });

  it('a topic that holds other records at its offsets gives nothing of them', async () => {
    const model = newModel();
    const log = new MemoryLog();
    const bytes = randomBytes(CHUNK_BYTES + 5);
    const { version } = await world.publish(log, bytes, { model });
    const row = (await modelVersions(world.pool, model))[0]!;
    const chunk = (index: number, part: Uint8Array, publishId = row.publishId, count = 2) =>
      encodeModelRecord({ kind: 'chunk', publishId, index, count, bytes: part });
    const forgeries: Uint8Array[][] = [
      [chunk(0, randomBytes(CHUNK_BYTES)), chunk(1, bytes.subarray(CHUNK_BYTES))],
      [chunk(1, bytes.subarray(CHUNK_BYTES)), chunk(0, bytes.subarray(0, CHUNK_BYTES))],
      [chunk(0, bytes.subarray(0, CHUNK_BYTES)), chunk(1, bytes.subarray(CHUNK_BYTES), crypto.randomUUID())],
      [chunk(0, bytes.subarray(0, 9)), chunk(1, bytes.subarray(CHUNK_BYTES))],
      [chunk(0, bytes.subarray(0, CHUNK_BYTES)), chunk(1, Buffer.alloc(0))],
      [chunk(0, bytes.subarray(0, CHUNK_BYTES), row.publishId, 3), chunk(1, bytes.subarray(CHUNK_BYTES))],
      [Buffer.from('x'), Buffer.from('y')],
    ];
    for (const forged of forgeries) {
      const other = new MemoryLog();
      for (const value of forged) other.put(value);
      await expect(fetchModel(fromTopic(other), { ...version, fromOffset: 0, untilOffset: 2 })).rejects.toMatchObject({
        code: 'model-lost',
      });
    }
  });

  it("a part file that a dead publish left in the archive is in nobody's way", async () => {
    const model = newModel();
    const bytes = randomBytes(100);
    const path = modelFile(world.archiveDir, { model, sha256: hashOf(bytes) });
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.dead.part`, 'half');
    const { version } = await world.publish(new MemoryLog(), bytes, { model });
    expect(await fetchModel({ reader: null, archiveDir: world.archiveDir }, version)).toEqual(bytes);
    expect((await readdir(dirname(path))).sort()).toEqual([version.sha256, `${version.sha256}.dead.part`]);
  });
});
