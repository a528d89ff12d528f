/** Who sees what of the console, how one comes in, and that nothing else is ever sent to it. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { insertToken } from '../../engine/postgres/api-tokens.ts';
import { runSql } from '../../engine/postgres/run-sql.ts';
import { CATALOG } from '../../engine/postgres/schemas.ts';
import { sqlText } from '../../engine/postgres/sql.ts';
import { hashOf, idOf, tokenOf } from '../../serving/access/token-text.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { NOW_US } from '../online/online-fixture.ts';
import { type ConsoleWorld, openConsoleWorld } from './console-world.ts';

/** A clock that is moved by hand. */
const clock = { ms: 1_000_000, nowUs: () => NOW_US + (clock.ms - 1_000_000) * 1000, monotonicMs: () => clock.ms };

let world: ConsoleWorld;
let api: RunningApi;
let open: RunningApi;

beforeAll(async () => {
  world = await openConsoleWorld(inject('stack').databaseUrl);
  const { pool, definitions } = world;
  api = await startApi({ pool, definitions, clock, access: { auth: 'tokens' } });
  open = await startApi({ pool, definitions, clock });
});
afterAll(async () => {
  await Promise.all([api.close(), open.close()]);
  await world.close();
});

let made = 0;
async function tokenWith(...scopes: string[]): Promise<{ token: string; id: string }> {
  made += 1;
  const token = tokenOf(new Uint8Array(24).fill(made));
  const id = idOf(hashOf(token));
  await insertToken(world.pool, {
    id,
    name: `token ${made}`,
    hash: Buffer.from(hashOf(token), 'hex'),
    scopes,
    entitiesPerS: null,
    bytesPerS: null,
    createdBy: 'ana',
    createdAtUs: NOW_US,
    expiresAtUs: null,
  });
  clock.ms += 6_000;
  return { token, id };
}

const get = (path: string, cookie?: string): Promise<Response> =>
  fetch(`${api.url}${path}`, { redirect: 'manual', headers: cookie === undefined ? {} : { cookie } });
const send = (
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
  of = api,
): Promise<Response> =>
  fetch(`${of.url}${path}`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams(form),
    headers: { origin: of.url, ...headers },
  });

/** The cookie that a token gets. */
async function enter(token: string): Promise<string> {
  const answer = await send('/console/login', { token, to: '/console' });
  expect(answer.status).toBe(303);
  return answer.headers.get('set-cookie')!.split(';')[0]!;
}

describe('coming in', () => {
  it('is asked of whoever has no session, and leads back to where one was going', async () => {
    const answer = await get('/console/views/shop_sales?page=2');
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(
      `/console/login?to=${encodeURIComponent('/console/views/shop_sales?page=2')}`,
    );
    const form = await (await get(answer.headers.get('location')!)).text();
    expect(form).toContain('<input type="hidden" name="to" value="/console/views/shop_sales?page=2">');
    const { token } = await tokenWith('read:*');
    const entered = await send('/console/login', { token, to: '/console/views/shop_sales?page=2' });
    expect([entered.status, entered.headers.get('location')]).toEqual([303, '/console/views/shop_sales?page=2']);
    const cookie = entered.headers.get('set-cookie')!;
    expect(cookie).toMatch(
      /^millrace_console=t\.[0-9a-f]{12}\.\d+\.[0-9a-f]{64}; Max-Age=28800; Path=\/console; HttpOnly; SameSite=Strict$/,
    );
    expect(cookie).not.toContain(token);
    expect((await get('/console', cookie.split(';')[0])).status).toBe(200);
  });

  it('leads to no other site', async () => {
    const { token } = await tokenWith('read:*');
    for (const to of [
      'https://elsewhere.test',
      '//elsewhere.test',
      '/console@elsewhere.test',
      '/consoles',
      String.raw`/console\..\x`,
      '/v1/views',
    ]) {
      expect([to, (await send('/console/login', { token, to })).headers.get('location')]).toEqual([to, '/console']);
    }
  });

  it('is refused for what is no token, without saying why', async () => {
    const { token, id } = await tokenWith('read:*');
    await runSql(world.pool, sqlText`UPDATE ${CATALOG}.api_token SET revoked_at = now() WHERE id = ${id}`);
    clock.ms += 6_000;
    for (const wrong of ['', 'x', token, tokenOf(new Uint8Array(24).fill(250))]) {
      const answer = await send('/console/login', { token: wrong });
      expect([answer.status, answer.headers.get('set-cookie')]).toEqual([401, null]);
      expect(await answer.text()).toContain('The token is unknown, revoked or expired.');
    }
  });

  it('is taken from our own pages alone', async () => {
    const { token } = await tokenWith('read:*');
    for (const origin of ['https://elsewhere.test', 'null', '']) {
      for (const path of ['/console/login', '/console/logout']) {
        const answer = await send(path, { token }, { origin });
        expect([answer.status, answer.headers.get('set-cookie')]).toEqual([403, null]);
        const text = await answer.text();
        expect(text).toContain('not sent from a page of this console');
        expect(text).toContain('foreign-origin');
      }
    }
  });

  it('ends after 8 hours, with the token, and on leaving', async () => {
    const { token, id } = await tokenWith('read:*');
    const cookie = await enter(token);
    const left = await send('/console/logout', {}, { cookie });
    expect([left.status, left.headers.get('location')]).toEqual([303, '/console/login']);
    expect(left.headers.get('set-cookie')).toMatch(
      /^millrace_console=; Max-Age=0; Path=\/console; HttpOnly; SameSite=Strict$/,
    );
    expect((await get('/console', cookie)).status).toBe(200);
    clock.ms += 8 * 3_600_000 - 10_000;
    expect((await get('/console', cookie)).status).toBe(200);
    clock.ms += 10_001;
    expect((await get('/console', cookie)).status).toBe(303);
    const again = await enter(token);
    await runSql(world.pool, sqlText`UPDATE ${CATALOG}.api_token SET revoked_at = now() WHERE id = ${id}`);
    clock.ms += 6_000;
    expect((await get('/console', again)).status).toBe(303);
  });

  it('cannot be made up, nor lengthened', async () => {
    const cookie = await enter((await tokenWith('read:*')).token);
    const [, id, until, mac] = cookie.split('.');
    for (const forged of [
      '',
      'millrace_console=x',
      `millrace_console=t.${id}.${Number(until) + 1}.${mac}`,
      `millrace_console=t.${id}.${until}.${'0'.repeat(64)}`,
      `millrace_console=t.000000000000.${until}.${mac}`,
      'millrace_console=j.a.b.c',
    ])
      expect([forged, (await get('/console', forged)).status]).toEqual([forged, 303]);
  });

  it('takes the header of the API, too, and needs nothing where nobody is asked', async () => {
    const { token } = await tokenWith('read:*');
    const asked = (authorization: string): Promise<Response> =>
      fetch(`${api.url}/console`, { headers: { authorization }, redirect: 'manual' });
    expect((await asked(`Bearer ${token}`)).status).toBe(200);
    expect((await asked('Bearer none')).status).toBe(401);
    expect((await fetch(`${open.url}/console`)).status).toBe(200);
    expect(await (await fetch(`${open.url}/console/login`)).text()).toContain('asks nobody for a token');
    expect((await send('/console/login', { token: '' }, {}, open)).headers.get('set-cookie')).toBeNull();
  });
});

describe('what is seen', () => {
  it('is what the token reads: all else is not there', async () => {
    const cookie = await enter((await tokenWith('read:product_sales')).token);
    const text = async (path: string): Promise<string> => (await get(path, cookie)).text();
    for (const path of ['/console', '/console/catalogue', '/console/lineage', '/console/training']) {
      const shown = await text(path);
      for (const hidden of ['shop_sales', 'shop_model', 'route_delays', 'shop_labels', '>late<', 'shop_decisions'])
        expect([path, hidden, shown.includes(hidden)]).toEqual([path, hidden, false]);
    }
    for (const path of [
      '/console/views/shop_sales',
      '/console/views/shop_sales/dead-letters',
      '/console/views/shop_sales/entity?key.shop=north',
      '/console/services/shop_model',
      '/console/models/late',
      `/console/models/late/rollouts/${world.rolloutId}`,
      '/console/label-sets/shop_labels',
      '/console/sources/flights',
      '/console/lineage/view/shop_sales',
      '/console/views/shop_sales/definition',
    ])
      expect([path, (await get(path, cookie)).status]).toEqual([path, 404]);
    const letters = await text('/console/views/product_sales/dead-letters');
    expect(letters).toContain('a token sees them that reads all views');
    expect(await text('/console/views/product_sales/entity')).not.toContain('Some of them');
    expect(await text('/console/views/product_sales')).not.toContain('Who did what');
    expect((await get('/console/views/product_sales/entity?key.shop=north&key.number=0', cookie)).status).toBe(200);
  });

  it('has nothing for tokens of other scopes', async () => {
    const cookie = await enter((await tokenWith('alerts', 'log', 'write:*')).token);
    expect(await (await get('/console/catalogue', cookie)).text()).toContain('0 found');
  });

  it('shows dead letters to who reads all, sensitive values hashed where nobody knows which are', async () => {
    const cookie = await enter((await tokenWith('read:*')).token);
    expect(await (await get('/console/views/shop_sales/dead-letters', cookie)).text()).toContain(
      'at: expected a time, received &lt;img',
    );
    const undefinedHere = await startApi({ pool: world.pool, clock });
    const hashed = await (await fetch(`${undefinedHere.url}/console/views/shop_sales/dead-letters`)).text();
    await undefinedHere.close();
    expect(hashed).toContain('hash:');
    expect(hashed).not.toContain('&lt;img');
  });
});

it('nothing but entering and leaving is ever sent', async () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    for (const path of ['/console', '/console/views/shop_sales', '/console/alerts', '/console/catalogue'])
      expect([
        method,
        path,
        (await fetch(`${open.url}${path}`, { method, headers: { origin: open.url } })).status,
      ]).toEqual([method, path, 404]);
});
