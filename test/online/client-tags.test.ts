/** Clients of an old and of a new definition under flips: each feature is held against its own tag. */
import { afterEach, beforeEach, describe, expect, expectTypeOf, inject, it } from 'vitest';
import { z } from 'zod';
import type { CompiledView } from '../../engine/define/compiled-view.ts';
import { entity } from '../../engine/define/entity.ts';
import type { FeatureLock } from '../../engine/define/feature-lock.ts';
import { featureService } from '../../engine/define/feature-service.ts';
import { featureView } from '../../engine/define/feature-view.ts';
import { source } from '../../engine/define/source.ts';
import { type ClientOptions, createClient } from '../../engine/online/client.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import type { FeaturesResponse, ViewsResponse } from '../../serving/api-schemas.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { compiled, fixedClock, publish, sale } from './online-fixture.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

const shop = entity('shop', { shop: z.string() });
const sales = source('sales', {
  schema: z.object({
    id: z.string(),
    at: z.iso.datetime(),
    shop: z.string(),
    pieces: z.int(),
    channel: z.enum(['web', 'till', 'é']),
  }),
  eventTime: 'at',
  eventId: 'id',
  topic: 'sales',
});

/** The definition that is deployed everywhere. */
const before = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({
    sales_7d: f.count().over('7d'),
    pieces_7d: f.sum((e) => e.pieces).over('7d'),
    channel: f.last('channel'),
  }),
});
/** One more in front, one more behind, and the rest in another order. */
const more = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({
    pieces_max: f.max('pieces'),
    channel: f.last('channel'),
    sales_7d: f.count().over('7d'),
    pieces_7d: f.sum((e) => e.pieces).over('7d'),
    pieces_1d: f.sum((e) => e.pieces).over('1d'),
  }),
});
/** One means something else. */
const changed = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({
    sales_7d: f.count().over('7d'),
    pieces_7d: f.sum((e) => e.pieces * 2).over('7d'),
    channel: f.last('channel'),
  }),
});
/** One is of another type, one is gone, one has another window. */
const reshaped = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({ sales_7d: f.count().over('6d'), pieces_7d: f.max('channel').over('7d') }),
});

const views: Record<string, CompiledView> = {};
for (const [name, view] of Object.entries({ before, more, changed, reshaped })) {
  views[name] = (await compiled(view))[0] as CompiledView;
}

function lockedTo(view: CompiledView | undefined): FeatureLock {
  return { services: { sales: { shop_sales: view?.tags?.features ?? {} } }, views: {} };
}

const rows = Array.from({ length: 60 }, (_, n) => sale(n));
const key = { shop: 'north' };
let database: OwnDatabase;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await database.drop();
});

function client(options: Pick<ClientOptions, 'lock' | 'accept'> = {}) {
  const made = createClient({ pool: database.pool, clock: fixedClock, ...options });
  closing.push(() => made.close());
  return made;
}

/** The live version as `name` defines it; `untagged` as a release before wrote it. */
async function flipTo(name: string, untagged = false): Promise<number> {
  const view = views[name] as CompiledView;
  return publish(database.pool, untagged ? { ...view, tags: undefined } : view, rows);
}

describe.each([['with a lock'], ['without a lock']] as const)('clients %s', (which) => {
  const options = (view: string) => (which === 'with a lock' ? { lock: lockedTo(views[view]) } : {});

  it('of the old and of the new definition read on through flips that only add features', async () => {
    await flipTo('before');
    const old = client(options('before'));
    const first = await old.get(before, key);
    expect(first).toMatchObject({ version: 1, found: true, tags: null });
    await flipTo('more');
    const next = client(options('more'));
    expect(await next.get(more, key)).toMatchObject({ version: 2, tags: null, values: first.values });
    const onNext = await old.get(before, key);
    expect(onNext).toEqual({ ...first, version: 2, requestId: onNext.requestId });
    expect(Object.keys(onNext.values)).toEqual(['sales_7d', 'pieces_7d', 'channel']);
    // Back to a version that lacks what the new definition added: the rest can be read by itself.
    await flipTo('before');
    expect(await old.get(before, key)).toMatchObject({ version: 3, values: first.values });
    await expect(next.get(more, key)).rejects.toMatchObject({
      code: 'definition-changed',
      message: expect.stringMatching(
        /"shop_sales", feature "pieces_max".* version 3 serves none; so are pieces_1d/,
      ) as string,
    });
    const some = await next.get(more, key, { features: ['channel', 'pieces_7d'] });
    expect(some.values).toEqual({ channel: first.values.channel, pieces_7d: first.values.pieces_7d });
    expectTypeOf(some.values).toHaveProperty('channel');
    expectTypeOf(some.values).not.toHaveProperty('pieces_max');
    await flipTo('more');
    expect(await next.get(more, key)).toMatchObject({ version: 4, values: first.values });
  });

  it('read on while versions are flipped under them', async () => {
    await flipTo('before');
    const old = client(options('before'));
    const expected = await old.get(before, key);
    const flips = new AbortController();
    const reading = Promise.all(
      [0, 1, 2, 3].map(async () => {
        const seen = new Set<number>();
        while (!flips.signal.aborted) {
          const { values, version, tags } = await old.get(before, key);
          expect({ values, tags }).toEqual({ values: expected.values, tags: null });
          seen.add(version);
        }
        return seen;
      }),
    );
    for (let flip = 0; flip < 6; flip++) await flipTo(flip % 2 === 0 ? 'more' : 'before');
    flips.abort();
    const seen = new Set((await reading).flatMap((each) => [...each]));
    expect(seen.size).toBeGreaterThan(2);
  });

  it('are refused what is of another type, whatever they accept', async () => {
    await flipTo('reshaped');
    for (const accept of [undefined, 'live'] as const) {
      await expect(client({ ...options('before'), accept }).get(before, key)).rejects.toMatchObject({
        code: 'definition-changed',
        httpStatus: 409,
        details: {
          features: [{ feature: 'sales_7d' }, { feature: 'pieces_7d' }, { feature: 'channel', served: 'none' }],
        },
      });
    }
    const reader = client({ ...options('before'), accept: 'live' });
    const { values, tags } = await reader.get(before, key, { features: ['sales_7d'] });
    expect(values.sales_7d).toBeGreaterThan(0);
    expect(tags).toEqual({ sales_7d: views['reshaped']?.tags?.features['sales_7d'] });
  });
});

describe('a feature whose meaning changed', () => {
  it('is refused by its tag, alone, naming both versions; and served with its tag to who accepts it', async () => {
    await flipTo('before');
    const lock = lockedTo(views['before']);
    const old = client({ lock });
    const { values } = await old.get(before, key);
    await flipTo('changed');
    const [was, is] = [views['before'], views['changed']].map((view) => view?.tags?.features['pieces_7d'] as string);
    const refused = {
      code: 'definition-changed',
      message: `view "shop_sales", feature "pieces_7d": this program expects ${was} (that of version 1), version 2 serves ${is}`,
      details: {
        view: 'shop_sales',
        version: 2,
        expectedVersion: 1,
        features: [{ feature: 'pieces_7d', expected: was, served: is }],
      },
    };
    await expect(old.get(before, key)).rejects.toMatchObject(refused);
    await expect(old.getMany(before, [key, { shop: 'nowhere' }])).rejects.toMatchObject(refused);
    await expect(old.getService(featureService('sales', [before]), key)).rejects.toMatchObject(refused);
    const rest = await old.get(before, key, { features: ['sales_7d', 'channel'] });
    expect(rest).toMatchObject({ values: { sales_7d: values.sales_7d, channel: values.channel }, tags: null });
    for (const accepting of [
      await old.get(before, key, { accept: 'live' }),
      await client({ lock, accept: 'live' }).get(before, key),
      (await client({ lock }).getService(featureService('sales', [before]), key, { accept: 'live' })).shop_sales,
    ]) {
      expect(accepting).toMatchObject({
        version: 2,
        values: { ...values, pieces_7d: 2 * values.pieces_7d! },
        tags: { pieces_7d: is },
      });
    }
    // Nobody can tell without a lock: the shape is the same.
    expect(await client().get(before, key)).toMatchObject({ values: { pieces_7d: 2 * values.pieces_7d! }, tags: null });
  });

  it('is not known of a version from before there were tags: then the shape is all that is checked', async () => {
    await flipTo('changed', true);
    expect(await client({ lock: lockedTo(views['before']) }).get(before, key)).toMatchObject({
      version: 1,
      tags: null,
    });
    await flipTo('reshaped', true);
    const old = client({ lock: lockedTo(views['before']) });
    await expect(old.get(before, key)).rejects.toMatchObject({ code: 'definition-changed' });
    const { tags } = await old.get(before, key, { features: ['sales_7d'], accept: 'live' });
    expect(tags).toEqual({ sales_7d: null });
  });
});

describe('a lock', () => {
  it('that does not know a feature of the definition is out of date; one that is none is refused at once', async () => {
    await flipTo('more');
    await expect(client({ lock: lockedTo(views['before']) }).get(more, key)).rejects.toMatchObject({
      code: 'lock-outdated',
      details: { view: 'shop_sales', feature: 'pieces_max' },
    });
    for (const lock of [
      [],
      { services: {} },
      { services: {}, views: { shop_sales: { channel: 'none' } } },
      {
        services: { a: { shop_sales: { channel: '0123456789abcdef' } } },
        views: { shop_sales: { channel: '0123456789abcdee' } },
      },
    ]) {
      expect(() => client({ lock: lock as FeatureLock })).toThrow(expect.objectContaining({ code: 'invalid-lock' }));
    }
    await expect(client().get(before, key, { features: ['nothing' as 'channel'] })).rejects.toMatchObject({
      code: 'unknown-feature',
    });
  });
});

describe('the API', () => {
  let api: RunningApi;
  const ask = async (
    body: object,
  ): Promise<{ status: number; body: FeaturesResponse & { code?: string; message?: string } }> => {
    const response = await fetch(`${api.url}/v1/features`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ entity: key, ...body }),
    });
    return { status: response.status, body: (await response.json()) as FeaturesResponse };
  };
  const shown = ({ body }: Awaited<ReturnType<typeof ask>>) => body.results[0]?.views['shop_sales'];

  it('holds what is asked for against tags that come with the request, and tells those that are served', async () => {
    await flipTo('before');
    const services = new Map([['sales', { blocks: plainBlocks([views['before'] as CompiledView]) }]]);
    api = await startApi({ databaseUrl: database.url, clock: fixedClock, definitions: { services } });
    closing.push(() => api.close());
    const listed = async () =>
      ((await (await fetch(`${api.url}/v1/views`)).json()) as ViewsResponse).views[0]?.features;
    const tags = { shop_sales: views['before']?.tags?.features ?? {}, another_view: { a: 'b' } };
    expect(Object.fromEntries((await listed())?.map(({ name, tag }) => [name, tag]) ?? [])).toEqual(tags.shop_sales);
    expect(shown(await ask({ service: 'sales', tags }))).toMatchObject({ version: 1, tags: null });
    await flipTo('more');
    expect(shown(await ask({ service: 'sales', tags }))).toMatchObject({ version: 2, tags: null });
    await flipTo('changed');
    const is = views['changed']?.tags?.features['pieces_7d'];
    expect(await ask({ service: 'sales', tags })).toMatchObject({
      status: 409,
      body: {
        code: 'definition-changed',
        message: expect.stringMatching(/"pieces_7d".*\(that of version 2\), version 3 serves/),
      },
    });
    expect(shown(await ask({ service: 'sales', tags, accept: 'live' }))).toMatchObject({ tags: { pieces_7d: is } });
    expect(shown(await ask({ features: ['shop_sales.channel'], tags }))).toMatchObject({ tags: null });
    expect(shown(await ask({ service: 'sales' }))).toMatchObject({ tags: null });
    await flipTo('reshaped');
    expect(await ask({ features: ['shop_sales.channel'], tags })).toMatchObject({
      status: 409,
      body: { code: 'definition-changed' },
    });
    expect(await ask({ features: ['shop_sales.channel'] })).toMatchObject({
      status: 400,
      body: { code: 'unknown-feature' },
    });
    expect(await ask({ service: 'sales', tags, accept: 'live' })).toMatchObject({ status: 409 });
    expect(await ask({ service: 'sales', tags: { shop_sales: { channel: 1 } } })).toMatchObject({ status: 400 });
    await flipTo('before', true);
    expect(shown(await ask({ service: 'sales', tags }))).toMatchObject({ tags: null });
    expect((await listed())?.map(({ tag }) => tag)).toEqual([null, null, null]);
  });
});
