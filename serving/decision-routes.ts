import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import type { DecisionLog } from '../engine/decisions/decision-log.ts';
import type { CompiledSource } from '../engine/define/compiled-view.ts';
import { recordSchema } from '../engine/define/record-schema.ts';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import type { AdmittedEnv } from './access/admit.ts';
import { forbidden } from './access/gate.ts';
import { mayWrite } from './access/scope.ts';
import { errorSchema } from './api-schemas.ts';
import { bodyBytes } from './body-bytes.ts';
import {
  recordSchemaSchema,
  saidBodySchema,
  saidParamsSchema,
  saidQuerySchema,
  saidResponseSchema,
  type SaidResult,
} from './decision-schemas.ts';
import { invalidRequest } from './error-response.ts';
import { json } from './json-content.ts';

export interface DecisionRoutesDeps {
  /** Those of the definitions. */
  readonly sources: ReadonlyMap<string, CompiledSource>;
  /** Undefined: this server takes none. */
  readonly log: DecisionLog | undefined;
}

type Said = 'decisions' | 'outcomes';

/** Reasons that one error tells. */
const MOST_TOLD = 10;

const security = [{ bearer: [] }];
const failures = {
  400: json(errorSchema, 'The request is wrong, or each of its records breaks the contract; the message names what.'),
  401: json(errorSchema, 'No token was given, or none that counts.'),
  403: json(errorSchema, 'The token does not cover the source.'),
  404: json(errorSchema, 'There is no such source, or this server was not told where decisions go.'),
  429: json(errorSchema, 'More was asked for a second than may be.'),
  503: json(
    errorSchema,
    'No record could be taken, or with `wait=true` none came to the topic; the message has why, by record.',
  ),
};

const sayRoute = <Path extends string>(path: Path, says: Said) =>
  createRoute({
    method: 'post',
    path,
    summary: `Says ${says}: records of a source, sent to its topic in the background`,
    description:
      '202 tells that records were taken, not that the topic has them: what is lost afterwards is counted. With `wait=true` the answer is 200, once each was acknowledged or lost; 503, where none was acknowledged. ' +
      'A record that breaks its contract has its reasons in its place; the others are taken. Sending the same ids again counts once.',
    security,
    request: {
      params: saidParamsSchema,
      query: saidQuerySchema,
      body: { required: true, content: { 'application/json': { schema: saidBodySchema } } },
    },
    responses: {
      200: json(saidResponseSchema, 'What became of each record, in their order.'),
      202: json(saidResponseSchema, 'Which were taken, in their order.'),
      ...failures,
    },
  });
const decisionsRoute = sayRoute('/v1/decisions/{name}', 'decisions');
const outcomesRoute = sayRoute('/v1/outcomes/{name}', 'outcomes');
const schemaRoute = createRoute({
  method: 'get',
  path: '/v1/schemas/{name}',
  summary: 'What a record of decisions or outcomes has to be, as a JSON Schema',
  security,
  request: { params: saidParamsSchema },
  responses: {
    200: json(recordSchemaSchema, 'The schema.'),
    401: failures[401],
    403: failures[403],
    404: failures[404],
    429: failures[429],
  },
});

/** The route of a path that names a source, as routes are written; null for others. */
export function saidPath(path: string): string | null {
  const found = /^\/v1\/(decisions|outcomes|schemas)\/[^/]+$/.exec(path);
  return found === null ? null : `/v1/${found[1]}/:name`;
}

/** What applications in any language decided, and what came of it. */
export function decisionRoutes({ sources, log }: DecisionRoutesDeps): OpenAPIHono<AdmittedEnv> {
  const app = new OpenAPIHono<AdmittedEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error.issues);
    },
  });
  const covered = ({ caller }: AdmittedEnv['Variables']['admitted'], name: string, says?: Said): CompiledSource => {
    // Whoever may not write a source is not told whether it is there.
    if (!mayWrite(caller.scopes, name)) throw forbidden(`say records of "${name}": that takes the scope write:${name}`);
    const source = sources.get(name);
    if (source?.says === undefined || (says !== undefined && source.says !== says)) throw unknownSource(name, says);
    return source;
  };
  const say = async (
    admitted: AdmittedEnv['Variables']['admitted'],
    name: string,
    says: Said,
    records: readonly Readonly<Record<string, unknown>>[],
    isAwaited: boolean,
    bytes: number,
  ): Promise<SaidResult[]> => {
    const source = covered(admitted, name, says);
    if (log === undefined) throw notConfigured();
    admitted.spend(records.length, bytes);
    const taken = records.map((record) => take(log, source, record));
    const results = isAwaited ? await Promise.all(taken.map(({ end }) => end)) : taken.map(({ now }) => now);
    if (results.every(({ reasons }) => reasons !== undefined)) throw allInvalid(name, results);
    if (results.every(({ dropped, reasons }) => dropped !== undefined || reasons !== undefined))
      throw noneTaken(name, results);
    return results;
  };

  app.openapi(decisionsRoute, async (c) => {
    const isAwaited = c.req.valid('query').wait === 'true';
    const [{ name }, records] = [c.req.valid('param'), c.req.valid('json')];
    const bytes = bodyBytes(c.req.header('content-length'));
    const results = await say(c.get('admitted'), name, 'decisions', records, isAwaited, bytes);
    return c.json({ results }, isAwaited ? 200 : 202);
  });
  app.openapi(outcomesRoute, async (c) => {
    const isAwaited = c.req.valid('query').wait === 'true';
    const [{ name }, records] = [c.req.valid('param'), c.req.valid('json')];
    const bytes = bodyBytes(c.req.header('content-length'));
    const results = await say(c.get('admitted'), name, 'outcomes', records, isAwaited, bytes);
    return c.json({ results }, isAwaited ? 200 : 202);
  });
  app.openapi(schemaRoute, (c) => {
    const source = covered(c.get('admitted'), c.req.valid('param').name);
    return c.json({ ...recordSchema(source) }, 200);
  });
  return app;
}

/** A record as it was taken: what is known of it now, and what becomes of it. */
function take(
  log: DecisionLog,
  source: CompiledSource,
  record: Readonly<Record<string, unknown>>,
): { readonly now: SaidResult; readonly end: Promise<SaidResult> } {
  let known: SaidResult['dropped'];
  let tell: ((dropped: SaidResult['dropped']) => void) | null = null;
  const ended = new Promise<SaidResult['dropped']>((resolve) => (tell = resolve));
  try {
    const id = log.take(source, record, (dropped) => {
      known = dropped ?? undefined;
      tell?.(known);
    });
    const result = (dropped: SaidResult['dropped']): SaidResult => (dropped === undefined ? { id } : { id, dropped });
    return { now: result(known), end: ended.then(result) };
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'invalid-decision') throw error;
    const refused = { reasons: [...(error.details['reasons'] as readonly string[])] };
    return { now: refused, end: Promise.resolve(refused) };
  }
}

function unknownSource(name: string, says: Said | undefined): MillraceError {
  return new MillraceError(
    'unknown-source',
    `no source of ${says ?? 'decisions or outcomes'} "${name}" is defined here`,
    {
      remedy: 'Correct the name, or start the server with the definitions that have it.',
      httpStatus: 404,
    },
  );
}

function notConfigured(): MillraceError {
  return new MillraceError('decisions-not-configured', 'this server was not told where decisions and outcomes go', {
    remedy: 'Start it with KAFKA_BROKERS, and with the topics of the definitions.',
    httpStatus: 404,
  });
}

function allInvalid(name: string, results: readonly SaidResult[]): MillraceError {
  return new MillraceError('invalid-decision', `each record breaks the contract of "${name}": ${whyOfEach(results)}`, {
    remedy: `GET /v1/schemas/${name} has the schema; docs/loop.md has the rules.`,
  });
}

/** `[0] action: expected a string, received 7, [1] dropped (buffer-full)` */
function whyOfEach(results: readonly SaidResult[]): string {
  const told = results
    .slice(0, MOST_TOLD)
    .map(
      ({ reasons, dropped }, index) =>
        `[${index}] ${reasons === undefined ? `dropped (${dropped})` : reasons.join('; ')}`,
    );
  const more = results.length - told.length;
  return `${told.join(', ')}${more > 0 ? `, and ${more} more` : ''}`;
}

function noneTaken(name: string, results: readonly SaidResult[]): MillraceError {
  const invalid = results.filter(({ reasons }) => reasons !== undefined).length;
  const also = invalid === 0 ? '' : ` (${invalid} of them break the contract, and would not be taken then either)`;
  return new MillraceError('decisions-dropped', `no record of "${name}" could be taken: ${whyOfEach(results)}`, {
    remedy: `Send them again later, with the same ids: what came twice counts once${also}.`,
    retryable: true,
    httpStatus: 503,
  });
}
