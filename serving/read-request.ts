import { refusal } from '../engine/values/convert.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import { typedReading } from '../engine/values/typed-reading.ts';
import type { FeatureTags } from '../engine/define/feature-lock.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { placeOf } from '../engine/online/entity-key.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { ViewRead } from '../engine/online/view-read.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import { forbidden } from './access/gate.ts';
import { readTagged } from './read-tagged.ts';
import type { FeaturesRequest, FeaturesResponse } from './api-schemas.ts';
import { jsonTree } from '../engine/values/composite-text.ts';
import type { JsonTree } from '../engine/values/json-values.ts';

/** What the API knows of a feature service. */
export interface ServiceViews {
  readonly views: readonly { readonly name: string }[];
  /** Share of entities whose reads are logged, as the definition says. */
  readonly servingLog?: number | undefined;
}

export interface ReadDeps {
  readonly store: OnlineStore;
  readonly services: ReadonlyMap<string, ServiceViews>;
  /** Whether the caller may read a view, or a service as a whole. */
  readonly mayRead: (kind: 'view' | 'service', name: string) => boolean;
  /** Told what the request costs (entities times views) before anything is looked up. */
  readonly onLookUps: (lookUps: number) => void;
  readonly nowUs: () => number;
  readonly onReads: (view: string, reads: readonly ViewRead[]) => void;
  readonly requestId: string;
  readonly servingLog: ServingLog | undefined;
}

/** Which features of which views a request wants; undefined: all. In the request's order. */
function wantedViews(request: FeaturesRequest, { services, mayRead }: ReadDeps): Map<string, string[] | undefined> {
  const wanted = new Map<string, string[] | undefined>();
  if (request.service !== undefined) {
    // Before it is looked for: what a token does not cover is not told apart from what is not there.
    if (!mayRead('service', request.service)) throw forbidden(`read the service "${request.service}"`);
    const service = services.get(request.service);
    if (service === undefined) {
      const known = [...services.keys()].join(', ');
      throw new MillraceError(
        'unknown-service',
        `no feature service "${request.service}"; known: ${known === '' ? 'none' : known}`,
        {
          remedy: 'Correct the name, or list the features themselves.',
        },
      );
    }
    for (const view of service.views) wanted.set(view.name, undefined);
    return wanted;
  }
  for (const name of request.features ?? []) {
    const [view = '', feature, ...rest] = name.split('.');
    if (view === '' || feature === '' || rest.length > 0) {
      throw new MillraceError('unknown-feature', `"${name}" is neither "view" nor "view.feature"`, {
        remedy: 'Correct the name.',
      });
    }
    if (!mayRead('view', view)) throw forbidden(`read the view "${view}"`);
    const known = wanted.get(view);
    if (feature === undefined || (wanted.has(view) && known === undefined)) wanted.set(view, undefined);
    else if (known === undefined) wanted.set(view, [feature]);
    else if (!known.includes(feature)) known.push(feature);
  }
  return wanted;
}

const timeReading = typedReading({ kind: 'timestamp' });

function requestTime(at: string | undefined, nowUs: () => number): number {
  if (at === undefined) return nowUs();
  const atUs = timeReading.convert(at);
  if (atUs === undefined) {
    throw new MillraceError('invalid-time', `at: ${refusal(timeReading, at)}`, {
      remedy: 'Write it like 2001-06-01T12:00:00Z.',
    });
  }
  return atUs as number;
}

/** Refuses names that are a join key of none of the views: a misspelt key must not pass unseen. */
async function refuseStrayKeys(
  store: OnlineStore,
  views: readonly string[],
  entities: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const served = await Promise.all(views.map((view) => store.describe(view)));
  const names = new Set(served.flatMap(({ layout }) => layout.keys.map((key) => key.name)));
  for (const [index, entity] of entities.entries()) {
    const stray = Object.keys(entity).find((name) => !names.has(name));
    if (stray === undefined) continue;
    const place = placeOf(index, entities.length);
    const expected = [...names].join(', ');
    throw new MillraceError('invalid-key', `${place}key "${stray}": no such join key; expected ${expected}`, {
      remedy: 'Correct the name.',
      details: { key: stray },
    });
  }
}

function viewJson(read: ViewRead, tags: FeatureTags | null): FeaturesResponse['results'][number]['views'][string] {
  const values: Record<string, JsonTree> = {};
  for (const [index, feature] of read.features.entries()) {
    values[feature.name] = jsonTree(feature.result, read.values[index] ?? null);
  }
  return {
    values,
    errors: read.errors,
    found: read.found,
    as_of: formatDateTime(read.asOfUs),
    ahead: read.ahead,
    seq: read.seq,
    version: read.version,
    freshness_ms: read.freshnessUs === null ? null : read.freshnessUs / 1000,
    tags,
  };
}

/** Answers `POST /v1/features`: one query per view, whatever the number of entities. */
export async function readRequest(request: FeaturesRequest, deps: ReadDeps): Promise<FeaturesResponse> {
  const { store, servingLog, requestId } = deps;
  const wanted = wantedViews(request, deps);
  const views = [...wanted.keys()];
  const entities = request.entities ?? [request.entity ?? {}];
  deps.onLookUps(entities.length * views.length);
  const atUs = requestTime(request.at, deps.nowUs);
  await refuseStrayKeys(store, views, entities);
  const perView = await Promise.all(
    views.map(async (view) => {
      const keys = await store.keysOf(view, entities, typedReading, true);
      const { reads, tags } = await readTagged(store, view, keys, {
        atUs,
        features: wanted.get(view),
        tags: request.tags?.[view],
        accept: request.accept,
      });
      deps.onReads(view, reads);
      return { keys, reads, shown: reads.map((read) => viewJson(read, tags)) };
    }),
  );
  if (servingLog !== undefined) {
    // Only now: where one view fails the caller is served nothing.
    const service = request.service ?? null;
    const sample = service === null ? undefined : deps.services.get(service)?.servingLog;
    for (const { keys, reads } of perView) servingLog.offer(requestId, service, reads, keys, sample);
  }
  return {
    request_id: requestId,
    results: entities.map((entity, index) => ({
      entity,
      views: Object.fromEntries(views.map((view, at) => [view, perView[at]!.shown[index]!])),
    })),
  };
}
