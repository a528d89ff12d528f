import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import type pg from 'pg';
import { isMillraceError } from '../engine/errors/millrace-error.ts';
import { fetchModel, type ModelPlaces } from '../engine/models/fetch-model.ts';
import { modelChanges } from '../engine/models/model-fit.ts';
import { modelName } from '../engine/models/model-name.ts';
import { modelMeant } from '../engine/models/steer-models.ts';
import {
  type ModelAlias,
  type ModelAliasRow,
  modelAliases,
  type ModelVersion,
  modelVersions,
} from '../engine/postgres/model-versions.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import type { AdmittedEnv } from './access/admit.ts';
import { forbidden } from './access/gate.ts';
import { mayReadService, type ServiceNames } from './access/scope.ts';
import { errorSchema } from './api-schemas.ts';
import { invalidRequest } from './error-response.ts';
import { modelParamsSchema, modelQuerySchema, modelResponseSchema, modelsResponseSchema } from './model-schemas.ts';
import { json } from './json-content.ts';

export interface ModelRoutesDeps {
  readonly pool: pg.Pool;
  readonly places: ModelPlaces;
  readonly services: ServiceNames;
  /** Told of each file that could not be given, and why. */
  readonly onLost: (model: string, code: string) => void;
}

const security = [{ bearer: [] }];
const failures = {
  400: json(errorSchema, 'The request is wrong; the message names what.'),
  401: json(errorSchema, 'No token was given, or none that counts.'),
  403: json(errorSchema, 'The token does not cover the service of the model.'),
  404: json(errorSchema, 'There is no such model or version.'),
  429: json(errorSchema, 'More was asked for a second than may be.'),
  503: json(errorSchema, 'The database, or where the bytes are, cannot be reached.'),
};
const one = { params: modelParamsSchema, query: modelQuerySchema };

const listRoute = createRoute({
  method: 'get',
  path: '/v1/models',
  summary: 'The versions of models, newest first, as far as the token covers their services',
  security,
  responses: {
    200: json(modelsResponseSchema, 'By name.'),
    401: failures[401],
    429: failures[429],
    503: failures[503],
  },
});
const modelRoute = createRoute({
  method: 'get',
  path: '/v1/models/{name}',
  summary: 'A version of a model: what it takes, and whether that is served',
  security,
  request: one,
  responses: { 200: json(modelResponseSchema, 'The version.'), ...failures },
});
const fileRoute = createRoute({
  method: 'get',
  path: '/v1/models/{name}/file',
  summary: 'The bytes of a version, for who has neither Kafka nor Postgres',
  description:
    'Whole, with the hash that the description says, or not at all. `If-None-Match` with the ETag of before: 304 while it is the same.',
  security,
  request: one,
  responses: {
    200: {
      description: 'The file as it was published.',
      content: { 'application/octet-stream': { schema: { type: 'string' as const, format: 'binary' } } },
      headers: {
        etag: { description: 'The sha256, in quotes.', schema: { type: 'string' as const } },
        'x-millrace-model-version': { description: 'Which version it is.', schema: { type: 'string' as const } },
      },
    },
    304: { description: 'It is the file whose ETag was given.' },
    409: json(errorSchema, 'Its bytes are neither on the topic nor in the archive.'),
    ...failures,
  },
});

/** The route of a path that names a model, as routes are written; null for others. */
export function modelPath(path: string): string | null {
  const found = /^\/v1\/models\/[^/]+(\/file)?$/.exec(path);
  return found === null ? null : `/v1/models/:name${found[1] ?? ''}`;
}

/** What is told of models, and their bytes. Bytes are read one model at a time: each takes its size in memory. */
export function modelRoutes({ pool, places, services, onLost }: ModelRoutesDeps): OpenAPIHono<AdmittedEnv> {
  const app = new OpenAPIHono<AdmittedEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues);
    },
  });
  const inTurn = oneAfterAnother();
  const covered = ({ caller }: AdmittedEnv['Variables']['admitted'], service: string): boolean =>
    mayReadService(caller.scopes, service, services);
  const meant = async (
    admitted: AdmittedEnv['Variables']['admitted'],
    name: string,
    asked: string,
  ): Promise<ModelVersion> => {
    const version = await modelMeant(pool, modelName(name), /^\d/.test(asked) ? Number(asked) : (asked as ModelAlias));
    if (!covered(admitted, version.service)) throw forbidden(`read models of the service "${version.service}"`);
    return version;
  };

  app.openapi(listRoute, async (c) => {
    const admitted = c.get('admitted');
    const [versions, aliases] = await Promise.all([modelVersions(pool), modelAliases(pool)]);
    const shown = versions.filter(({ service }) => covered(admitted, service));
    return c.json({ models: shown.map((version) => modelJson(version, aliases)) }, 200);
  });
  app.openapi(modelRoute, async (c) => {
    const version = await meant(c.get('admitted'), c.req.valid('param').name, c.req.valid('query').version);
    const [aliases, changes] = await Promise.all([modelAliases(pool, version.model), modelChanges(pool, version)]);
    const { request, features } = version.signature;
    return c.json({ ...modelJson(version, aliases), signature: { request, features }, changes }, 200);
  });
  app.openapi(fileRoute, async (c) => {
    const version = await meant(c.get('admitted'), c.req.valid('param').name, c.req.valid('query').version);
    const headers = { etag: `"${version.sha256}"`, 'x-millrace-model-version': String(version.version) };
    if (c.req.header('if-none-match') === headers.etag) return c.body(null, 304, headers);
    try {
      const bytes = await inTurn(() => fetchModel(places, version));
      return c.body(bytes, 200, { ...headers, 'content-type': 'application/octet-stream' });
    } catch (error) {
      onLost(version.model, isMillraceError(error) ? error.code : 'internal-bug');
      throw error;
    }
  });
  return app;
}

/** Runs work one after the other, whatever becomes of what came before. */
function oneAfterAnother(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => undefined); // whoever asked for it is told
    return mine;
  };
}

function modelJson(one: ModelVersion, aliases: readonly ModelAliasRow[]) {
  const { model, version, state, sha256, sizeBytes, service, features, metrics, publishedAtUs } = one;
  return {
    model,
    version,
    aliases: aliases.filter((row) => row.model === model && row.version === version).map(({ alias }) => alias),
    state,
    sha256,
    size_bytes: sizeBytes,
    service,
    features: { ...features },
    metrics: metrics === null ? null : { ...metrics },
    published_at: formatDateTime(publishedAtUs),
  };
}
