import { createLocalJWKSet, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { readApiSettings } from '../../config/api-settings.ts';
import type { Caller } from '../../serving/access/caller.ts';
import { createGate } from '../../serving/access/gate.ts';
import { checkExposure } from '../../serving/access/open-access.ts';
import { CallerBudget, RateBudget } from '../../serving/access/rate-budget.ts';
import { mayReadService, mayReadView, mayWrite, readScope } from '../../serving/access/scope.ts';
import { hashOf, idOf, isTokenLike, tokenOf } from '../../serving/access/token-text.ts';
import { jwtVerifier } from '../../serving/access/verify-jwt.ts';

/** A clock that is moved by hand. */
function handClock(): { nowUs(): number; monotonicMs(): number; ms: number } {
  return {
    ms: 1_000_000,
    nowUs() {
      return this.ms * 1000;
    },
    monotonicMs() {
      return this.ms;
    },
  };
}

const NONE = { entitiesPerS: Number.POSITIVE_INFINITY, bytesPerS: Number.POSITIVE_INFINITY };
const services = new Map([['delay_model', { blocks: ['routes', 'carriers'].map((name) => ({ view: { name } })) }]]);

describe('a scope', () => {
  it.each(['', 'read', 'read:', 'read:a b', 'read:a-b', 'READ:*', 'admin ', 'write:', 'write', 'read:*,log'])(
    'is not %j',
    (text) => {
      expect(() => readScope(text)).toThrow(expect.objectContaining({ code: 'invalid-scope' }));
    },
  );

  it('covers a view by its name, by its service, by all, and no other', () => {
    const may = (scope: string, view: string): boolean => mayReadView([readScope(scope)], view, services);
    expect(may('read:routes', 'routes')).toBe(true);
    expect(may('read:routes', 'carriers')).toBe(false);
    expect(may('read:delay_model', 'carriers')).toBe(true);
    expect(may('read:delay_model', 'other')).toBe(false);
    expect(may('read:*', 'other')).toBe(true);
    expect(may('admin', 'other')).toBe(true);
    expect(may('log', 'routes')).toBe(false);
    expect(may('alerts', 'routes')).toBe(false);
  });

  it('covers a service by its name, by all of its views, and not by some of them', () => {
    const may = (...scopes: string[]): boolean => mayReadService(scopes.map(readScope), 'delay_model', services);
    expect(may('read:delay_model')).toBe(true);
    expect(may('read:routes', 'read:carriers')).toBe(true);
    expect(may('read:routes')).toBe(false);
    expect(mayReadService([readScope('read:routes')], 'unknown', services)).toBe(false);
  });

  it('lets records be said by the name of their source, or all, and lets nobody read who may only write', () => {
    const may = (scope: string, source: string): boolean => mayWrite([readScope(scope)], source);
    for (const scope of ['write:offers', 'write:*', 'log', 'admin'])
      expect([scope, may(scope, 'offers')]).toEqual([scope, true]);
    for (const scope of ['write:clicks', 'read:*', 'alerts'])
      expect([scope, may(scope, 'offers')]).toEqual([scope, false]);
    expect(mayReadView([readScope('write:*')], 'routes', services)).toBe(false);
  });
});

describe('a token', () => {
  it('is 192 bits in a text of one shape', () => {
    const token = tokenOf(new Uint8Array(24).fill(255));
    expect(token).toBe(`mr_${'_'.repeat(32)}`);
    expect(isTokenLike(token)).toBe(true);
    for (const other of ['', 'mr_', `${token}x`, ` ${token}`, token.slice(1)]) expect(isTokenLike(other)).toBe(false);
    expect(idOf(hashOf(token))).toBe(hashOf(token).slice(0, 12));
  });
});

describe('a budget', () => {
  it('holds two seconds of its rate, and lets one in as long as anything is left', () => {
    const clock = handClock();
    const budget = new RateBudget(10, clock);
    budget.spend(19);
    expect(budget.waitS()).toBe(0);
    budget.spend(11);
    // 20 were there, 30 are spent: it owes a second's worth.
    expect(budget.waitS()).toBe(1);
    clock.ms += 1000;
    expect(budget.waitS()).toBeCloseTo(0.001);
    clock.ms += 100;
    expect(budget.waitS()).toBe(0);
    clock.ms += 3_600_000;
    budget.spend(20);
    expect(budget.waitS()).toBeGreaterThan(0);
  });

  it('names what is used up, and for how long', () => {
    const clock = handClock();
    const budget = new CallerBudget('the token abc', { entitiesPerS: 100, bytesPerS: 1000 }, clock);
    budget.check();
    budget.spend(500, 10);
    expect(() => budget.check()).toThrow(
      expect.objectContaining({
        code: 'too-many-requests',
        message: 'the token abc has used up its 100 entities a second',
        retryable: true,
        httpStatus: 429,
        details: { retryAfterS: 3 },
      }),
    );
    clock.ms += 3_010;
    budget.check();
    budget.spend(0, 9_000);
    expect(() => budget.check()).toThrow('used up its 1000 bytes a second');
  });
});

describe('a gate', () => {
  const caller: Caller = { id: 'one', scopes: [], limits: { entitiesPerS: 10, bytesPerS: null } };

  it('asks nobody where there is nothing to ask for, and still counts for all', async () => {
    const clock = handClock();
    const gate = createGate({ verifiers: [], clock, perCaller: NONE, perProcess: { ...NONE, entitiesPerS: 5 } });
    const { caller: anyone, spend } = await gate.admit(undefined);
    expect(anyone.scopes).toEqual([{ kind: 'admin' }]);
    spend(100, 0);
    await expect(gate.admit(undefined)).rejects.toThrow('this server has used up its 5 entities a second');
  });

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic good', 'good', 'Bearer good more', 'Bearer bad'])(
    'refuses %j',
    async (authorization) => {
      const verify = (credential: string): Promise<Caller | null> =>
        Promise.resolve(credential === 'good' ? caller : null);
      const gate = createGate({ verifiers: [verify], clock: handClock(), perCaller: NONE, perProcess: NONE });
      await expect(gate.admit(authorization)).rejects.toMatchObject({ code: 'unauthorized', httpStatus: 401 });
      expect((await gate.admit('bearer good')).caller).toBe(caller);
    },
  );

  it("holds a caller to its own limits, and the others to the process's", async () => {
    const callers = new Map<string, Caller>([
      ['one', caller],
      ['two', { ...caller, id: 'two', limits: { entitiesPerS: null, bytesPerS: null } }],
    ]);
    const gate = createGate({
      verifiers: [(credential) => Promise.resolve(callers.get(credential) ?? null)],
      clock: handClock(),
      perCaller: { ...NONE, entitiesPerS: 1_000 },
      perProcess: NONE,
    });
    for (const name of callers.keys()) (await gate.admit(`Bearer ${name}`)).spend(1_000, 0);
    await expect(gate.admit('Bearer one')).rejects.toThrow('the token one has used up its 10 entities');
    (await gate.admit('Bearer two')).spend(2_000, 0);
    await expect(gate.admit('Bearer two')).rejects.toThrow('the token two has used up its 1000 entities');
  });
});

describe('a JSON Web Token', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const other = await generateKeyPair('ES256');
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] });
  const clock = handClock();
  const settings = { jwksUrl: 'https://id.example/keys', issuer: 'https://id.example', audience: 'millrace' };
  const verify = jwtVerifier(settings, clock, keys);
  const nowS = clock.nowUs() / 1e6;
  const claimsOf = (issuer: string, audience: string, endS: number, over: object = {}, alg = 'ES256'): SignJWT =>
    new SignJWT({ scope: 'read:routes openid log', ...over })
      .setProtectedHeader({ alg })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject('checkout')
      .setExpirationTime(endS);
  const claims = (over: object = {}, alg = 'ES256'): SignJWT =>
    claimsOf(settings.issuer, settings.audience, nowS + 60, over, alg);

  it('has the scopes that are ours', async () => {
    expect(await verify(await claims().sign(privateKey))).toEqual({
      id: 'jwt:checkout',
      scopes: [{ kind: 'read', name: 'routes' }, { kind: 'log' }],
      limits: { entitiesPerS: null, bytesPerS: null },
    });
    const list = await claims({ scope: undefined, scp: ['admin'] }).sign(privateKey);
    expect((await verify(list))?.scopes).toEqual([{ kind: 'admin' }]);
  });

  it('counts for nothing forged, expired, early, of another issuer or audience, or without an end', async () => {
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: settings.issuer, aud: 'millrace', sub: 'x', exp: nowS + 60, scope: 'admin' })).toString('base64url')}.`;
    const shared = await claims({}, 'HS256').sign(new TextEncoder().encode('x'.repeat(32)));
    const endless = await new SignJWT({ scope: 'admin' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(settings.issuer)
      .setAudience('millrace')
      .setSubject('x')
      .sign(privateKey);
    const bad = [
      await claims().sign(other.privateKey),
      await claims({})
        .setNotBefore(nowS + 10)
        .sign(privateKey),
      await claimsOf('https://id.example', 'millrace', nowS - 1).sign(privateKey),
      await claimsOf('https://other.example', 'millrace', nowS + 60).sign(privateKey),
      await claimsOf('https://id.example', 'other', nowS + 60).sign(privateKey),
      unsigned,
      `${unsigned}AA`,
      shared,
      endless,
      'a.b.c',
      'no',
    ];
    expect(await Promise.all(bad.map((token) => verify(token)))).toEqual(bad.map(() => null));
  });

  it('waits for an issuer whose keys cannot be had', async () => {
    const broken = jwtVerifier(settings, clock, () => Promise.reject(new TypeError('fetch failed')));
    await expect(broken(await claims().sign(privateKey))).rejects.toMatchObject({
      code: 'service-unreachable',
      retryable: true,
      httpStatus: 503,
    });
  });
});

describe('the settings of the API', () => {
  it('are loopback, without tokens, unless said otherwise', () => {
    expect(readApiSettings({})).toMatchObject({ host: '127.0.0.1', auth: null, jwt: null, tls: null });
    expect(readApiSettings({ MILLRACE_API_AUTH: '' }).auth).toBeNull();
  });

  it('are refused all at once', () => {
    const variables = {
      MILLRACE_API_AUTH: 'none',
      MILLRACE_API_ENTITIES_PER_S: '0',
      MILLRACE_API_TLS_CERT: '/nowhere/cert.pem',
      MILLRACE_API_JWKS_URL: 'ftp://id.example',
    };
    expect(() => readApiSettings(variables)).toThrow(
      expect.objectContaining({
        code: 'bad-configuration',
        details: {
          faults: [
            expect.objectContaining({ variable: 'MILLRACE_API_AUTH', expected: 'tokens or open' }),
            expect.objectContaining({ variable: 'MILLRACE_API_JWKS_URL' }),
            expect.objectContaining({ variable: 'MILLRACE_API_ENTITIES_PER_S', received: '0' }),
            expect.objectContaining({ variable: 'MILLRACE_API_JWT_ISSUER', received: null }),
            expect.objectContaining({ variable: 'MILLRACE_API_JWT_AUDIENCE', received: null }),
            expect.objectContaining({ variable: 'MILLRACE_API_TLS_KEY', received: null }),
            expect.objectContaining({ variable: 'MILLRACE_API_TLS_CERT', received: '/nowhere/cert.pem' }),
          ],
        },
      }),
    );
  });

  it('do not let the API be reached by all without a word', () => {
    for (const host of ['127.0.0.1', '127.8.0.1', '::1', 'localhost']) checkExposure(host, 'open', false);
    checkExposure('0.0.0.0', 'tokens', false);
    checkExposure('0.0.0.0', 'open', true);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org'])
      expect(() => checkExposure(host, 'open', false)).toThrow(expect.objectContaining({ code: 'exposed-api' }));
  });
});
