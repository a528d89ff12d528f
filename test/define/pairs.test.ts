import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decisions, labelSet, outcomes, pairs, source } from '../../index.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { adsOf } from '../pairs/ads.ts';

const shown = decisions('shown', { context: z.object({ page: z.string() }) });

const { clicksOf, model, shows, clicked } = adsOf('');

describe('pairs of a label set', () => {
  it('are one source, however often they are asked for, on a topic of the installation', async () => {
    expect(pairs(clicked)).toBe(pairs(clicked));
    const compiled = await compileDefinitions(definitionsInMemory([clicksOf, shows, model, clicked], process.cwd()));
    const { source: log } = compiled.views.get('ad_clicks')!;
    expect(log).toMatchObject({
      name: 'pairs_clicked',
      topic: 'millrace.pairs.clicked',
      eventTimeField: 'paired_at',
      eventIdField: 'pair_id',
      dedupeHorizonUs: 24 * 3_600_000_000,
    });
    expect(
      log.contract.decodeJson('{"pair_id":"p","paired_at":"2026-01-01T00:00:00Z","decision":{},"outcome":{}}'),
    ).toMatchObject({
      ok: false,
    });
  });

  it('are told from repeats as long as their records may be late, and hide what these hide', async () => {
    const orders = source('orders', {
      schema: z.object({ decision_id: z.string(), at: z.iso.datetime(), email: z.string() }),
      eventTime: 'at',
      topic: 'orders',
      sensitive: ['email'],
      maxAhead: '3h',
    });
    const bought = labelSet('bought', {
      decisions: shown,
      outcomes: orders,
      value: () => 1,
      matureAfter: '3d',
      horizon: '5d',
      absent: 0,
    });
    const { options } = pairs(bought);
    expect(options).toMatchObject({ dedupeHorizon: '432000s', maxAhead: '3h', sensitive: ['outcome'] });
    const late = source('late_orders', { ...orders.options, sensitive: [], brokerTime: 'none' } as never);
    const set = { decisions: shown, outcomes: late, value: () => 1, matureAfter: '3d', absent: 0 } as const;
    expect(pairs(labelSet('bought_late', set as never)).options).toMatchObject({
      maxAhead: false,
      dedupeHorizon: '259200s',
    });
  });

  it('do not fail where the label set is none: the plan tells of it', () => {
    const clicks = outcomes('clicks', { value: z.boolean() });
    expect(() => pairs(labelSet('broken', { outcomes: clicks } as never))).not.toThrow();
  });

  it('are what docs/pairs.md shows', { timeout: 120_000 }, async () => {
    const page = await readFile(new URL('../../docs/pairs.md', import.meta.url), 'utf8');
    const [, code] = /```ts\n([\s\S]*?)```/.exec(page)!;
    const folder = await mkdtemp(join(tmpdir(), 'millrace-pairs-'));
    try {
      await writeFile(join(folder, 'ads.ts'), code!);
      const definitions = await loadDefinitions(folder);
      expect([...definitions.views.keys()].toSorted()).toEqual(['ad_clicks', 'ad_shows']);
      expect(definitions.views.get('ad_clicks')!.source.topic).toBe('millrace.pairs.clicked');
      expect(definitions.labelSets.get('clicked')).toMatchObject({ isByDecision: true, horizonUs: 3_600_000_000 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
