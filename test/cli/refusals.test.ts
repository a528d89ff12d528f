import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { CliRun, runCli } from './run-cli.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-refusals-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the command line', () => {
  it('refuses a Node that is too old, where it finds no other', () => {
    const alone = join(folder, 'alone');
    mkdirSync(alone);
    copyFileSync('cli/bin.mjs', join(alone, 'bin.mjs'));
    const older = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.0' } })";
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(older)}`, join(alone, 'bin.mjs'), 'plan'],
      { encoding: 'utf8' },
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error node-too-old: Millrace needs Node 22.18 or newer[^]*\n {2}Install Node 24/);
  });

  it('passes on what Temporal refuses', async () => {
    const { temporalAddress, temporalNamespace } = inject('stack');
    const { exitCode, stderr } = await runCli(['start', 'v'.repeat(2_000)], {
      TEMPORAL_ADDRESS: temporalAddress,
      TEMPORAL_NAMESPACE: temporalNamespace,
    });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error temporal-refused: Temporal answered: .*exceeds/m);
  });

  it('says that a demo was interrupted, and leaves nothing of it running', async () => {
    const demo = new CliRun(['demo'], { MILLRACE_CACHE_DIR: process.env['MILLRACE_CACHE_DIR'], TMPDIR: folder });
    await demo.told('preparing three million flights');
    demo.interrupt();
    const { exitCode, stderr } = await demo.ended;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('error interrupted: the demo was interrupted');
  });
});

describe('a worker', () => {
  it('names the variable it lacks', () => {
    const { status, stdout } = spawnSync(process.execPath, ['worker.ts'], {
      env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', MILLRACE_DATA_DIR: folder },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stdout).toContain('"code":"not-configured"');
    expect(stdout).toContain('DATABASE_URL is not set');
  });

  it('that dies before it says a word did not start', async () => {
    const starting = WorkerProcess.start({
      variables: { PATH: process.env['PATH'], NODE_OPTIONS: '--no-such-option' },
      logFile: join(folder, 'worker.log'),
      onLine: () => undefined,
    });
    await expect(starting).rejects.toMatchObject({ code: 'worker-did-not-start' });
  });
});
