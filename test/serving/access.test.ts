import { request as httpsRequest } from 'node:https';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { CompiledService, CompiledView } from '../../engine/define/compiled-view.ts';
import { insertToken, tokens } from '../../engine/postgres/api-tokens.ts';
import { migrateToLatest } from '../../engine/postgres/migrate.ts';
import type { FeaturesResponse, ViewsResponse } from '../../serving/api-schemas.ts';
import { TokenBook } from '../../serving/access/token-book.ts';
import { hashOf, tokenOf } from '../../serving/access/token-text.ts';
import { type RunningApi, startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { compiled, NOW_US, productSales, publish, sale, shopSales } from '../online/online-fixture.ts';
import { createOwnDatabase, type OwnDatabase } from '../postgres/test-database.ts';
import { plainBlocks } from '../define/plain-blocks.ts';

/** A clock that is moved by hand. */
const clock = { ms: 1_000_000, nowUs: () => NOW_US + (clock.ms - 1_000_000) * 1000, monotonicMs: () => clock.ms };

let database: OwnDatabase;
let api: RunningApi;
let definitions: { services: Map<string, Pick<CompiledService, 'blocks'>> };

beforeAll(async () => {
  database = await createOwnDatabase(inject('stack').databaseUrl);
  await migrateToLatest(database.pool);
  const [products, shops] = (await compiled(productSales, shopSales)) as [CompiledView, CompiledView];
  const rows = Array.from({ length: 50 }, (_, n) => sale(n));
  await publish(database.pool, products, rows);
  await publish(database.pool, shops, rows);
  definitions = { services: new Map([['sales_model', { blocks: plainBlocks([products, shops]) }]]) };
  api = await startApi({ databaseUrl: database.url, clock, definitions, access: { auth: 'tokens' } });
});
afterAll(async () => {
  await api.close();
  await database.drop();
});

interface Made {
  readonly id: string;
  readonly token: string;
}

async function make(name: string, ...args: string[]): Promise<Made> {
  const made = await runCli(['token', 'create', name, '--json', ...args], { DATABASE_URL: database.url });
  expect(made).toMatchObject({ exitCode: 0 });
  clock.ms += 1_000;
  return JSON.parse(made.stdout) as Made;
}

function ask(path: string, token?: string, init: RequestInit = {}): Promise<Response> {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return fetch(`${api.url}${path}`, { ...init, headers: { ...authorization, 'content-type': 'application/json' } });
}

function read(token: string | undefined, body: object): Promise<Response> {
  return ask('/v1/features', token, { method: 'POST', body: JSON.stringify(body) });
}

async function refusal(response: Response): Promise<{ status: number; code: string }> {
  const { code, remedy } = (await response.json()) as { code: string; remedy: string };
  expect(remedy).not.toBe('');
  return { status: response.status, code };
}

const products = { features: ['product_sales'], entity: { shop: 'süd', number: '3' } };
const shops = { features: ['shop_sales'], entity: { shop: 'süd' } };

describe('an API that asks for tokens', () => {
  it('says that it is alive and what it is to everybody, and nothing else', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json']) expect((await ask(path)).status).toBe(200);
    for (const path of ['/v1/views', '/v1/entities', '/v1/sources', '/v1/services', '/metrics']) {
      const response = await ask(path);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await refusal(response)).toEqual({ status: 401, code: 'unauthorized' });
    }
    expect(await refusal(await read(undefined, products))).toEqual({ status: 401, code: 'unauthorized' });
    // Who is not let in learns nothing of the body being wrong, either.
    expect(await refusal(await read(undefined, { nothing: 1 }))).toEqual({ status: 401, code: 'unauthorized' });
  });

  it('lets a token read what its scopes cover, by any of its names', async () => {
    const { token } = await make('of-shops', '--scope', 'read:shop_sales');
    const answer = await read(token, shops);
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as FeaturesResponse).results[0]?.views['shop_sales']?.found).toBe(true);
    expect(await refusal(await read(token, products))).toEqual({ status: 403, code: 'forbidden' });
    expect(await refusal(await read(token, { ...products, features: ['shop_sales', 'product_sales.pieces'] }))).toEqual(
      { status: 403, code: 'forbidden' },
    );
    // What is not covered is not told apart from what is not there.
    for (const name of ['nothing', 'millrace_catalog.api_token'])
      expect(await refusal(await read(token, { features: [name], entity: {} }))).toEqual({
        status: 403,
        code: 'forbidden',
      });
    expect(await refusal(await read(token, { service: 'sales_model', entity: shops.entity }))).toEqual({
      status: 403,
      code: 'forbidden',
    });
    const { views } = (await (await ask('/v1/views', token)).json()) as ViewsResponse;
    expect(views.map(({ view }) => view)).toEqual(['shop_sales']);
    expect(await (await ask('/v1/entities', token)).json()).toMatchObject({ entities: [{ entity: 'shop' }] });
    expect(await (await ask('/v1/sources', token)).json()).toMatchObject({ sources: [{ views: ['shop_sales'] }] });
    expect(await (await ask('/v1/services', token)).json()).toEqual({ services: [] });
    expect((await ask('/metrics', token)).status).toBe(200);
  });

  it('lets the token of a service read it, and its views', async () => {
    const { token } = await make('of-model', '--scope', 'read:sales_model');
    const both = { service: 'sales_model', entity: { shop: 'süd', number: '3' } };
    expect((await read(token, both)).status).toBe(200);
    expect((await read(token, shops)).status).toBe(200);
    expect(await refusal(await read(token, { ...both, service: 'other_model' }))).toEqual({
      status: 403,
      code: 'forbidden',
    });
  });

  it('gives no features for tokens of other scopes', async () => {
    const { token } = await make('watcher', '--scope', 'alerts', 'log');
    expect(await refusal(await read(token, shops))).toEqual({ status: 403, code: 'forbidden' });
    expect(((await (await ask('/v1/views', token)).json()) as ViewsResponse).views).toEqual([]);
  });

  it('refuses what was revoked, has expired, or was changed by one character', async () => {
    const revoked = await make('revoked', '--scope', 'read:*');
    const expiring = await make('expiring', '--scope', 'read:*', '--expires', '1h');
    expect((await read(revoked.token, shops)).status).toBe(200);
    const last = revoked.token.endsWith('A') ? 'B' : 'A';
    expect(await refusal(await read(revoked.token.slice(0, -1) + last, shops))).toMatchObject({ status: 401 });
    const done = await runCli(['token', 'revoke', 'revoked'], { DATABASE_URL: database.url });
    expect(done.stdout).toContain(`revoked: ${revoked.id}`);
    clock.ms += 5_000;
    expect(await refusal(await read(revoked.token, shops))).toEqual({ status: 401, code: 'unauthorized' });
    const again = await runCli(['token', 'revoke', 'revoked'], { DATABASE_URL: database.url });
    expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error unknown-token') });
    expect((await read(expiring.token, shops)).status).toBe(200);
    // The API's clock stands in 2001, that of the command does not.
    const text = tokenOf(new Uint8Array(24).fill(7));
    const expiresAtUs = clock.nowUs() + 3_600_000_000;
    await insertToken(database.pool, {
      ...(await tokens(database.pool)).find(({ id }) => id === expiring.id)!,
      id: 'expiring-2001',
      name: 'expiring-2001',
      hash: Buffer.from(hashOf(text), 'hex'),
      expiresAtUs,
    });
    clock.ms += 1_000;
    expect((await read(text, shops)).status).toBe(200);
    // At once, and not when the tokens are read again.
    clock.ms += 3_599_000 - 1;
    await read(text, shops);
    clock.ms += 1;
    expect(clock.nowUs()).toBe(expiresAtUs);
    expect(await refusal(await read(text, shops))).toEqual({ status: 401, code: 'unauthorized' });
  });

  it('lets a token ask for so much a second, and says when to ask again', async () => {
    const { token } = await make('greedy', '--scope', 'read:*', '--entities-per-second', '100');
    const entities = Array.from({ length: 300 }, () => ({ shop: 'süd', number: '3' }));
    expect((await read(token, { features: ['product_sales'], entities })).status).toBe(200);
    const refused = await read(token, products);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refusal(refused)).toEqual({ status: 429, code: 'too-many-requests' });
    clock.ms += 1_010;
    expect((await read(token, products)).status).toBe(200);
    const { token: wordy } = await make('wordy', '--scope', 'read:*', '--bytes-per-second', '1000');
    expect(
      (await read(wordy, { ...products, entities: undefined, features: Array(400).fill('product_sales') })).status,
    ).toBe(200);
    expect(await refusal(await read(wordy, products))).toEqual({ status: 429, code: 'too-many-requests' });
  });

  it('takes no body that is too large, with or without a token', async () => {
    const { token } = await make('large', '--scope', 'read:*');
    const body = { features: ['product_sales'], entity: { shop: 'x'.repeat(2 ** 21) } };
    expect(await refusal(await read(token, body))).toEqual({ status: 413, code: 'body-too-large' });
    expect(await refusal(await read(undefined, body))).toEqual({ status: 401, code: 'unauthorized' });
  });

  it('keeps no token, and notes when each was used last', async () => {
    const { id, token } = await make('kept', '--scope', 'read:*');
    await read(token, shops);
    await expect
      .poll(async () => (await tokens(database.pool)).find((one) => one.id === id)?.lastUsedAtUs)
      .toBe(clock.nowUs());
    const { rows } = await database.pool.query<{ row: string }>(
      'SELECT t::text AS row FROM millrace_catalog.api_token t',
    );
    expect(rows.some(({ row }) => row.includes(token) || row.includes(token.slice(3)))).toBe(false);
    const { stdout } = await runCli(['token', 'list', '--all'], { DATABASE_URL: database.url });
    expect(stdout).toContain('revoked');
    expect(stdout).toContain(id);
    expect(stdout).not.toContain(token);
  });

  it('refuses a second token of a name in use, and scopes that are none', async () => {
    await make('twice', '--scope', 'log');
    const second = await runCli(['token', 'create', 'twice', '--scope', 'log'], { DATABASE_URL: database.url });
    expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error duplicate-token') });
    const wrong = await runCli(['token', 'create', 'wrong', '--scope', 'write'], { DATABASE_URL: database.url });
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('error invalid-scope') });
  });

  it('makes no query for tokens that are made up, however many', async () => {
    let queries = 0;
    const counting = new Proxy(database.pool, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        if (property !== 'query') return value.bind(target) as unknown;
        return (...args: unknown[]): unknown => {
          queries++;
          return value.apply(target, args) as unknown;
        };
      },
    });
    const book = new TokenBook(counting, clock, () => {});
    for (let n = 0; n < 200; n++) expect(await book.find(`mr_${String(n).padStart(32, '0')}`)).toBeNull();
    expect(queries).toBe(1);
    // Nor for a hundred at once, once it is time to look again.
    clock.ms += 1_000;
    await Promise.all(Array.from({ length: 100 }, (_, n) => book.find(`mr_${String(n).padStart(32, 'x')}`)));
    expect(queries).toBe(2);
  });
});

describe('TLS', () => {
  it('is spoken alone where a certificate is given', async () => {
    const altNames = [{ type: 7 as const, ip: '127.0.0.1' }];
    const extensions = [{ name: 'subjectAltName' as const, altNames }];
    const pems = await generate([{ name: 'commonName', value: 'localhost' }], { keyType: 'ec', extensions });
    const [cert, key] = [Buffer.from(pems.cert), Buffer.from(pems.private)];
    const secure = await startApi({ databaseUrl: database.url, clock, definitions, tls: { cert, key } });
    try {
      expect(secure.url).toMatch(/^https:/);
      const status = await new Promise<number | undefined>((resolve, reject) => {
        httpsRequest(`${secure.url}/healthz`, { ca: cert }, (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode));
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(200);
      await expect(fetch(`${secure.url.replace('https', 'http')}/healthz`)).rejects.toThrow();
    } finally {
      await secure.close();
    }
    const both = { databaseUrl: database.url, definitions, tls: { cert, key: cert } };
    await expect(startApi(both)).rejects.toMatchObject({ code: 'invalid-certificate' });
  });

  it('or not, the API does not listen for others and let everybody in without a word', async () => {
    const wide = { databaseUrl: database.url, definitions, host: '0.0.0.0' };
    await expect(startApi(wide)).rejects.toMatchObject({ code: 'exposed-api' });
  });
});
