/** Who read an entity, and what was decided by it: of the newest records of the serving log, bounded. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { entityRequests, MOST_RECORDS } from '../../console/read/entity-requests.ts';
import { keyText } from '../../engine/define/key-text.ts';
import { readKeyText } from '../../engine/served/sampled.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { fixedClock, NOW_US } from '../online/online-fixture.ts';
import { createMemoryLogReader, MemoryBroker } from '../stream/memory-log.ts';
import { type ConsoleWorld, openConsoleWorld, PLANTED } from './console-world.ts';

const HOUR_US = 3_600_000_000;
const broker = new MemoryBroker();
const log = { reader: createMemoryLogReader(broker), servedTopic: 'served' };
let world: ConsoleWorld;
let api: RunningApi;
let without: RunningApi;

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));
function read(shop: string, requestId: string, agoUs: number) {
  const at = new Date((NOW_US - agoUs) / 1000).toISOString();
  return {
    key: Buffer.from(readKeyText('shop_sales', keyText([shop]))),
    value: json({
      read_id: requestId,
      request_id: requestId,
      service: null,
      view: 'shop_sales',
      version: 1,
      served_at: at,
      as_of: at,
      found: true,
      values: `{"last_shop":${JSON.stringify(PLANTED)}}`,
      errors: null,
    }),
    timestampUs: NOW_US - agoUs,
  };
}

beforeAll(async () => {
  world = await openConsoleWorld(inject('stack').databaseUrl);
  broker.createTopic('served', 2);
  broker.createTopic('decisions', 1);
  broker.append('served', 0, [
    read('north', 'too-old', 25 * HOUR_US),
    read('north', 'r1', 2 * HOUR_US),
    read('süd', 'other', HOUR_US),
  ]);
  broker.append('served', 1, [
    { key: read('north', '', 0).key, value: Buffer.from('no JSON'), timestampUs: NOW_US },
    read('north', `r2 ${PLANTED}`, HOUR_US),
  ]);
  broker.append('decisions', 0, [
    {
      value: json({
        decision_id: 'd1',
        request_id: 'r1',
        decided_at: '2001-06-10T10:00:01Z',
        model: 'late',
        action: PLANTED,
        score: 0.25,
      }),
      timestampUs: NOW_US - 2 * HOUR_US,
    },
    {
      value: json({
        decision_id: 'd2',
        request_id: 'other',
        decided_at: '2001-06-10T10:00:02Z',
        model: 'late',
        action: 'x',
      }),
      timestampUs: NOW_US,
    },
  ]);
  const { pool, definitions } = world;
  api = await startApi({ pool, definitions, clock: fixedClock, consoleLog: log });
  without = await startApi({ pool, definitions, clock: fixedClock });
});
afterAll(async () => {
  await Promise.all([api.close(), without.close()]);
  await world.close();
});

const words = (text: string): string => text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');

describe('the requests of an entity', () => {
  it('are those of its key in the last 24 hours, newest first, with the decisions that name them', async () => {
    const text = await (await fetch(`${api.url}/console/views/shop_sales/requests?key.shop=north`)).text();
    expect(text).not.toContain('<img');
    const said = words(text);
    expect(said.indexOf('r2 &lt;img')).toBeLessThan(said.indexOf('r1 2001-06-10'));
    expect(said).not.toMatch(/too-old|other|d2/);
    expect(said).toMatch(/d1 2001-06-10T10:00:01Z late &lt;img.*? 0\.25 r1/);
    expect(said).not.toContain('Not all was looked through');
  });

  it('are said to be not to be had where no Kafka is known, and of what is no key', async () => {
    const text = await (await fetch(`${without.url}/console/views/shop_sales/requests?key.shop=north`)).text();
    expect(text).toContain('knows of no Kafka');
    expect((await fetch(`${api.url}/console/views/product_sales/requests?key.shop=a&key.number=b`)).status).toBe(400);
  });

  it('are bounded: of a large partition the newest are looked through, and it is said', async () => {
    const large = new MemoryBroker();
    large.createTopic('served', 1);
    const all = Array.from({ length: MOST_RECORDS + 500 }, (_, n) => read('north', `r${n}`, HOUR_US - n));
    large.append('served', 0, all);
    const found = await entityRequests(
      { reader: createMemoryLogReader(large), servedTopic: 'served' },
      'shop_sales',
      ['north'],
      NOW_US,
    );
    expect([found.rows.length, found.isWhole]).toEqual([100, false]);
    const none = await entityRequests(
      { reader: createMemoryLogReader(large), servedTopic: 'gone' },
      'shop_sales',
      ['north'],
      NOW_US,
    );
    expect(none).toEqual({ rows: [], isWhole: true });
  });
});
