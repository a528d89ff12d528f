import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import type pg from 'pg';
import { alertJson, type AlertJson, silenceJson } from '../engine/alerts/alert-json.ts';
import { isoMs } from '../engine/alerts/alert-event.ts';
import { type KnownAlert, readAlerts } from '../engine/alerts/alert-store.ts';
import { readProgress } from '../engine/alerts/series-store.ts';
import { readSilences } from '../engine/alerts/silence.ts';
import { acknowledgeAlert, addSilence, alertNamed, scopeOfAlert } from '../engine/alerts/steer-alerts.ts';
import type { Clock } from '../engine/values/clock.ts';
import type { AdmittedEnv } from './access/admit.ts';
import { forbidden } from './access/gate.ts';
import {
  acknowledgeRequestSchema,
  alertParamsSchema,
  alertSchema,
  alertsQuerySchema,
  alertsResponseSchema,
  silenceRequestSchema,
} from './alert-schemas.ts';
import { errorSchema } from './api-schemas.ts';
import { invalidRequest } from './error-response.ts';
import { json } from './json-content.ts';

export interface AlertRoutesDeps {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  /** Makes the ids of silences. */
  readonly newId: () => string;
}

const failures = {
  400: json(errorSchema, 'The request is wrong; the message names what.'),
  401: json(errorSchema, 'No token was given, or none that counts.'),
  403: json(errorSchema, 'The token does not cover alerts.'),
  404: json(errorSchema, 'There is no such alert.'),
  409: json(errorSchema, 'The alert is closed.'),
  429: json(errorSchema, 'More was asked for a second than may be.'),
  503: json(errorSchema, 'The database cannot be reached.'),
};
const { 404: _, 409: __, ...ofListing } = failures;
const security = [{ bearer: [] }];

const alertsRoute = createRoute({
  method: 'get',
  path: '/v1/alerts',
  summary: 'Alerts, open ones first, then the newest (scope alerts)',
  security,
  request: { query: alertsQuerySchema },
  responses: { 200: json(alertsResponseSchema, 'Alerts and silences.'), ...ofListing },
});
const acknowledgeRoute = createRoute({
  method: 'post',
  path: '/v1/alerts/{id}/acknowledge',
  summary: 'Say that somebody looks after an open alert (scope alerts)',
  security,
  request: {
    params: alertParamsSchema,
    body: { required: true, content: { 'application/json': { schema: acknowledgeRequestSchema } } },
  },
  responses: { 200: json(alertSchema, 'The alert.'), ...failures },
});
const silenceRoute = createRoute({
  method: 'post',
  path: '/v1/alerts/{id}/silence',
  summary: "Silence whatever has an alert's root and kind, until a time (scope alerts)",
  security,
  request: {
    params: alertParamsSchema,
    body: { required: true, content: { 'application/json': { schema: silenceRequestSchema } } },
  },
  responses: { 200: json(alertSchema, 'The alert.'), ...failures },
});

/** The route of a path that names an alert, as routes are written; null for others. */
export function alertPath(path: string): string | null {
  const found = /^\/v1\/alerts\/[^/]+\/(acknowledge|silence)$/.exec(path);
  return found === null ? null : `/v1/alerts/:id/${found[1]}`;
}

/** What is told of alerts, and said of them. A token needs the scope `alerts`; who says something is its name. */
export function alertRoutes({ pool, clock, newId }: AlertRoutesDeps): OpenAPIHono<AdmittedEnv> {
  const app = new OpenAPIHono<AdmittedEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues);
    },
  });
  const wallMs = (): number => Math.floor(clock.nowUs() / 1000);
  const callerOf = ({ caller }: AdmittedEnv['Variables']['admitted']): string => {
    if (caller.scopes.some(({ kind }) => kind === 'alerts' || kind === 'admin')) return caller.id;
    throw forbidden('see alerts, or say anything of them: that takes the scope alerts');
  };
  const told = async (alert: KnownAlert): Promise<AlertJson> =>
    alertJson(alert, await readSilences(pool, wallMs()), wallMs());

  app.openapi(alertsRoute, async (c) => {
    callerOf(c.get('admitted'));
    const { state, limit } = c.req.valid('query');
    const [alerts, silences, progress] = await Promise.all([
      readAlerts(pool, { state, limit }),
      readSilences(pool, wallMs()),
      readProgress(pool, 'hour'),
    ]);
    const body = {
      evaluated_until: progress === null ? null : isoMs(progress.nextMs),
      alerts: alerts.map((alert) => alertJson(alert, silences, wallMs())),
      silences: silences.map(silenceJson),
    };
    return c.json(body, 200, { 'cache-control': 'no-store' });
  });
  app.openapi(acknowledgeRoute, async (c) => {
    const who = callerOf(c.get('admitted'));
    const { reason } = c.req.valid('json');
    return c.json(await told(await acknowledgeAlert(pool, c.req.valid('param').id, { who, reason })), 200);
  });
  app.openapi(silenceRoute, async (c) => {
    const who = callerOf(c.get('admitted'));
    const { reason, until } = c.req.valid('json');
    const alert = await alertNamed(pool, c.req.valid('param').id);
    const untilMs = Date.parse(until);
    await addSilence(pool, { ...scopeOfAlert(alert), id: newId(), untilMs, who, reason }, wallMs());
    return c.json(await told(alert), 200);
  });
  return app;
}
