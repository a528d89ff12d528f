import { createRoute, OpenAPIHono, type z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import type pg from 'pg';
import { formatDateTime } from '../engine/values/iso-time.ts';
import { nameOfType } from '../engine/values/type-name.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import type { Clock } from '../engine/values/clock.ts';
import type { ModelPlaces } from '../engine/models/fetch-model.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { ServiceDerivedFailed } from '../engine/online/view-read.ts';
import { auditEvents } from '../engine/postgres/audit-events.ts';
import { namePostgresError } from '../engine/postgres/postgres-error.ts';
import { countEntities } from '../engine/postgres/count-entities.ts';
import { unfitDatabase } from '../engine/postgres/fit-database.ts';
import { installationOf } from '../engine/postgres/settled-queries.ts';
import { poolAddress } from '../engine/postgres/pool.ts';
import { checkRequestId } from '../engine/served/request-id.ts';
import type { ServingLog } from '../engine/served/serving-log.ts';
import { listEntities, listServices, listSources } from '../engine/define/list-definitions.ts';
import { liveVersions, type ViewVersion } from '../engine/postgres/view-versions.ts';
import { admit, type AdmittedEnv } from './access/admit.ts';
import { forbidden, type Gate } from './access/gate.ts';
import { mayReadService, mayReadView } from './access/scope.ts';
import { alertPath, alertRoutes } from './alert-routes.ts';
import { ApiMetrics } from './api-metrics.ts';
import { type ApiConsole, consoleApp } from './console-app.ts';
import {
  entitiesResponseSchema,
  errorSchema,
  eventsQuerySchema,
  eventsResponseSchema,
  featuresHeadersSchema,
  featuresRequestSchema,
  featuresResponseSchema,
  healthSchema,
  servicesResponseSchema,
  sourcesResponseSchema,
  type ViewsResponse,
  viewsResponseSchema,
} from './api-schemas.ts';
import { bodyBytes, MAX_BODY_BYTES } from './body-bytes.ts';
import { decisionRoutes, type DecisionRoutesDeps, saidPath } from './decision-routes.ts';
import { errorResponse, invalidRequest } from './error-response.ts';
import { modelPath, modelRoutes } from './model-routes.ts';
import { readRequest } from './read-request.ts';
import { rolloutPath, rolloutRoutes } from './rollout-routes.ts';
import type { ServedService } from './served-service.ts';
import { viewProgress } from '../engine/postgres/view-progress.ts';
import { scrapedCatalog } from './scraped-catalog.ts';
import { json } from './json-content.ts';

export interface ApiDeps {
  readonly store: OnlineStore;
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** The feature services that requests may name. */
  readonly services: ReadonlyMap<string, ServedService>;
  /** A service of those as it is served. Default: as it stands there. */
  readonly serviceOf?: ((name: string) => Promise<ServedService | undefined>) | undefined;
  /** Takes what is served; undefined: nothing is logged. */
  readonly servingLog?: ServingLog | undefined;
  /** Told of each derived feature of a service whose function failed in a read. */
  readonly onDerivedFailed?: ((failed: ServiceDerivedFailed) => void) | undefined;
  /** Makes request ids. */
  readonly newId: () => string;
  /** Where the bytes of models are. */
  readonly models: ModelPlaces;
  /** Where decisions and outcomes go, and whose; undefined: nowhere. */
  readonly decisions?: DecisionRoutesDeps | undefined;
  /** Who may ask. */
  readonly gate: Gate;
  /** What people look at; undefined: there is no console. */
  readonly console?: ApiConsole | undefined;
  /** Told of faults of our own (answered with 500). */
  readonly onBug: (error: unknown) => void;
}

/** What a request carries on its way. */
interface ApiEnv {
  readonly Variables: AdmittedEnv['Variables'] & { readonly requestId: string };
}

const failures = {
  400: json(errorSchema, 'The request is wrong; the message names what.'),
  401: json(errorSchema, 'No token was given, or none that counts.'),
  403: json(errorSchema, 'The token does not cover what was asked for.'),
  409: json(errorSchema, 'The view is not published, or a feature is not the one whose tag was given.'),
  429: json(errorSchema, 'More was asked for a second than may be; `Retry-After` has the seconds to wait.'),
  503: json(errorSchema, 'The database cannot be reached.'),
};
/** Every route but health and the document itself: open where the server takes no tokens. */
const security = [{ bearer: [] }];

const featuresRoute = createRoute({
  method: 'post',
  path: '/v1/features',
  summary: 'Feature values of one or many entities',
  security,
  request: {
    headers: featuresHeadersSchema,
    body: { required: true, content: { 'application/json': { schema: featuresRequestSchema } } },
  },
  responses: {
    200: {
      ...json(featuresResponseSchema, 'Per entity and view, in the order asked.'),
      headers: { 'x-request-id': { description: 'As `request_id` of the body.', schema: { type: 'string' as const } } },
    },
    ...failures,
  },
});

const viewsRoute = createRoute({
  method: 'get',
  path: '/v1/views',
  summary: 'The views that are served, as far as the token covers them',
  security,
  responses: {
    200: json(viewsResponseSchema, 'Live versions by name.'),
    401: failures[401],
    429: failures[429],
    503: failures[503],
  },
});

const listRoute = <Path extends string, Schema extends z.ZodType>(path: Path, summary: string, schema: Schema) =>
  createRoute({
    method: 'get',
    path,
    summary,
    security,
    responses: { 200: json(schema, 'By name.'), 401: failures[401], 429: failures[429], 503: failures[503] },
  });
const entitiesRoute = listRoute(
  '/v1/entities',
  'The entities of the views that are served, as far as the token covers them',
  entitiesResponseSchema,
);
const sourcesRoute = listRoute(
  '/v1/sources',
  'The sources of the views that are served, as far as the token covers them',
  sourcesResponseSchema,
);
const servicesRoute = listRoute(
  '/v1/services',
  'The feature services that requests may name, as far as the token covers them',
  servicesResponseSchema,
);
const eventsRoute = createRoute({
  method: 'get',
  path: '/v1/events',
  summary: 'Who did what: the newest commands that changed something (scope admin)',
  security,
  request: { query: eventsQuerySchema },
  responses: {
    200: json(eventsResponseSchema, 'The newest first.'),
    400: failures[400],
    401: failures[401],
    403: failures[403],
    429: failures[429],
    503: failures[503],
  },
});

const healthRoute = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Whether the process is up',
  responses: { 200: json(healthSchema, 'Up.') },
});

const readyRoute = createRoute({
  method: 'get',
  path: '/readyz',
  summary: 'Whether reads can be answered',
  responses: { 200: json(healthSchema, 'Ready.'), 503: failures[503] },
});

async function servedViews({ pool, clock }: ApiDeps, isShown: (view: string) => boolean): Promise<ViewsResponse> {
  const [live, progress] = await Promise.all([liveVersions(pool), viewProgress(pool)]);
  const nowUs = clock.nowUs();
  const shown = live.filter(({ view }) => isShown(view));
  const counts = await Promise.all(shown.map(({ stateTable }) => countEntities(pool, stateTable)));
  return {
    views: shown.map(({ view, version, fingerprint, layout, tags, publishedAtUs }, index) => {
      const stored = counts[index] ?? null;
      const at = progress.find((one) => one.view === view);
      const watermarkUs = at?.watermarkUs ?? null;
      return {
        view,
        version,
        fingerprint,
        entity: layout.entity,
        keys: layout.keys.map((key) => ({ name: key.name, type: nameOfType(key.type) })),
        features: layout.features.map((feature) => ({
          name: feature.name,
          aggregate: feature.aggregate,
          type: nameOfType(feature.result),
          nullable: feature.nullable,
          window_us: feature.windowUs,
          ago_us: feature.agoUs ?? 0,
          default: feature.default ?? null,
          tag: tags?.features[feature.name] ?? null,
        })),
        published_at: publishedAtUs === null ? null : formatDateTime(publishedAtUs),
        entities: stored?.entities ?? null,
        entities_estimated: stored?.isEstimate ?? false,
        lag: at?.lag ?? null,
        freshness_ms: watermarkUs === null ? null : Math.max(0, nowUs - watermarkUs) / 1000,
      };
    }),
  };
}

/** A service as it is served; undefined where that cannot be said: a read of it is refused, and says why. */
async function servedIfKept({ serviceOf }: ApiDeps, service: string): Promise<ServedService | undefined> {
  try {
    return await serviceOf?.(service);
  } catch (error) {
    if (isMillraceError(error) && !error.retryable) return undefined;
    throw error;
  }
}

/**
 * The HTTP API over an online store, without a socket: `app.request('/v1/views')` answers in a test.
 *
 * @example
 * const app = createApi({ store, pool, clock: systemClock, services: definitions.services, newId: randomUUID, onBug: console.error });
 */
export function createApi(deps: ApiDeps): OpenAPIHono<ApiEnv> {
  const { clock, pool, store, services, servingLog } = deps;
  const metrics = new ApiMetrics(installationOf(pool), servingLog, deps.decisions?.log);
  const app = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues);
    },
  });
  const named = (error: unknown): unknown => namePostgresError(error, poolAddress(pool));

  app.use(async (c, next) => {
    const startMs = clock.monotonicMs();
    await next();
    // Only paths we know are labels: any other could be made up without end.
    const path =
      alertPath(c.req.path) ?? modelPath(c.req.path) ?? rolloutPath(c.req.path) ?? saidPath(c.req.path) ?? c.req.path;
    const known = app.routes.some((route) => route.path === path && route.method !== 'ALL');
    metrics.request(known ? path : 'other', c.res.status, (clock.monotonicMs() - startMs) / 1000);
  });
  const admission = admit(deps.gate);
  app.use('/v1/*', admission);
  app.use('/metrics', admission);
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: () => {
        throw new MillraceError('body-too-large', `the body is larger than ${MAX_BODY_BYTES} bytes`, {
          remedy: 'Ask for fewer entities at a time.',
          httpStatus: 413,
        });
      },
    }),
  );
  app.onError((thrown, c) => {
    const error = named(thrown);
    const { status, body } = errorResponse(error);
    if (status === 500 && !(isMillraceError(error) && error.code !== 'internal-bug')) deps.onBug(error);
    // The rest of the body is not read: the connection cannot carry another request.
    if (status === 413) c.header('Connection', 'close');
    if (status === 401) c.header('WWW-Authenticate', 'Bearer');
    const retryAfterS = isMillraceError(error) ? error.details['retryAfterS'] : undefined;
    if (typeof retryAfterS === 'number') c.header('Retry-After', String(retryAfterS));
    return c.json(body, status);
  });
  app.notFound((c) =>
    c.json(
      { code: 'not-found', message: `nothing at ${c.req.method} ${c.req.path}`, remedy: 'See /openapi.json.' },
      404,
    ),
  );

  // Before anything can be wrong with the request: a refusal carries its id too.
  app.use(featuresRoute.path, async (c, next) => {
    const given = c.req.header('x-request-id');
    const requestId = given === undefined ? deps.newId() : checkRequestId(given);
    c.set('requestId', requestId);
    c.header('x-request-id', requestId);
    await next();
  });
  app.openapi(featuresRoute, async (c) => {
    const body = c.req.valid('json');
    const requestId = c.get('requestId');
    const onReads = metrics.reads.bind(metrics);
    const { caller, spend } = c.get('admitted');
    const bytes = bodyBytes(c.req.header('content-length'));
    const mayRead = (kind: 'view' | 'service', name: string): boolean =>
      kind === 'view' ? mayReadView(caller.scopes, name, services) : mayReadService(caller.scopes, name, services);
    const onLookUps = (lookUps: number): void => spend(lookUps, bytes);
    const nowUs = (): number => clock.nowUs();
    const onDerived = metrics.derived.bind(metrics);
    const told = { onReads, onDerived, onDerivedFailed: deps.onDerivedFailed };
    const asked = body.service;
    // What a token does not cover is not looked for.
    const isLookedUp = asked !== undefined && deps.serviceOf !== undefined && mayRead('service', asked);
    const found = isLookedUp ? await deps.serviceOf(asked) : undefined;
    const shown = asked === undefined || found === undefined ? services : new Map(services).set(asked, found);
    const reading = { store, services: shown, mayRead, onLookUps, nowUs, requestId, servingLog, ...told };
    return c.json(await readRequest(body, reading), 200);
  });
  app.openapi(viewsRoute, async (c) => {
    const { scopes } = c.get('admitted').caller;
    return c.json(await servedViews(deps, (view) => mayReadView(scopes, view, services)), 200);
  });
  const shownVersions = async ({ caller: { scopes } }: AdmittedEnv['Variables']['admitted']): Promise<ViewVersion[]> =>
    (await liveVersions(pool)).filter(({ view }) => mayReadView(scopes, view, services));
  app.openapi(entitiesRoute, async (c) => {
    const shown = await shownVersions(c.get('admitted'));
    return c.json({ entities: listEntities(shown.map(({ layout }) => layout)) }, 200);
  });
  app.openapi(sourcesRoute, async (c) => c.json({ sources: listSources(await shownVersions(c.get('admitted'))) }, 200));
  app.openapi(servicesRoute, async (c) => {
    const { scopes } = c.get('admitted').caller;
    const known = [...services].filter(([service]) => mayReadService(scopes, service, services));
    const served = await Promise.all(
      known.map(async ([service, own]) => [service, (await servedIfKept(deps, service)) ?? own] as const),
    );
    return c.json({ services: listServices(new Map(served)) }, 200);
  });
  app.openapi(eventsRoute, async (c) => {
    const isAdmin = c.get('admitted').caller.scopes.some(({ kind }) => kind === 'admin');
    if (!isAdmin) throw forbidden('see who did what: that takes the scope admin');
    const { view, since, limit } = c.req.valid('query');
    const sinceUs = since === undefined ? undefined : Date.parse(since) * 1000;
    const events = await auditEvents(pool, { subject: view, sinceUs, limit });
    return c.json({ events: events.map(({ atUs, ...event }) => ({ ...event, at: formatDateTime(atUs) })) }, 200);
  });
  app.route('/', modelRoutes({ pool, services, places: deps.models, onLost: metrics.modelLost.bind(metrics) }));
  app.route('/', decisionRoutes(deps.decisions ?? { sources: new Map(), log: undefined }));
  app.route('/', rolloutRoutes({ pool, clock, services, onFallback: metrics.rolloutFallback.bind(metrics) }));
  app.route('/', alertRoutes({ pool, clock, newId: deps.newId }));
  if (deps.console !== undefined) app.route('/', consoleApp({ ...deps, named }, deps.console));
  app.openapi(healthRoute, (c) => c.json({ status: 'ok' as const }, 200));
  app.openapi(readyRoute, async (c) => {
    const unfit = await unfitDatabase(pool, 'reads');
    if (unfit !== null) throw unfit;
    await viewProgress(pool);
    return c.json({ status: 'ok' as const }, 200);
  });
  app.get('/metrics', async (c) => {
    const views = await scrapedCatalog(pool, clock);
    return c.text(await metrics.scrape(views, clock.nowUs()), 200, { 'Content-Type': metrics.contentType });
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' });
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: { title: 'Millrace', version: '1', description: 'Feature values, as of now or of a given time.' },
  });
  return app;
}
