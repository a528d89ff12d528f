/** The pages of the loop are run: their definitions are planned, their start forms are what workflows take, their command trains. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { checkRolloutInput } from '../../workflows/model-rollout/input.ts';
import { checkTrainInput } from '../../workflows/train-model/input.ts';
import { runCli } from '../cli/run-cli.ts';

const DOCS = join(import.meta.dirname, '../../docs');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-loop-pages-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(DOCS, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!);
}

/** The first example of a page, as the definitions of a project. */
async function planned(page: string, ...options: string[]): Promise<string> {
  const features = join(folder, page, 'features');
  mkdirSync(features, { recursive: true });
  writeFileSync(join(features, 'index.ts'), blocks(page, 'ts')[0]!);
  const { exitCode, stdout, stderr } = await runCli(['plan', '--features', features, ...options], {});
  expect({ page, exitCode, told: exitCode === 0 ? '' : stderr + stdout }).toEqual({ page, exitCode: 0, told: '' });
  return stdout;
}

describe('definitions of the pages of the loop', { timeout: 120_000 }, () => {
  test('docs/loop.md', async () => {
    expect(await planned('loop.md')).toMatch(/^offers_of_shop {2}\(fingerprint/m);
  });

  test('docs/loop.md, of another installation by an option: on topics of its own', async () => {
    expect(await planned('loop.md', '--installation', 'blue')).toContain(
      'source   offers, topic millrace.blue.decisions',
    );
  });

  test('docs/labels.md', async () => {
    expect(await planned('labels.md')).toMatch(/^late {2}\(label set, tag/m);
  });

  test('docs/pairs.md', async () => {
    expect(await planned('pairs.md')).toMatch(/^ad_clicks {2}\(fingerprint[^]*^clicked {2}\(label set, tag/m);
  });
});

describe('start forms of the pages of the loop', () => {
  test('docs/train.md', () => {
    const forms = blocks('train.md', 'json');
    expect(forms.length).toBeGreaterThan(0);
    for (const form of forms)
      expect(checkTrainInput(JSON.parse(form), Date.UTC(2026, 5, 1))).toMatchObject({
        model: 'late_flights',
        rows: { labels: 'late', from: '2026-03-03T00:00:00.000Z', to: '2026-06-01T00:00:00.000Z' },
        approve: 'never',
      });
  });

  test('docs/rollouts.md', () => {
    for (const form of blocks('rollouts.md', 'json')) {
      const { model } = JSON.parse(form) as { readonly model: string };
      const names = installationNames();
      expect(checkRolloutInput(JSON.parse(form), names.rolloutId(model), names)).toMatchObject({ model });
    }
  });
});

test('the command in docs/train.md makes a model and metrics of a manifest', () => {
  const [code] = blocks('train.md', 'js');
  const path = (name: string): string => join(folder, name);
  writeFileSync(path('train.mjs'), code!);
  const features = [{ column: 'route_delays__flights_1d' }, { column: 'route_delays__delay_avg_7d' }];
  writeFileSync(path('manifest.json'), JSON.stringify({ rows: 10, views: [{ features }] }));
  const said = execFileSync(process.execPath, [path('train.mjs')], {
    env: {
      MILLRACE_MANIFEST: path('manifest.json'),
      MILLRACE_MODEL_OUT: path('model.json'),
      MILLRACE_METRICS_OUT: path('metrics.json'),
    },
    encoding: 'utf8',
  });
  expect(said).toBe('10 rows of route_delays__flights_1d, route_delays__delay_avg_7d\n');
  expect(JSON.parse(readFileSync(path('model.json'), 'utf8'))).toEqual({
    columns: features.map(({ column }) => column),
    weights: [0, 0],
  });
  expect(JSON.parse(readFileSync(path('metrics.json'), 'utf8'))).toMatchObject({ logLoss: 0.69, logLossBase: 0.69 });
});
