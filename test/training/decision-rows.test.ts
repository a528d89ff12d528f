import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { CompiledService, Definitions, Row } from '../../engine/define/compiled-view.ts';
import type { LabelScalar } from '../../engine/define/label-set.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { type DuckDb, openDuckDb } from '../../engine/duckdb/duckdb.ts';
import type { LabelledDecision, LabelScan } from '../../engine/labels/label-scan.ts';
import { processMemory } from '../../engine/memory/process-memory.ts';
import { DECIDED_READS_TABLE, loadDecisions } from '../../engine/training/load-label-spine.ts';
import { SPINE_TABLE } from '../../engine/training/spine-columns.ts';
import { decisions, entity, featureService, featureView, labelSet, outcomes, source } from '../../index.ts';

const unit = entity('unit', { unit: z.string() });
const sales = source('sales', {
  schema: z.object({ at: z.iso.datetime(), unit: z.string() }),
  eventTime: 'at',
  topic: 'sales',
});
const sold = featureView('sold', { entity: unit, source: sales, features: (f) => ({ sold: f.count() }) });
const seen = featureView('seen', { entity: unit, source: sales, features: (f) => ({ seen: f.count() }) });
const model = featureService('model', [sold, seen]);
const choices = decisions('choices', { context: z.object({ seats: z.int() }) });
const clicks = outcomes('clicks', { value: z.string() });
const clicked = labelSet('clicked', {
  decisions: choices,
  outcomes: clicks,
  value: (_, o) => o.value,
  matureAfter: '1h',
  absent: 0,
});

const folder = mkdtempSync(join(tmpdir(), 'millrace-decision-rows-'));
let duckdb: DuckDb;
let definitions: Definitions;
let service: CompiledService;
beforeAll(async () => {
  duckdb = await openDuckDb({ memory: processMemory(), tempDir: folder });
  definitions = await compileDefinitions(definitionsInMemory([sold, seen, model, clicked], '/srv/models'));
  service = definitions.services.get('model')!;
}, 120_000);
afterAll(async () => {
  await duckdb.close();
  rmSync(folder, { recursive: true, force: true });
});

const read = (view: string, key: string, by: string | null = 'model'): Row => ({
  block: view,
  view,
  service: by,
  keys: JSON.stringify({ unit: key }),
  request: null,
});

function decision(id: string, reads: readonly Row[], value: LabelScalar | null = 'yes'): LabelledDecision {
  const row = { reads, request_ids: [], unit: 'of the experiment', action: 'go', acted: true, context: { seats: 2 } };
  return { id, timeUs: 1_767_225_600_000_000, row, label: { kind: 'label', value, outcomes: 1, afterMaturity: 0 } };
}

/** The rows of decisions that are read by their times. */
async function rowsOf(...decided: LabelledDecision[]): Promise<Record<string, unknown>[]> {
  const scan = {
    async *[Symbol.asyncIterator]() {
      yield decided;
    },
  } as unknown as LabelScan;
  const options = { service } as Parameters<typeof loadDecisions>[0]['options'];
  const { signal } = new AbortController();
  const labels = { labels: definitions.labelSets.get('clicked')!, from: '2026-01-01', to: '2026-01-02' };
  try {
    const columns = await loadDecisions({ options, duckdb, signal }, labels, scan, true, 'of choices');
    const selected = columns.map(({ name, output }) => `${output} AS "${name}"`);
    return await duckdb.query(`SELECT ${selected.join(', ')} FROM ${SPINE_TABLE}`);
  } finally {
    await duckdb.run(`DROP TABLE IF EXISTS ${SPINE_TABLE}; DROP TABLE ${DECIDED_READS_TABLE}`);
  }
}

test('a join key named as a field of decisions is the one that was read', async () => {
  expect(await rowsOf(decision('d', [read('sold', 'a'), read('seen', 'a')]))).toMatchObject([
    { decision_id: 'd', unit: 'a', action: 'go' },
  ]);
});

test('a part of a service says the keys of the whole', async () => {
  const rows = await rowsOf(decision('first', [read('sold', 'a')]), decision('second', [read('seen', 'b')]));
  expect(rows.map((row) => row['unit'])).toEqual(['a', 'b']);
});

test('reads of the service go before those of no service, and these before those of others', async () => {
  const rows = await rowsOf(
    decision('own', [read('sold', 'x', 'another'), read('sold', 'y', null), read('sold', 'a')]),
    decision('plain', [read('sold', 'x', 'another'), read('sold', 'b', null)]),
    decision('others', [read('sold', 'c', 'another')]),
    decision('another view', [{ ...read('sold', 'x'), view: 'renamed' }, read('seen', 'd')]),
  );
  expect(rows.map((row) => row['unit'])).toEqual(['a', 'b', 'c', 'd']);
});

test('request-ambiguous: a decision that read several entities is none of one of them', async () => {
  await expect(rowsOf(decision('d', [read('sold', 'a'), read('sold', 'b')]))).rejects.toMatchObject({
    code: 'request-ambiguous',
    message: 'decision "d" read several entities: its reads have 2 values of "unit": "a" and "b"',
  });
  await expect(rowsOf(decision('d', [read('sold', 'a'), read('seen', 'b')]))).rejects.toMatchObject({
    code: 'request-ambiguous',
  });
});

test('labels among which there are texts are texts as programs write them', async () => {
  const reads = [read('sold', 'a')];
  const rows = await rowsOf(
    decision('1', reads, 'late'),
    decision('2', reads, 0),
    decision('3', reads, 0.1),
    decision('4', reads, true),
    decision('5', reads, null),
  );
  expect(rows.map((row) => row['label'])).toEqual(['late', '0', '0.1', 'true', null]);
});
