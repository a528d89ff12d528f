import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { childEnvironment } from '../../engine/installation/child-environment.ts';
import { shownDatabaseUrl } from '../../engine/postgres/database-url.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PRODUCT = ['activities', 'cli', 'config', 'demo', 'engine', 'serving', 'stack'];
/** What starts a process or a thread. */
const STARTS = /(?<![.\w])(?:spawn|spawnSync|fork|execFileSync|execSync|promisify\(execFile\))\(|new Worker\(/g;
/** They are this program once more, and have what it has. */
const ITSELF = new Set(['cli/worker-process.ts', 'cli/bin.mjs']);

/** From the parenthesis that opens at `from` to the one that closes it. */
function callAt(text: string, from: number): string {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '(') depth++;
    else if (text[at] === ')' && --depth === 0) return text.slice(from, at + 1);
  }
  return text.slice(from);
}

describe('what we start', () => {
  it('is given an environment that was chosen for it, wherever a process or a thread is started', () => {
    const started: string[] = [];
    for (const file of PRODUCT.flatMap((room) => globSync(`${room}/**/*.{ts,mjs}`, { cwd: ROOT }))) {
      const text = readFileSync(join(ROOT, file), 'utf8').replaceAll(/\/\*\*[^]*?\*\//g, '');
      for (const { index, 0: start } of text.matchAll(STARTS)) {
        started.push(file);
        if (ITSELF.has(file)) continue;
        expect(callAt(text, index + start.length - 1), `${file} starts something without "env"`).toMatch(/\benv\b/);
      }
    }
    expect(new Set(started).size).toBeGreaterThanOrEqual(8);
    expect(started).toEqual(expect.arrayContaining(['stack/supervised-process.ts', 'engine/backfill/state-thread.ts']));
  });

  it('has what it needs to run, and no secret', () => {
    const secrets = {
      DATABASE_URL: 'postgres://me:secret@host/db',
      KAFKA_SASL_PASSWORD: 'secret',
      TEMPORAL_API_KEY: 'secret',
      TEMPORAL_TLS: 'true',
      PGPASSWORD: 'secret',
      AWS_SECRET_ACCESS_KEY: 'secret',
      MILLRACE_ANYTHING: 'secret',
      NODE_OPTIONS: '--require=secret',
      https_proxy: 'http://me:secret@proxy',
    };
    const plain = { PATH: '/bin', HOME: '/root', LANG: 'C', LC_ALL: 'C', TZ: 'UTC', TMPDIR: '/tmp' };
    expect(childEnvironment({ ...secrets, ...plain }, { MORE: '1' })).toEqual({ ...plain, MORE: '1' });
    // Downloads may need the proxy, and know nothing of the services.
    expect(childEnvironment({ ...secrets, ...plain, GOPROXY: 'p', MAVEN_OPTS: 'm' }, {}, 'fetch')).toEqual({
      ...plain,
      https_proxy: secrets.https_proxy,
      GOPROXY: 'p',
      MAVEN_OPTS: 'm',
    });
  });

  it.each([
    ['postgres://me:secret@host:1/db', 'postgres://me@host:1/db'],
    ['postgres://me@host/db?sslmode=require&password=secret', 'postgres://me@host/db?sslmode=require'],
    ['postgres://me@host/db?sslpassword=secret', 'postgres://me@host/db'],
  ])('shows no password of %s', (url, shown) => {
    expect(shownDatabaseUrl(url)).toBe(shown);
  });
});
