/** Rollouts and variants over HTTP: for services in any language, which assign by themselves or ask. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { renewLease, type Rollout } from '../../engine/postgres/rollouts.ts';
import { endRollout, moveRollout } from '../../engine/rollouts/steer-rollouts.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld, serve, TAGS } from '../models/model-world.ts';
import { oracleVariant } from './assignment-oracle.ts';
import { openIt, publishVersions, sharesOf } from './rollout-world.ts';

let world: ModelWorld;
let api: RunningApi;
let tokens: RunningApi;
let models = 0;
let model = '';
beforeAll(async () => {
  world = await openModelWorld(inject('stack').databaseUrl);
  api = await startApi({ pool: world.pool });
  tokens = await startApi({ pool: world.pool, access: { auth: 'tokens' } });
});
afterAll(async () => {
  await Promise.all([api.close(), tokens.close()]);
  await world.close();
});
beforeEach(async () => {
  model = `model_${++models}`;
  await publishVersions(world, new MemoryLog(), model);
});

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}${path}`, { headers });
const variantOf = async (unit: string): Promise<unknown> =>
  (await ask(`/v1/variants/${model}?unit=${encodeURIComponent(unit)}`)).json();
const said = () => ({ pool: world.pool, actor: 'ana', why: 'no worse' });
const move = (row: Rollout, candidate: number, shadow = false): Promise<Rollout> =>
  moveRollout({
    ...said(),
    id: row.id,
    expected: row.revision,
    next: { stage: row.stage, shadow, shares: sharesOf(candidate) },
  });

describe('GET /v1/rollouts/MODEL', () => {
  it('tells the state that units are assigned by, and that there is none', async () => {
    expect(await (await ask(`/v1/rollouts/${model}`)).json()).toEqual({ model, champion: 1, rollout: null });
    const row = await openIt(world, model, { share: 0.25, leaseMs: 60_000 });
    const answer = await ask(`/v1/rollouts/${model}`);
    const told = (await answer.json()) as { rollout: { lease_left_ms: number } };
    expect(told).toEqual({
      model,
      champion: 1,
      rollout: {
        id: row.id,
        revision: 1,
        salt: row.salt,
        mode: 'stages',
        stage: 0,
        shadow: false,
        variants: [
          { variant: 'candidate', version: 2, share: 0.25 },
          { variant: 'against', version: 1, share: 0.75 },
        ],
        lease_until:
          new Date(row.leaseUntilUs / 1000).toISOString().slice(0, -1) + String(row.leaseUntilUs).slice(-3) + 'Z',
        lease_left_ms: told.rollout.lease_left_ms,
        started_at: expect.any(String) as string,
        moved_at: expect.any(String) as string,
      },
    });
    expect(told.rollout.lease_left_ms).toBeGreaterThan(0);
    expect(told.rollout.lease_left_ms).toBeLessThanOrEqual(60_000);
    await endRollout({ ...said(), id: row.id, phase: 'stopped' });
    expect(await (await ask(`/v1/rollouts/${model}`)).json()).toMatchObject({ rollout: null });
  });

  it('has an ETag that stays until the state or its lease is another', async () => {
    const row = await openIt(world, model);
    const tagOf = async (given?: string): Promise<[number, string]> => {
      const answer = await ask(`/v1/rollouts/${model}`, given === undefined ? {} : { 'if-none-match': given });
      await answer.arrayBuffer();
      return [answer.status, answer.headers.get('etag') ?? ''];
    };
    const [, first] = await tagOf();
    expect(await tagOf(first)).toEqual([304, first]);
    await renewLease(world.pool, row.id, 3_600_000);
    const [renewed, second] = await tagOf(first);
    expect(renewed).toBe(200);
    expect(await tagOf(second)).toEqual([304, second]);
    await move(row, 0.6);
    expect((await tagOf(second))[0]).toBe(200);
  });
});

describe('GET /v1/variants/MODEL', () => {
  it('gives units what the oracle has for them, and in shadow the candidate beside it', async () => {
    expect(await variantOf('a')).toEqual({
      model,
      variant: 'champion',
      version: 1,
      assigned: null,
      shadow: null,
      fell_back: null,
    });
    const row = await openIt(world, model, { share: 0.5 });
    const units = ['customer-7', 'LAS→PHL', '日本 ✈ 😀', ' ', ...Array.from({ length: 30 }, (_, n) => `unit-${n}`)];
    for (const unit of units) {
      const variant = oracleVariant(row, unit);
      expect(await variantOf(unit)).toEqual({
        model,
        variant,
        version: variant === 'candidate' ? 2 : 1,
        assigned: { rollout: row.id, revision: 1, stage: 0, variant, assignment_propensity: 0.5, unit },
        shadow: null,
        fell_back: null,
      });
    }
    await move(row, 0, true);
    expect(await variantOf('a')).toMatchObject({
      variant: 'against',
      assigned: { variant: 'against', assignment_propensity: 1 },
      shadow: { version: 2, assigned: { variant: 'candidate', revision: 2, unit: 'a' } },
    });
  });

  it('gives what is there where nobody watches, or the candidate does not fit; metrics tell', async () => {
    const row = await openIt(world, model, { share: 1, leaseMs: 0 });
    const fallen = { model, variant: 'against', version: 1, assigned: null, shadow: null };
    expect(await variantOf('a')).toEqual({ ...fallen, fell_back: 'lease-lapsed' });
    expect(await (await ask('/metrics')).text()).toMatch(
      new RegExp(`millrace_rollout_lease_seconds\\{model="${model}"\\} -`),
    );
    await renewLease(world.pool, row.id, 3_600_000);
    expect(await variantOf('a')).toMatchObject({ variant: 'candidate', fell_back: null });
    await serve(world.pool, { ...TAGS, flights_1d: '00000000000000ee' }, 'route_delays', 1000 + models);
    expect(await variantOf('a')).toEqual({ ...fallen, fell_back: 'not-held' });
    expect(await variantOf('a')).toEqual({ ...fallen, fell_back: 'not-held' });
    await serve(world.pool, TAGS, 'route_delays', 2000 + models);
    const scraped = await (await ask('/metrics')).text();
    expect(scraped).toContain(`millrace_rollout_fallbacks_total{model="${model}",reason="lease-lapsed"} 1`);
    expect(scraped).toContain(`millrace_rollout_fallbacks_total{model="${model}",reason="not-held"} 2`);
    expect(scraped).toContain(`millrace_rollout_revision{model="${model}"} 1`);
    expect(scraped).toContain(`millrace_rollout_stage{model="${model}"} 0`);
    expect(scraped).toContain(`millrace_rollout_share{model="${model}",variant="candidate"} 1`);
    expect(scraped).toContain('route="/v1/variants/:model"');
    expect(scraped).not.toContain(`route="/v1/variants/${model}"`);
  });

  it('says what it cannot give', async () => {
    const refused = async (path: string): Promise<unknown> => {
      const answer = await ask(path);
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    expect(await refused('/v1/variants/never?unit=a')).toEqual([404, 'unknown-model']);
    expect(await refused('/v1/rollouts/never')).toEqual([404, 'unknown-model']);
    expect(await refused(`/v1/variants/${model}`)).toEqual([400, 'invalid-request']);
    expect(await refused(`/v1/variants/${model}?unit=`)).toEqual([400, 'invalid-request']);
    expect(await refused('/v1/rollouts/Late%20Flights')).toEqual([400, 'invalid-name']);
  });

  it('needs the service of the model where the server takes tokens', async () => {
    const variables = { DATABASE_URL: world.database.url };
    const tokenOf = async (name: string, scope: string): Promise<string> => {
      const { stdout, stderr } = await runCli(['token', 'create', name, '--scope', scope, '--json'], variables);
      expect(stderr).toBe('');
      return (JSON.parse(stdout) as { token: string }).token;
    };
    const [own, other] = [
      await tokenOf(`${model}_own`, 'read:delay_model'),
      await tokenOf(`${model}_other`, 'read:payments'),
    ];
    const status = async (path: string, token?: string): Promise<number> =>
      (
        await fetch(`${tokens.url}${path}`, {
          headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        })
      ).status;
    for (const path of [`/v1/rollouts/${model}`, `/v1/variants/${model}?unit=a`])
      expect([await status(path), await status(path, own), await status(path, other)]).toEqual([401, 200, 403]);
  });
});
