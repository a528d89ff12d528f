import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { archiveStatus } from '../../engine/archive/archive-status.ts';
import { appendPurchases, type ArchiveWorld, asText, openArchiveWorld, readBetween } from './archive-fixture.ts';

let world: ArchiveWorld;

beforeEach(async () => {
  world = await openArchiveWorld(inject('stack').databaseUrl);
});
afterEach(() => world.close());

describe('runArchive', () => {
  test('copies what there is, and the topic can go', async () => {
    const { broker, topic, archived, pool, source, reader } = world;
    appendPurchases(broker, topic, 0, 0, 500);
    appendPurchases(broker, topic, 1, 0, 130);
    const before = await readBetween(reader, topic, [0, 0], [500, 130]);
    expect(await world.archive({ roll: { rows: 200 } })).toMatchObject({
      ended: 'present-end',
      records: 630,
      lag: 0,
      holes: [],
    });
    broker.deleteBefore(topic, 0, 420);
    broker.deleteBefore(topic, 1, 130);
    expect((await archived.bounds(topic)).partitions.map(({ lowOffset }) => lowOffset)).toEqual([0, 0]);
    const after = await readBetween(archived, topic, [0, 0], [500, 130]);
    expect(after.map((records) => records.map(asText))).toEqual(before.map((records) => records.map(asText)));
    const status = await archiveStatus({ pool, source, reader });
    expect(status.partitions).toMatchObject([
      { ranges: [{ fromOffset: 0, untilOffset: 500, rows: 500 }], holes: [], lag: 0, lowOffset: 420 },
      { ranges: [{ fromOffset: 0, untilOffset: 130, rows: 130 }], holes: [], lag: 0, lowOffset: 130 },
    ]);
  });
});
