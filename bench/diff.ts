/**
 * Two versions of a view of the 3 M flights, keyed by route and day: what `plan --against live` expects of the second one, on 2,000 entities,
 * against what then comes of it; and a comparison of 100,000 entities against an audit of as many. Prints both as people see them, and one JSON
 * object. Usage: node bench/diff.ts [entities].
 * Uses the server of DATABASE_URL, else starts one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { printDiff } from '../cli/print-diff.ts';
import { Output } from '../cli/output.ts';
import { printPlanned } from '../cli/plan-against.ts';
import { runBackfill } from '../engine/backfill/run-backfill.ts';
import { compileDefinitions } from '../engine/define/compile-definitions.ts';
import type { CompiledView } from '../engine/define/compiled-view.ts';
import { entity } from '../engine/define/entity.ts';
import { featureView } from '../engine/define/feature-view.ts';
import { codeOf } from '../engine/define/known-code.ts';
import { definitionsInMemory } from '../engine/define/loaded-definitions.ts';
import { source } from '../engine/define/source.ts';
import { listingsOfProcess } from '../engine/history/history-listing.ts';
import { publishVersion } from '../engine/online/publish-version.ts';
import { auditParity } from '../engine/parity/audit-parity.ts';
import { systemClock } from '../engine/values/clock.ts';
import { versionSides } from '../engine/versions/diff-sides.ts';
import { diffVersions } from '../engine/versions/diff-versions.ts';
import { planAgainstLive } from '../engine/versions/plan-against-live.ts';
import { startTestStack } from '../stack/test-stack.ts';
import { openStreamDatabase } from '../test/stream/stream-fixture.ts';

const FLIGHTS = fileURLToPath(new URL('../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
const DAY_US = 86_400_000_000;
const VIEW = 'route_days';

/** @param late from how many minutes on a flight counts as late */
async function routeDays(late: number, days: number): Promise<CompiledView> {
  const flights = source('flights', {
    schema: z.object({
      date: z.iso.datetime({ local: true }),
      origin: z.string(),
      destination: z.string(),
      delay: z.int().nullable(),
    }),
    eventTime: 'date',
    history: { path: FLIGHTS },
  });
  const view = featureView(VIEW, {
    entity: entity('route_day', { origin: z.string(), destination: z.string(), day: z.int() }),
    source: flights,
    key: (e) => ({ origin: e.origin, destination: e.destination, day: Math.floor(e.date / DAY_US) }),
    features: (f) => ({
      flights: f.count(),
      delay_avg: f.avg('delay'),
      // A function's text stands for it where it is made in memory: the number has to be in it.
      late_share:
        late === 15 ? f.avg((e) => ((e.delay ?? 0) > 15 ? 1 : 0)) : f.avg((e) => ((e.delay ?? 0) > 20 ? 1 : 0)),
      delay_max_7d: days === 7 ? f.max('delay').over('7d') : f.max('delay').over('14d'),
    }),
  });
  return (await compileDefinitions(definitionsInMemory([view], process.cwd()))).views.get(VIEW)!;
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly seconds: number }> {
  const startedMs = performance.now();
  const result = await work();
  return { result, seconds: Number(((performance.now() - startedMs) / 1000).toFixed(2)) };
}

const entities = Number(process.argv[2] ?? 100_000);
const own = process.env['DATABASE_URL'] === undefined ? await startTestStack() : null;
const spillDir = await mkdtemp(join(tmpdir(), 'millrace-bench-diff-'));
const database = await openStreamDatabase(own?.databaseUrl ?? process.env['DATABASE_URL']!);
try {
  const { pool } = database;
  const [before, after] = [await routeDays(15, 7), await routeDays(20, 14)];
  const clock = systemClock;
  const code = codeOf([before, after]);
  const listings = listingsOfProcess(clock);
  const build = (view: CompiledView): ReturnType<typeof runBackfill> =>
    runBackfill({ view, pool, reader: null, spillDir, clock, builder: 'bench' });
  const first = await timed(() => build(before));
  await publishVersion({ pool, view: VIEW, version: first.result.version });
  const definitions = {
    folder: '/',
    baseFolder: '/',
    views: new Map([[VIEW, after]]),
    services: new Map(),
    sources: new Map(),
    labelSets: new Map(),
  };
  const context = { pool, reader: null, clock, code };
  const plan = await timed(() => planAgainstLive({ ...context, definitions, listings, spillDir }));
  const second = await timed(() => build(after));
  const sides = await versionSides(context, { view: VIEW, before: 1, after: 2 });
  const diff = await timed(() => diffVersions({ ...sides, entities, reader: null, listings, spillDir }));
  const whole = await diffVersions({ ...sides, entities: 10_000_000, reader: null, listings, spillDir });
  const audit = await timed(() =>
    auditParity({
      view: VIEW,
      code,
      pool,
      reader: null,
      archiveDir: null,
      servedTopic: null,
      kind: 'promotion',
      limits: { entities },
      spillDir,
      clock,
    }),
  );
  const output = new Output();
  const [planned] = plan.result;
  printPlanned(output, planned!);
  printDiff(output, diff.result);
  const figures = {
    bench: 'diff',
    firstBuildSeconds: first.seconds,
    planSeconds: plan.seconds,
    expectedRows: planned!.expected!.rows,
    expectedSeconds: Number((planned!.expected!.minutes! * 60).toFixed(2)),
    builtRows: second.result.rows,
    builtSeconds: second.seconds,
    shares: whole.features.map(({ feature, share }, index) => ({
      feature,
      expected: planned!.sample!.features[index]!.share,
      interval: planned!.sample!.features[index]!.interval,
      found: share,
    })),
    wholeEntities: whole.entities,
    wholeIsWhole: whole.isWhole,
    diffSeconds: diff.seconds,
    diffEntities: diff.result.entities,
    auditSeconds: audit.seconds,
    auditEntities: audit.result.entities,
    auditVerdict: audit.result.verdict,
    ratioToAudit: Number((diff.seconds / audit.seconds).toFixed(2)),
    peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  if (audit.result.verdict !== 'equal') process.exitCode = 1;
} finally {
  await database.close();
  await rm(spillDir, { recursive: true, force: true });
  await own?.stop();
}
