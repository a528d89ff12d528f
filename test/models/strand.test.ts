/** A version of a view is not approved over models in use that were trained on what it does not have. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { rollbackModel } from '../../engine/models/steer-models.ts';
import { switchVersion } from '../../engine/online/switch-version.ts';
import { liveVersions, viewVersion } from '../../engine/postgres/view-versions.ts';
import type { Row } from '../../engine/define/compiled-view.ts';
import { buildVersion, compiled, publish, sale, shopSales, shopSalesNext } from '../online/online-fixture.ts';
import { MemoryLog } from './memory-log.ts';
import { type ModelWorld, openModelWorld, trainedOnTags } from './model-world.ts';

const VIEW = 'shop_sales';
const rows: Row[] = Array.from({ length: 20 }, (_, n) => sale(n));
let world: ModelWorld;
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
});
afterAll(() => world.close());

it('names the models and features; what is trained on the version beforehand, or --break, lets it', async () => {
  const { pool } = world;
  const log = new MemoryLog();
  const [shops] = await compiled(shopSales);
  const [next] = await compiled(shopSalesNext);
  const first = await publish(pool, shops!, rows);
  const second = await buildVersion(pool, next!, rows);
  const tagsOf = async (version: number) => (await viewVersion(pool, VIEW, version))?.tags?.features ?? {};
  const trained = async (version: number) => {
    const trainedOn = await trainedOnTags(world, await tagsOf(version));
    return { ...trainedOn, features: { [VIEW]: await tagsOf(version) } };
  };
  const publishOn = async (model: string, version: number, ahead = false) =>
    world.publish(log, Buffer.from(`${model} ${version}`), { model, trainedOn: await trained(version), ahead });
  const flip = (version: number, models: 'keep' | 'strand') =>
    switchVersion({ pool, view: VIEW, version, keepMs: 3_600_000, behindAtMost: null, models });
  const live = async (): Promise<number | undefined> =>
    (await liveVersions(pool)).find(({ view }) => view === VIEW)?.version;

  // Without models nothing stands in its way; and one of another view does not.
  await world.publish(log, Buffer.from('other'), { model: 'other' });
  await publishOn('late', first);
  await expect(flip(second, 'keep')).rejects.toMatchObject({
    code: 'would-strand-models',
    httpStatus: 409,
    message: expect.stringMatching(/late \(champion, version 1\): sales_1d/) as string,
    details: { models: ['late'] },
  });
  expect(await live()).toBe(first);
  // A successor that is trained on it, and published ahead.
  await publishOn('late', second, true);
  expect(await flip(second, 'keep')).toMatchObject({ kept: { version: first } });
  expect(await live()).toBe(second);
  // Back again, whatever models there are.
  await flip(first, 'strand');
  expect(await live()).toBe(first);
  await rollbackModel({ pool, model: 'late', alias: 'champion', actor: 'ana' });
  await expect(flip(second, 'keep')).rejects.toMatchObject({ code: 'would-strand-models' });
  await flip(second, 'strand');
  expect(await live()).toBe(second);
});
