import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hadolint, schemaChecker } from './product-tools.ts';

const MADE_WITHIN_MS = 1_200_000;
const FILES = 'cli/new-project/files';
const DOCKERFILE = join(FILES, 'Dockerfile');
const DEPLOY = join(FILES, 'compose.deploy.yaml');

const folder = mkdtempSync(join(tmpdir(), 'millrace-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function changed(path: string, right: string, wrong: string): string {
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(right);
  const copy = join(folder, path.replaceAll('/', '-'));
  writeFileSync(copy, text.replace(right, wrong));
  return copy;
}

describe('the image of a project', () => {
  it(
    'is made as hadolint would have it',
    async () => {
      const tool = await hadolint();
      expect(await tool.run(DOCKERFILE)).toEqual({ status: 0, output: '' });
      for (const [right, wrong] of [
        ['USER 1000:1000', 'USER root'],
        ['FROM node:24.21.0-bookworm-slim AS packages', 'FROM node AS packages'],
        ['ENTRYPOINT ["node_modules/.bin/millrace"]', 'ENTRYPOINT node_modules/.bin/millrace'],
        ['EXPOSE 8080', 'EXPOSE 80800'],
      ] as const)
        expect((await tool.run(changed(DOCKERFILE, right, wrong))).status).not.toBe(0);
    },
    MADE_WITHIN_MS,
  );

  it(
    'is composed with the three services as Docker Compose reads it',
    async () => {
      const tool = await schemaChecker();
      expect(await tool.run('compose', 'compose.yaml')).toEqual({ status: 0, output: '[kafka postgres temporal]\n' });
      expect(await tool.run('compose', 'compose.yaml', DEPLOY)).toEqual({
        status: 0,
        output: '[api kafka migrate postgres temporal worker]\n',
      });
      for (const [right, wrong] of [
        ['kafka: { condition: service_healthy }', 'broker: { condition: service_healthy }'],
        ['service_completed_successfully', 'service_completed'],
        ['stop_grace_period: 40s', 'stop_grace_period: soon'],
        ['  api:\n    <<: *millrace\n', '  api:\n    <<: *millrace\n    comand: [serve]\n'],
      ] as const)
        expect((await tool.run('compose', 'compose.yaml', changed(DEPLOY, right, wrong))).status).not.toBe(0);
    },
    MADE_WITHIN_MS,
  );

  it('is set by variables that there are, on ports that stand everywhere alike', () => {
    const known = readFileSync('docs/configuration.md', 'utf8');
    const image = readFileSync(DOCKERFILE, 'utf8');
    const deploy = readFileSync(DEPLOY, 'utf8');
    const named = [...(image + deploy).matchAll(/\b(?:MILLRACE|KAFKA|TEMPORAL|DATABASE)_[A-Z_]+\b/g)].map(
      ([name]) => name,
    );
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((name) => !known.includes(`\`${name}\``))).toEqual([]);
    for (const port of ['8080', '9464']) {
      expect(image).toMatch(new RegExp(`^EXPOSE .*${port}`, 'm'));
      expect(image).toMatch(new RegExp(`\\[8080, 9464\\]`));
      expect(deploy).toContain(`127.0.0.1:${port}:${port}`);
    }
  });
});
