import type { MonitorBucket } from '../../engine/monitors/monitor-bucket.ts';
import type { BaselineSummary } from '../../engine/monitors/baseline.ts';
import { modelBaseline } from '../../engine/monitors/model-baseline.ts';
import { readBuckets } from '../../engine/monitors/read-buckets.ts';
import { aliasVersions, modelVersion } from '../../engine/postgres/model-versions.ts';
import type { ConsoleLook } from '../console-look.ts';
import type { CatalogView } from './live-catalog.ts';
import { newestBucketMs } from './monitor-series.ts';
import { readersOfView } from './reading-models.ts';

const DAY_MS = 86_400_000;
/** Of so many models the training sets are shown: each asks for five statements. */
export const MOST_BASELINES = 2;

/** How a feature was in the training set of a model, and how its service answered with it. */
export interface ServedBaseline {
  readonly model: string;
  readonly version: number;
  readonly isChampion: boolean;
  readonly service: string;
  /** Of the service's monitor: `block.feature`. */
  readonly field: string;
  /** Null: the feature that is served is another than the model was trained on, and nothing is held to the set. */
  readonly baseline: BaselineSummary | null;
  /** The newest 24 hours of what was answered; empty where nothing is monitored. */
  readonly served: readonly MonitorBucket[];
}

/** The training sets that a feature is a column of: of champions, else of the newest versions, at most two models. */
export async function servedBaselines(
  look: ConsoleLook,
  { view, tags }: CatalogView,
  feature: string,
): Promise<{ readonly shown: readonly ServedBaseline[]; readonly leftOut: number }> {
  const { pool } = look.deps;
  const { models } = readersOfView(look, view);
  const found = await Promise.all(
    models.slice(0, MOST_BASELINES).map(async (model): Promise<ServedBaseline[]> => {
      const [champion] = await aliasVersions(pool, model, 'champion');
      const newest = look.models.find((one) => one.model === model)!.version;
      const version = champion ?? (await modelVersion(pool, model, newest));
      const trained = version?.features[view]?.[feature];
      if (version === null || version === undefined || trained === undefined) return [];
      const { service } = version;
      const blocks = look.services.find((one) => one.service === service)?.blocks ?? [];
      const ofView = new Set([view, ...blocks.filter((block) => block.view === view).map(({ name }) => name)]);
      const input = version.signature.features.find((one) => ofView.has(one.block) && one.feature === feature);
      if (input === undefined) return [];
      const isSame = tags?.[feature] === trained;
      const field = `${input.block}.${feature}`;
      const [all, served] = await Promise.all([
        isSame ? modelBaseline(pool, version) : null,
        isSame ? servedDay(look, service, field) : [],
      ]);
      const baseline = all?.get(input.column) ?? null;
      if (isSame && baseline === null) return [];
      return [
        { model, version: version.version, isChampion: champion !== undefined, service, field, baseline, served },
      ];
    }),
  );
  return { shown: found.flat(), leftOut: Math.max(0, models.length - MOST_BASELINES) };
}

async function servedDay({ deps }: ConsoleLook, service: string, field: string): Promise<readonly MonitorBucket[]> {
  const newestMs = await newestBucketMs(deps.pool, 'served', service);
  if (newestMs === null) return [];
  const untilMs = newestMs + 1;
  return await readBuckets(deps.pool, { place: 'served', object: service, field, fromMs: untilMs - DAY_MS, untilMs });
}
