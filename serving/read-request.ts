import { refusal } from '../engine/values/convert.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import { typedReading } from '../engine/values/typed-reading.ts';
import { columnsByKey } from '../engine/define/service-blocks.ts';
import { keyColumns } from '../engine/define/view-role.ts';
import type { ScalarValue } from '../engine/values/field-type.ts';
import type { FeatureTags } from '../engine/define/feature-lock.ts';
import { MillraceError } from '../engine/errors/millrace-error.ts';
import { distinctKeys } from '../engine/online/distinct-keys.ts';
import { placeOf } from '../engine/online/entity-key.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { ServiceDerivedFailed, ViewRead } from '../engine/online/view-read.ts';
import type { ServiceToLog } from '../engine/served/service-to-log.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import { forbidden } from './access/gate.ts';
import { readTagged, type TaggedOptions } from './read-tagged.ts';
import type { FeaturesRequest, FeaturesResponse } from './api-schemas.ts';
import { requestEntries, type RequestEntry } from './request-entries.ts';
import { type DerivedAnswer, type DerivedJson, servedDerived, type ServedService } from './served-service.ts';
import type { RequestValues } from '../engine/derived/derive-service.ts';
import type { DerivedFailure } from '../engine/derived/derive-step.ts';
import { jsonTree } from '../engine/values/composite-text.ts';
import type { JsonTree } from '../engine/values/json-values.ts';

export interface ReadDeps {
  readonly store: OnlineStore;
  readonly services: ReadonlyMap<string, ServedService>;
  /** Whether the caller may read a view, or a service as a whole. */
  readonly mayRead: (kind: 'view' | 'service', name: string) => boolean;
  /** Told what the request costs (entities times views, or roles of them) before anything is looked up. */
  readonly onLookUps: (lookUps: number) => void;
  readonly nowUs: () => number;
  readonly onReads: (view: string, reads: readonly ViewRead[]) => void;
  /** Told of what a service derived, and of each of its derived features whose function failed. */
  readonly onDerived: (service: string, derived: readonly DerivedJson[]) => void;
  readonly onDerivedFailed: ((failed: ServiceDerivedFailed) => void) | undefined;
  readonly requestId: string;
  readonly servingLog: ServingLog | undefined;
}

/** What a request wants under one name. */
interface WantedBlock {
  readonly name: string;
  readonly view: string;
  /** Undefined: all. */
  readonly features: readonly string[] | undefined;
  /** Join key to the name it goes by, where that is another one. */
  readonly columns: Readonly<Record<string, string>>;
}

/** What a request wants, in its order. */
function wantedBlocks(request: FeaturesRequest, { services, mayRead }: ReadDeps): WantedBlock[] {
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
    return service.blocks.map((block) => ({
      name: block.name,
      view: block.view.name,
      features: undefined,
      columns: columnsByKey(block),
    }));
  }
  const wanted = new Map<string, string[] | undefined>();
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
  return [...wanted].map(([view, features]) => ({ name: view, view, features, columns: {} }));
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

/** Refuses names that are a join key of nothing that is asked for: a misspelt key must not pass unseen. */
async function refuseStrayKeys(
  store: OnlineStore,
  blocks: readonly WantedBlock[],
  entities: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const columns = await Promise.all(
    blocks.map(async (block) => keyColumns((await store.describe(block.view)).layout.keys, block.columns)),
  );
  const names = new Set(columns.flat());
  for (const [index, entity] of entities.entries()) {
    const stray = Object.keys(entity).find((name) => !names.has(name));
    if (stray === undefined) continue;
    const place = placeOf(index, entities.length);
    const expected = [...names].join(', ');
    throw new MillraceError('invalid-key', `${place}key "${stray}": no such join key; expected ${expected}`, {
      remedy:
        stray === 'request'
          ? 'Give { "keys": { … }, "request": { … } }: the request stands beside the keys.'
          : 'Correct the name.',
      details: { key: stray },
    });
  }
}

type ViewJson = FeaturesResponse['results'][number]['views'][string];

function viewJson(read: ViewRead, tags: FeatureTags | null): ViewJson {
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

/** What a block answers, per entity of the request. */
interface BlockAnswer {
  readonly block: WantedBlock;
  readonly keys: readonly (readonly ScalarValue[])[];
  readonly reads: readonly ViewRead[];
  readonly shown: readonly ViewJson[];
}

/** Reads what the blocks of one view ask for: an entity that several name once. */
async function readView(
  view: string,
  blocks: readonly WantedBlock[],
  entities: readonly Readonly<Record<string, unknown>>[],
  options: TaggedOptions,
  { store, onReads }: ReadDeps,
): Promise<BlockAnswer[]> {
  const asked = await Promise.all(
    blocks.map(({ columns }) => store.keysOf(view, entities, typedReading, true, columns)),
  );
  const { keys, places } = distinctKeys(asked);
  const { reads, tags } = await readTagged(store, view, keys, options);
  onReads(view, reads);
  const shown = reads.map((read) => viewJson(read, tags));
  return blocks.map((block, at) => ({
    block,
    keys: asked[at]!,
    reads: places[at]!.map((place) => reads[place]!),
    shown: places[at]!.map((place) => shown[place]!),
  }));
}

/** What of a service is asked for beside the reads of its views. */
interface AskedService {
  readonly toLog: ServiceToLog;
  /** Per entity of the request, judged. */
  readonly requests: readonly RequestValues[];
  /** What the service derives, per entity; null where it derives nothing. */
  readonly derive: ((answers: readonly BlockAnswer[], atUs: number) => readonly DerivedAnswer[]) | null;
}

/** Null where features of views are asked for. The requests are judged at once. */
function askedService(
  service: string | undefined,
  entries: readonly RequestEntry[],
  { services, onDerived, onDerivedFailed, requestId }: ReadDeps,
): AskedService | null {
  const asked = service === undefined ? undefined : services.get(service);
  if (service === undefined || asked === undefined) {
    const at = entries.findIndex(({ request }) => request !== undefined);
    if (at < 0) return null;
    throw new MillraceError(
      'invalid-request',
      `${placeOf(at, entries.length)}a "request" was given, and features of views take none`,
      { remedy: 'Name the service that asks for it, or leave it out.' },
    );
  }
  const { request, derive, toLog } = servedDerived(service, asked);
  const requests = entries.map((entry, index): RequestValues => request(entry.request, placeOf(index, entries.length)));
  if (derive === null) return { toLog, requests, derive };
  const onFailed =
    onDerivedFailed && ((failure: DerivedFailure): void => onDerivedFailed({ service, requestId, ...failure }));
  return {
    toLog,
    requests,
    derive: (answers, atUs) => {
      const derived = requests.map((own, index) => derive(readsAt(answers, index), own, atUs, onFailed));
      onDerived(
        service,
        derived.map(({ json }) => json),
      );
      return derived;
    },
  };
}

function readsAt(answers: readonly BlockAnswer[], index: number): ViewRead[] {
  return answers.map(({ reads }) => reads[index]!);
}

/** Hands what was answered of a service to the serving log. */
function logService(
  log: ServingLog,
  requestId: string,
  { toLog, requests }: AskedService,
  answers: readonly BlockAnswer[],
  derived: readonly DerivedAnswer[] | null,
  atUs: number,
): void {
  const entries = requests.map((request, index) => ({
    reads: readsAt(answers, index),
    keys: answers.map(({ keys }) => keys[index]!),
    request,
    derived: derived?.[index] ?? null,
    atUs,
  }));
  log.offerService(requestId, toLog, entries);
}

/** Answers `POST /v1/features`: one query per view, whatever the number of entities and of the view's roles. */
export async function readRequest(request: FeaturesRequest, deps: ReadDeps): Promise<FeaturesResponse> {
  const { store, servingLog, requestId } = deps;
  const wanted = wantedBlocks(request, deps);
  const given = request.entities ?? [request.entity ?? {}];
  deps.onLookUps(given.length * wanted.length);
  const atUs = requestTime(request.at, deps.nowUs);
  const entries = requestEntries(given);
  const service = askedService(request.service, entries, deps);
  const entities = entries.map(({ keys }) => keys);
  await refuseStrayKeys(store, wanted, entities);
  const { tags, accept } = request;
  const perView = await Promise.all(
    [...Map.groupBy(wanted, ({ view }) => view)].map(([view, blocks]) => {
      // Blocks of one view ask for the same of it: roles come with a service, and that has all features.
      const options = { atUs, features: blocks[0]!.features, tags: tags?.[view], accept };
      return readView(view, blocks, entities, options, deps);
    }),
  );
  const answered = new Map(perView.flat().map((answer) => [answer.block, answer]));
  const answers = wanted.map((block) => answered.get(block)!);
  const derived = service?.derive?.(answers, atUs) ?? null;
  if (servingLog !== undefined) {
    // Only now: where one view fails the caller is served nothing.
    if (service !== null) logService(servingLog, requestId, service, answers, derived, atUs);
    else for (const { keys, reads } of answers) servingLog.offer(requestId, null, reads, keys);
  }
  return {
    request_id: requestId,
    results: entities.map((entity, index) => ({
      entity,
      views: Object.fromEntries(answers.map(({ block, shown }) => [block.name, shown[index]!])),
      ...(derived === null ? {} : { derived: derived[index]!.json }),
    })),
  };
}
