/** Models over HTTP: for who has neither Kafka nor Postgres. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { CHUNK_BYTES } from '../../engine/models/model-record.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { MemoryLog } from './memory-log.ts';
import { type ModelWorld, openModelWorld, serve, TAGS } from './model-world.ts';

let world: ModelWorld;
let api: RunningApi;
let tokens: RunningApi;
const log = new MemoryLog();
const one = randomBytes(CHUNK_BYTES + 3);
const two = Buffer.from('two');
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
  const models = { reader: log, archiveDir: world.archiveDir };
  api = await startApi({ pool: world.pool, models });
  tokens = await startApi({ pool: world.pool, models, access: { auth: 'tokens' } });
  await world.publish(log, one, { model: 'late', metrics: { logLoss: 0.5 } });
  await world.publish(log, two, { model: 'late', alias: 'challenger' });
});
afterAll(async () => {
  await Promise.all([api.close(), tokens.close()]);
  await world.close();
});

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}${path}`, { headers });
const told = async (path: string): Promise<unknown> => (await ask(path)).json();

describe('GET /v1/models', () => {
  it('lists versions and describes one', async () => {
    expect(await told('/v1/models')).toMatchObject({
      models: [
        { model: 'late', version: 2, aliases: ['challenger'], size_bytes: 3, metrics: null },
        {
          model: 'late',
          version: 1,
          aliases: ['champion'],
          metrics: { logLoss: 0.5 },
          features: { route_delays: TAGS },
        },
      ],
    });
    expect(await told('/v1/models/late')).toMatchObject({
      version: 1,
      sha256: createHash('sha256').update(one).digest('hex'),
      signature: { request: [], features: [{ column: 'route_delays__flights_1d' }, { block: 'route_delays' }] },
      changes: [],
    });
    expect(await told('/v1/models/late?version=challenger')).toMatchObject({ version: 2 });
    await serve(world.pool, { ...TAGS, flights_1d: '00000000000000ff' }, 'route_delays', 2);
    expect(await told('/v1/models/late')).toMatchObject({
      changes: [{ view: 'route_delays', feature: 'flights_1d', served: '00000000000000ff' }],
    });
    const scraped = await (await ask('/metrics')).text();
    expect(scraped).toContain('millrace_model_versions{model="late"} 2');
    expect(scraped).toContain('millrace_model_changed_features{model="late",alias="champion"} 1');
    expect(scraped).toMatch(/millrace_model_age_seconds\{model="late",alias="champion"\} \d/);
    expect(scraped).toContain('route="/v1/models/:name"');
    await serve(world.pool, TAGS, 'route_delays', 3);
  });

  it('gives the bytes, whole, with the hash as their tag', async () => {
    const answer = await ask('/v1/models/late/file');
    expect([answer.status, answer.headers.get('x-millrace-model-version')]).toEqual([200, '1']);
    expect(Buffer.from(await answer.arrayBuffer()).equals(one)).toBe(true);
    const etag = answer.headers.get('etag') ?? '';
    expect(etag).toBe(`"${createHash('sha256').update(one).digest('hex')}"`);
    expect((await ask('/v1/models/late/file', { 'if-none-match': etag })).status).toBe(304);
    const other = await ask('/v1/models/late/file?version=2', { 'if-none-match': etag });
    expect(Buffer.from(await other.arrayBuffer())).toEqual(two);
    // From the archive, where the topic lost its head.
    log.loseHead(1);
    const kept = await Promise.all([1, 2, 3].map(() => ask('/v1/models/late/file')));
    for (const each of kept) expect(Buffer.from(await each.arrayBuffer()).equals(one)).toBe(true);
  });

  it('says what it cannot give', async () => {
    const refused = async (path: string): Promise<unknown> => {
      const answer = await ask(path);
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    expect(await refused('/v1/models/never')).toEqual([404, 'unknown-model']);
    expect(await refused('/v1/models/late?version=9')).toEqual([404, 'unknown-model']);
    expect(await refused('/v1/models/late?version=newest')).toEqual([400, 'invalid-request']);
    expect(await refused('/v1/models/Late%20Flights')).toEqual([400, 'invalid-name']);
    const alone = await startApi({ pool: world.pool });
    const lost = await fetch(`${alone.url}/v1/models/late/file`);
    expect([lost.status, ((await lost.json()) as { code: string }).code]).toEqual([409, 'model-lost']);
    expect(await (await fetch(`${alone.url}/metrics`)).text()).toContain(
      'millrace_model_files_refused_total{model="late",code="model-lost"} 1',
    );
    await alone.close();
  });

  it('shows a token the models of the services that it covers, and no others', async () => {
    const token = async (scope: string): Promise<string> => {
      const variables = { DATABASE_URL: world.database.url, MILLRACE_ACTOR: 'ana' };
      const { stdout } = await runCli(
        ['token', 'create', scope.replace(/\W/g, '_'), '--scope', scope, '--json'],
        variables,
      );
      return (JSON.parse(stdout) as { token: string }).token;
    };
    const [own, other] = [await token('read:delay_model'), await token('read:route_delays')];
    const asked = (path: string, as?: string): Promise<Response> =>
      fetch(`${tokens.url}${path}`, as === undefined ? {} : { headers: { authorization: `Bearer ${as}` } });
    expect((await asked('/v1/models')).status).toBe(401);
    expect((await asked('/v1/models/late/file')).status).toBe(401);
    expect(((await (await asked('/v1/models', own)).json()) as { models: unknown[] }).models).toHaveLength(2);
    expect((await asked('/v1/models/late/file', own)).status).toBe(200);
    expect(((await (await asked('/v1/models', other)).json()) as { models: unknown[] }).models).toEqual([]);
    expect((await asked('/v1/models/late', other)).status).toBe(403);
    expect((await asked('/v1/models/late/file', other)).status).toBe(403);
  });
});
