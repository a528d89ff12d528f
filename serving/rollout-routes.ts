import { createHash } from 'node:crypto';
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import type pg from 'pg';
import type { Assignment } from '../engine/decisions/assignment-told.ts';
import { modelName } from '../engine/models/model-name.ts';
import { modelMeant } from '../engine/models/steer-models.ts';
import type { ModelVersion } from '../engine/postgres/model-versions.ts';
import { type Rollout, rolloutOf } from '../engine/postgres/rollouts.ts';
import type { FallbackReason } from '../engine/rollouts/choose-variant.ts';
import { unitVariant } from '../engine/rollouts/unit-variant.ts';
import type { Clock } from '../engine/values/clock.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import type { AdmittedEnv } from './access/admit.ts';
import { forbidden } from './access/gate.ts';
import { mayReadService, type ServiceNames } from './access/scope.ts';
import { errorSchema } from './api-schemas.ts';
import { invalidRequest } from './error-response.ts';
import { json } from './json-content.ts';
import {
  rolloutParamsSchema,
  rolloutResponseSchema,
  variantQuerySchema,
  variantResponseSchema,
} from './rollout-schemas.ts';

export interface RolloutRoutesDeps {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly services: ServiceNames;
  /** Told of each unit that was decided for by what is there although its variant may be another. */
  readonly onFallback: (model: string, reason: FallbackReason) => void;
}

const failures = {
  400: json(errorSchema, 'The request is wrong; the message names what.'),
  401: json(errorSchema, 'No token was given, or none that counts.'),
  403: json(errorSchema, 'The token does not cover the service of the model.'),
  404: json(errorSchema, 'There is no such model, or it has no champion.'),
  429: json(errorSchema, 'More was asked for a second than may be.'),
  503: json(errorSchema, 'The database cannot be reached.'),
};
const security = [{ bearer: [] }];

const rolloutRoute = createRoute({
  method: 'get',
  path: '/v1/rollouts/{model}',
  summary: 'The open rollout of a model, for a program that assigns units itself',
  description:
    'Asked for every 10 s, or oftener. `If-None-Match` with the ETag of before: 304 while nothing has changed, the end of the lease included. docs/rollouts.md says how a unit is assigned, and when `against` decides.',
  security,
  request: { params: rolloutParamsSchema },
  responses: {
    200: {
      ...json(rolloutResponseSchema, 'Its state, or that there is none.'),
      headers: { etag: { description: 'Of the state and its lease.', schema: { type: 'string' as const } } },
    },
    304: { description: 'It is the state whose ETag was given.' },
    ...failures,
  },
});
const variantRoute = createRoute({
  method: 'get',
  path: '/v1/variants/{model}',
  summary: 'Which version of a model decides for a unit',
  security,
  request: { params: rolloutParamsSchema, query: variantQuerySchema },
  responses: { 200: json(variantResponseSchema, 'The variant of the unit.'), ...failures },
});

/** The route of a path that names a model's rollout, as routes are written; null for others. */
export function rolloutPath(path: string): string | null {
  const found = /^\/v1\/(rollouts|variants)\/[^/]+$/.exec(path);
  return found === null ? null : `/v1/${found[1]}/:model`;
}

/** What is told of rollouts, and of the variants of units. A token needs the model's service. */
export function rolloutRoutes({ pool, clock, services, onFallback }: RolloutRoutesDeps): OpenAPIHono<AdmittedEnv> {
  const app = new OpenAPIHono<AdmittedEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues);
    },
  });
  const championOf = async ({ caller }: AdmittedEnv['Variables']['admitted'], name: string): Promise<ModelVersion> => {
    const champion = await modelMeant(pool, modelName(name), 'champion');
    if (mayReadService(caller.scopes, champion.service, services)) return champion;
    throw forbidden(`read models of the service "${champion.service}"`);
  };

  app.openapi(rolloutRoute, async (c) => {
    const { model, version } = await championOf(c.get('admitted'), c.req.valid('param').model);
    const rollout = await rolloutOf(pool, model);
    const said = [version, rollout?.id, rollout?.revision, rollout?.leaseUntilUs];
    const etag = `"${createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 32)}"`;
    if (c.req.header('if-none-match') === etag) return c.body(null, 304, { etag });
    const body = { model, champion: version, rollout: rollout === null ? null : rolloutJson(rollout) };
    return c.json(body, 200, { etag, 'cache-control': 'no-cache' });
  });
  app.openapi(variantRoute, async (c) => {
    const champion = await championOf(c.get('admitted'), c.req.valid('param').model);
    const { model } = champion;
    const chosen = await unitVariant(pool, clock, model, c.req.valid('query').unit);
    const { variant, held, assigned, shadow, fellBack } = chosen;
    if (fellBack !== null) onFallback(model, fellBack);
    const body = {
      model,
      variant,
      version: held ?? champion.version,
      assigned: assigned && assignmentJson(assigned),
      shadow: shadow && { version: shadow.held, assigned: assignmentJson(shadow.assigned) },
      fell_back: fellBack,
    };
    return c.json(body, 200, { 'cache-control': 'no-store' });
  });
  return app;
}

function assignmentJson({ assignmentPropensity, ...same }: Assignment) {
  return { ...same, assignment_propensity: assignmentPropensity };
}

function rolloutJson(one: Rollout) {
  const { id, revision, salt, mode, stage, shadow, variants } = one;
  return {
    id,
    revision,
    salt,
    mode,
    stage,
    shadow,
    variants: [...variants],
    lease_until: formatDateTime(one.leaseUntilUs),
    lease_left_ms: one.leaseLeftMs,
    started_at: formatDateTime(one.startedAtUs),
    moved_at: formatDateTime(one.movedAtUs),
  };
}
