import { expect, onTestFailed, test } from 'vitest';
import { runSoak } from '../../soak/run-soak.ts';
import { SHORT_PLAN } from '../../soak/soak-plan.ts';

test('the short soak: twelve views, kills and restarts, no cell differs, pairs and labels are those of what was said, and every planted fault is named', async () => {
  const seed = Number(process.env['MILLRACE_SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`MILLRACE_SOAK_SEED=${seed}`);
  const notes: string[] = [];
  onTestFailed(() => console.log(notes.join('\n')));
  const figures = await runSoak({
    plan: SHORT_PLAN,
    seed,
    onProgress: () => undefined,
    onNote: (line) => notes.push(line),
  });
  const { faults } = figures;
  expect(faults.filter(({ isNamed }) => !isNamed)).toEqual([]);
  expect(faults.map(({ cause }) => cause)).toEqual([
    'missing-record',
    'duplicated-record',
    'store-corruption',
    'shifted-tile',
    'definition-version',
    'missing-record',
    'lost-pair',
    'changed-pair',
  ]);
  expect(figures.cellsDiffering).toBe(0);
  expect(figures.cellsCompared).toBeGreaterThanOrEqual(SHORT_PLAN.cells);
  expect(figures.readsUnaccounted).toBe(0);
  expect(figures).toMatchObject({ saidDropped: 0, saidLost: 0, pairsWrong: 0, labelsWrong: 0 });
  expect(figures.pairs).toBeGreaterThan(100);
  expect(figures.labelRows).toBeGreaterThan(100);
  expect(figures.restartsByKind).toEqual(SHORT_PLAN.restarts);
  expect(figures.views).toHaveLength(12);
  expect(figures.views.every(({ reads, entities }) => reads > 0 && entities > 0)).toBe(true);
}, 300_000);
