import { expect, it } from 'vitest';
import { openDuckDb } from '../../engine/duckdb/duckdb.ts';
import { MemoryBudget } from '../../engine/memory/memory-budget.ts';
import { memoryShares } from '../../engine/memory/memory-shares.ts';
import { testFolder } from '../training/training-fixture.ts';

it('what needs most of the memory runs one after the other, over all sessions, after one that failed too', async () => {
  const memory = new MemoryBudget(memoryShares(1024));
  const tempDir = await testFolder();
  const first = await openDuckDb({ memory, tempDir });
  const second = await openDuckDb({ memory, tempDir });
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const failing = first.alone(async () => {
    told.push('first begins');
    await gate.promise;
    told.push('first ends');
    throw new Error('no more');
  });
  const next = second.alone(async () => {
    told.push('second');
    return await second.query('SELECT 1 AS one');
  });
  await first.query('SELECT 1');
  expect(told).toEqual(['first begins']);
  gate.resolve();
  await expect(failing).rejects.toThrow('no more');
  expect(await next).toEqual([{ one: 1 }]);
  expect(told).toEqual(['first begins', 'first ends', 'second']);
  await first.close();
  await second.close();
});
