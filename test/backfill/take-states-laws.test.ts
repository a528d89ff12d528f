import fc from 'fast-check';
import { afterAll, afterEach, expect, inject, test } from 'vitest';
import { codeOf } from '../../engine/define/known-code.ts';
import { publishVersion } from '../../engine/online/publish-version.ts';
import { openWorld, type ParityWorld } from '../parity/parity-world.ts';
import { type LogStep, randomLog } from '../stream/random-log.ts';
import { stateBytes } from '../stream/stream-fixture.ts';
import { build, changedFeatures, livingFacts, purchasesView } from './states-of-another.ts';

const DAY_US = 86_400_000_000;
const seed = Number(process.env.LAW_SEED ?? Date.now() % 2 ** 31);
let states = 0;
let open: (ParityWorld & { close(): Promise<void> })[] = [];
afterEach(async () => {
  for (const world of open) await world.close();
  open = [];
});
afterAll(() => console.log(`${states} states compared, seed ${seed}`));

test(`random logs: made of another version's states, a version is what the log comes to, and streams on and audits as that does (seed ${seed})`, async () => {
  const chances = fc.record({
    log: randomLog(160),
    cuts: fc.tuple(fc.nat(160), fc.nat(160), fc.nat(160)),
    batchRecords: fc.integer({ min: 1, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(chances, async ({ log: { partitions, steps }, cuts, batchRecords }) => {
      const [first, second] = [purchasesView(), changedFeatures(purchasesView())];
      const world = await openWorld(inject('stack').databaseUrl, { view: first, partitions, nowUs: 210 * DAY_US });
      open.push(world);
      const { pool, reader, clock, folder: spillDir } = world;
      const append = (some: readonly LogStep[]): void => {
        for (const step of some)
          if ('record' in step) world.append(step.partition, [step.record]);
          else world.broker.appendControl('purchases', step.partition, step.control);
      };
      const [one, two, three] = cuts.toSorted((a, b) => a - b) as [number, number, number];
      append(steps.slice(0, one));
      await world.backfill();
      append(steps.slice(one, two));
      await world.stream({ batchRecords });

      const common = { view: second, pool, reader, spillDir, clock };
      const made = await build({ ...common, mayTakeStates: true });
      expect(made).toMatchObject({ version: 2, madeFrom: 1 });
      const facts = await livingFacts(pool, second, 2);
      await publishVersion({ pool, view: second.name, version: 2 });
      const rebuilt = await build(common);
      expect(rebuilt).toMatchObject({ version: 3, madeFrom: null });
      expect(facts).toEqual(await livingFacts(pool, second, 3));

      for (const more of [steps.slice(two, three), steps.slice(three)]) {
        append(more);
        for (const version of [2, 3]) await world.stream({ view: second, version, batchRecords });
        const own = await livingFacts(pool, second, 2);
        expect({ ...own, status: '', bounds: null, seq: 0 }).toEqual({
          ...(await livingFacts(pool, second, 3)),
          status: '',
          bounds: null,
          seq: 0,
        });
      }
      const held = (await stateBytes(pool, second, 2)).length;
      states += held;
      const audit = await world.audit({ code: codeOf([first, second]) });
      // Of an empty log there is nothing to compare.
      expect(audit.verdict).toBe(held === 0 ? 'nothing-compared' : 'equal');
    }),
    { numRuns: 20, seed, endOnFailure: true },
  );
  expect(states).toBeGreaterThan(20);
}, 300_000);
