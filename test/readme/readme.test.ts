import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { describePlan } from '../../engine/define/plan.ts';

const page = readFileSync('README.md', 'utf8');

test('the example is the definition that stands in features/', () => {
  const [, example] = /```ts\n([\s\S]*?export const routeDelays[\s\S]*?)```/.exec(page) ?? [];
  const file = readFileSync('features/flights.ts', 'utf8');
  // The service on the page has one view of the two.
  const defined = [...example!.matchAll(/^export const (?!delayModel)[\s\S]*?\}\);$/gm)].map(([text]) => text);
  expect(defined).toHaveLength(3);
  for (const text of defined) expect(file).toContain(text);
});

test('what plan prints of it is what it would print', async () => {
  const [, printed] = /```\n(route_delays [\s\S]*?)```/.exec(page) ?? [];
  const row = describePlan(await loadDefinitions('features')).find(({ view }) => view === 'route_delays')!;
  expect(printed).toContain(`(fingerprint ${row.fingerprint.slice(0, 12)})`);
  const cells = [...printed!.matchAll(/^│ (.*) │$/gm)].map(([, line]) => line!.split('│').map((cell) => cell.trim()));
  expect(cells.slice(1).map((line) => [line[0], line.at(-1)])).toEqual(
    row.features.map(({ name, tag }) => [name, tag]),
  );
});
