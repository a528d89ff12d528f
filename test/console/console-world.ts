import { z } from 'zod';
import type { Alert, AlertMember } from '../../engine/alerts/alert.ts';
import type { MonitorSubject } from '../../engine/monitors/monitor-bucket.ts';
import { saveModelBaseline } from '../../engine/monitors/model-baseline.ts';
import { bucketOf } from '../../engine/reduce/quantile-buckets.ts';
import { writeBuckets } from '../../engine/monitors/write-buckets.ts';
import { compileDefinitions } from '../../engine/define/compile-definitions.ts';
import type { Definitions } from '../../engine/define/compiled-view.ts';
import { definitionsInMemory } from '../../engine/define/loaded-definitions.ts';
import { insertDeadLetters } from '../../engine/postgres/dead-letters.ts';
import { insertAudit } from '../../engine/postgres/parity-audits.ts';
import { putLook } from '../../engine/postgres/rollout-evidence.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import type { Judgement } from '../../engine/rollouts/judgement.ts';
import { decisions, entity, featureService, featureView, labelSet, outcomes } from '../../index.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { NOW_US, productSales, publish, sale, sales } from '../online/online-fixture.ts';
import { openIt, publishVersions } from '../rollouts/rollout-world.ts';

/** Stands in keys, payloads, reasons, names of people and descriptions: none of it may become HTML. */
export const PLANTED = `<img src=x onerror="alert('${'x'.repeat(3)}')"><script>alert(1)</script>&amp;`;

const shop = entity(
  'shop',
  { shop: z.string() },
  { description: `A shop ${PLANTED}`, owner: 'retail', tags: [PLANTED.slice(0, 40)] },
);

/** Its derived feature is made of code, and its sum of a field. */
export const shopSales = featureView('shop_sales', {
  entity: shop,
  source: sales,
  features: (f) => ({
    sales_1d: f.count().over('1d'),
    pieces_7d: f.sum('pieces').over('7d'),
    dear_7d: f
      .count()
      .where((e) => e.paid && e.pieces > 3)
      .over('7d'),
    last_shop: f.last('shop'),
  }),
  derived: (d) => ({ pieces_a_sale: d.number((v) => (v.sales_1d === 0 ? null : Number(v.pieces_7d) / v.sales_1d)) }),
  description: `What a shop sold. ${PLANTED}`,
  owner: PLANTED,
  tags: ['daily', 'retail'],
});
export const shopDecisions = decisions('shop_decisions', {
  context: z.object({ shop: z.string() }),
  topic: 'decisions',
});
const shopOutcomes = outcomes('shop_outcomes', { value: z.number(), topic: 'outcomes' });
const shopLabels = labelSet('shop_labels', {
  decisions: shopDecisions,
  outcomes: shopOutcomes,
  value: (_, o) => o.value,
  matureAfter: '1d',
  absent: 0,
  description: 'Whether the shop did well.',
});
const shopModel = featureService('shop_model', {
  views: [shopSales, productSales.as('best', { shop: 'shop', number: 'best' })],
  request: z.object({ seats: z.int() }),
  derived: (d) => ({ seats_per_sale: d.number((v, { request }) => request.seats / (v.shop_sales.sales_1d + 1)) }),
  description: 'What the shop model reads.',
});

export interface ConsoleWorld extends ModelWorld {
  readonly definitions: Definitions;
  readonly rolloutId: string;
}

/** Two views of planted rows, a model that is rolled out, dead letters, audits and commits. */
export async function openConsoleWorld(serverUrl: string): Promise<ConsoleWorld> {
  const world = await openModelWorld(serverUrl);
  const { pool } = world;
  const definitions = await compileDefinitions(
    definitionsInMemory([shopSales, shopModel, shopLabels, productSales], '/srv'),
  );
  const rows = Array.from({ length: 60 }, (_, n) => sale(n));
  rows.push(sale(61, { shop: PLANTED, number: 7n }));
  for (const name of ['shop_sales', 'product_sales']) await publish(pool, definitions.views.get(name)!, rows);
  await insertDeadLetters(pool, [
    {
      view: 'shop_sales',
      version: 1,
      source: 'sales',
      topic: 'sales',
      partition: 0,
      offset: 7,
      file: null,
      payload: Buffer.from(PLANTED),
      reasons: [`at: expected a time, received ${PLANTED}`],
      brokerTimestampUs: NOW_US,
    },
  ]);
  await insertAudit(
    pool,
    {
      view: 'shop_sales',
      version: 1,
      fingerprint: definitions.views.get('shop_sales')!.fingerprint,
      kind: 'audit',
      verdict: 'broken',
      seq: 3,
      entities: 4,
      reads: 0,
      cellsCompared: 1_234,
      cellsDiffering: 2,
      skipped: {},
      causes: { 'store-corruption': 2 },
      startedAtUs: NOW_US - 1_000_000,
      finishedAtUs: NOW_US,
    },
    [],
  );
  await runSql(
    pool,
    sqlText`INSERT INTO ${CATALOG}.commit_record (view, version, seq, topic, partition, from_offset, until_offset, watermark_us, committed_at)
    SELECT 'shop_sales', 1, n, 'sales', 0, n * 10, n * 10 + 10, ${NOW_US}::bigint - n * 1000000, to_timestamp(${NOW_US / 1e6}::float8 - 60 * (100 - n))
    FROM generate_series(1, 99) n`,
  );
  const log = new MemoryLog();
  await publishVersions(world, log, 'late');
  const rollout = await openIt(world, 'late', {
    actor: PLANTED.slice(0, 60),
    why: `tried ${PLANTED}`,
    asked: { decisions: 'shop_decisions' },
  });
  await writeAlert(pool);
  await writeValues(pool);
  await runSql(
    pool,
    sqlText`UPDATE ${CATALOG}.model_version SET metrics = jsonb_build_object('auc', 0.7 + version / 100.0, 'aucLow', 0.6, 'aucHigh', 0.8, 'calibrationError', 0.02, 'note', ${PLANTED}::text)
    WHERE model = 'late'`,
  );
  await saveModelBaseline(
    pool,
    { model: 'late', version: 1 },
    { rows: 10, sketchBits: 6, features: { [`route_delays__${PLANTED}`]: { nulls: 4 } } },
  );
  await putLook(pool, rollout.id, { cells: [], rule: {}, judgement: JUDGEMENT });
  return { ...world, definitions, rolloutId: rollout.id };
}

export const ALERT_ID = 'al_0123456789abcdef0123';
const HOUR_MS = 3_600_000;
const bin = bucketOf(6);
export const ALERT_MS: number = Math.floor(NOW_US / 1000 / HOUR_MS) * HOUR_MS;

/** Coverage of a feature falls for one segment, and of the field it is made of. */
async function writeAlert(pool: ModelWorld['pool']): Promise<void> {
  const segment = { name: 'shop', value: PLANTED };
  const member = (subject: MonitorSubject): AlertMember => ({
    subject,
    statistic: 'coverage',
    sinceMs: ALERT_MS - 2 * HOUR_MS,
    value: 0.2,
    usual: 0.97,
    score: 31.5,
    count: 80,
    weeks: 8,
  });
  const root: MonitorSubject = { place: 'source', object: 'sales', field: 'pieces', segment };
  const feature: MonitorSubject = { place: 'store', object: 'shop_sales', field: 'pieces_7d', segment };
  const alert: Alert = {
    id: ALERT_ID,
    kind: 'coverage',
    place: 'source',
    root,
    grain: 'hour',
    state: 'open',
    sinceMs: ALERT_MS - 2 * HOUR_MS,
    lastMs: ALERT_MS,
    headline: member(root),
    members: [member(root), member(feature)],
    moreMembers: 3,
    clean: 0,
    untested: 0,
    openedAtMs: ALERT_MS - HOUR_MS,
    closedAtMs: null,
    closedBy: null,
    reopened: 0,
    revision: 1,
    rule: null,
  };
  await runSql(
    pool,
    sqlText`INSERT INTO ${CATALOG}.alert (id, state, grain, kind, place, object, bucket_ms, since_ms, opened_at_ms, revision, body)
    VALUES (${ALERT_ID}, 'open', 'hour', 'coverage', 'source', 'sales', ${ALERT_MS}, ${alert.sinceMs}, ${alert.openedAtMs}, 1, ${JSON.stringify(alert)}::jsonb)`,
  );
  await runSql(
    pool,
    sqlText`INSERT INTO ${CATALOG}.alert_acknowledgement (alert, who, reason) VALUES (${ALERT_ID}, ${PLANTED}, ${`I look ${PLANTED}`})`,
  );
  const hours = Array.from({ length: 30 }, (_, hour) => hour);
  await writeBuckets(
    pool,
    [root, feature].flatMap((subject) =>
      hours.map((hour) => ({
        ...subject,
        grain: 'hour' as const,
        beginMs: ALERT_MS - hour * HOUR_MS,
        count: 100,
        values: {
          nulls: hour < 3 ? 80 : 3,
          numbers: { sum: 100, squares: 200, zeros: 0 },
          bins: null,
          top: null,
          distinct: null,
        },
        records: null,
      })),
    ),
  );
}

/** A day of two features, and the same hours a week before: numbers, and texts. */
async function writeValues(pool: ModelWorld['pool']): Promise<void> {
  const of = { place: 'store', object: 'shop_sales', segment: null, grain: 'hour', records: null, count: 100 } as const;
  const hours = Array.from({ length: 24 }, (_, hour) => [hour, hour + 168]).flat();
  await writeBuckets(
    pool,
    hours.flatMap((hour) => [
      {
        ...of,
        field: 'pieces_7d',
        beginMs: ALERT_MS - hour * HOUR_MS,
        values: {
          nulls: hour < 3 ? 80 : 3,
          numbers: { sum: 300, squares: 1_200, zeros: 0 },
          bins: new Map(Array.from({ length: 20 }, (_, n) => [bin(1 + n), hour < 24 ? 20 - n : 5])),
          top: null,
          distinct: 20,
        },
      },
      {
        ...of,
        field: 'last_shop',
        beginMs: ALERT_MS - hour * HOUR_MS,
        values: {
          nulls: 0,
          numbers: null,
          bins: null,
          top: {
            counts: new Map([
              [PLANTED, hour < 24 ? 60 : 10],
              ['north', 30],
            ]),
            others: 10,
          },
          distinct: null,
        },
      },
    ]),
  );
}

const JUDGEMENT: Judgement = {
  asOfUs: NOW_US,
  evaluatedAtMs: NOW_US / 1000,
  tookMs: 10,
  stages: [
    {
      stage: 0,
      candidate: counts(),
      against: counts(),
      candidateMean: 0.4,
      againstMean: 0.5,
      difference: { value: -0.1, low: -0.2, high: 0.05, units: 40 },
      units: 40,
      paired: 0,
      unpaired: 0,
      mixed: 0,
      withoutUnit: 0,
      ratioP: null,
      isRatioMismatch: false,
    },
  ],
  combined: { value: -0.1, low: -0.2, high: 0.05, units: 40 },
  isBetter: false,
  isWorse: false,
  isNotWorse: true,
  guardrails: [],
  segments: [
    {
      segment: `shop=${PLANTED}`,
      candidateUnits: 3,
      againstUnits: 4,
      difference: { value: 0.1, low: -0.2, high: 0.3, units: 7 },
    },
  ],
  labels: { decisions: 100, mature: 80, immature: 20 },
  lacks: null,
  bestChances: null,
  banditShare: null,
};

function counts() {
  return { units: 20, decisions: 50 } as never;
}

/** Every page of the world, by where it is. */
export function allPages({ rolloutId }: ConsoleWorld): string[] {
  const key = encodeURIComponent(PLANTED);
  return [
    '/console',
    '/console/catalogue',
    '/console/catalogue?q=shop&kind=view',
    '/console/views/shop_sales',
    '/console/views/product_sales',
    '/console/views/route_delays',
    '/console/views/shop_sales/definition',
    '/console/views/shop_sales/dead-letters',
    '/console/views/shop_sales/entity',
    `/console/views/shop_sales/entity?key.shop=${key}`,
    '/console/views/shop_sales/entity?key.shop=nowhere&at=2001-06-10T12:00:00Z',
    '/console/views/shop_sales/features/pieces_7d',
    '/console/views/shop_sales/features/last_shop',
    '/console/views/shop_sales/quality',
    '/console/views/product_sales/quality',
    '/console/sources/sales',
    '/console/sources/sales?field=pieces',
    '/console/sources/flights',
    '/console/entities/shop',
    '/console/services/shop_model',
    '/console/label-sets/shop_labels',
    '/console/training',
    '/console/models/late',
    `/console/models/late/rollouts/${rolloutId}`,
    '/console/lineage',
    '/console/lineage/view/shop_sales',
    '/console/lineage/decisions/shop_decisions',
    '/console/lineage/label%20set/shop_labels',
    '/console/alerts',
    `/console/alerts/${ALERT_ID}`,
  ];
}
