import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../training/training-fixture.ts';

it('a sort of wide rows takes its limit and little more: chunks that were used took as much again, and more', async () => {
  const child = join(import.meta.dirname, 'wide-sort-child.ts');
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', child, await testFolder()],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  expect(status).toBe(0);
  const { rows, overMb } = JSON.parse(stdout) as { rows: number; overMb: number };
  expect(rows).toBe(1_000_000);
  expect(overMb).toBeLessThan(256 + 300);
});
