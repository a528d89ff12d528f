import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const MOST_BYTES = 3_000_000;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As an application's own bundler would: no option but the two that say for what. */
async function bundled(entry: string, outfile: string): Promise<Metafile> {
  const { metafile, warnings } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    metafile: true,
    absWorkingDir: ROOT,
    logLevel: 'silent',
  });
  // Of our own sources; in a package bundlers do not even tell of it.
  expect(warnings.filter(({ id }) => id !== 'empty-import-meta')).toEqual([]);
  return metafile;
}

test('what `millrace/client` loads is pg, zod and ours, at most 3 MB of it without zod', async () => {
  const { inputs } = await bundled('client.ts', join(folder, 'client.cjs'));
  const ours = Object.entries(inputs).filter(([path]) => !path.includes('node_modules/'));
  const packages = new Set(
    ours
      .flatMap(([, { imports }]) =>
        imports.filter(
          ({ kind, original, external }) =>
            kind !== 'dynamic-import' && !external && !(original ?? '.').startsWith('.'),
        ),
      )
      .map(({ original }) => original),
  );
  expect([...packages].sort()).toEqual(['pg', 'zod']);
  const bytes = Object.entries(inputs)
    .filter(([path]) => !path.includes('node_modules/zod/'))
    .reduce((sum, [, input]) => sum + input.bytes, 0);
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test('nothing that reads features can come to Kafka, DuckDB, Temporal or a bundler, not even later', async () => {
  const { inputs } = await bundled('client.ts', join(folder, 'client.cjs'));
  const heavy = /node_modules\/(?:kafkajs|duckdb|@duckdb|@temporalio|esbuild|kysely|lz4-napi|snappy|acorn)\//;
  expect(Object.keys(inputs).filter((path) => heavy.test(path))).toEqual([]);
});

test('a bundled application says what it lacks when its serving log needs the Kafka client', async () => {
  const entry = join(folder, 'app.ts');
  writeFileSync(
    entry,
    `import { createServingLog } from '${ROOT}/client.ts';
    import { openKafkaWriter } from '${ROOT}/engine/kafka/open-kafka-writer.ts';
    createServingLog({ kafka: { brokers: ['127.0.0.1:9'] }, sample: 1 });
    openKafkaWriter({ brokers: ['127.0.0.1:9'], clientId: 'x' }, 'the serving log')
      .send('t', [{ key: null, value: new Uint8Array(1), timestampMs: 0 }])
      .catch((error) => console.log(JSON.stringify({ code: error.code, remedy: error.remedy })));`,
  );
  await saysWhatItLacks(entry, 'a `writer` of your own');
});

test('and when it is to hold a model', async () => {
  const entry = join(folder, 'holder.ts');
  writeFileSync(
    entry,
    `import { openKafkaReader } from '${ROOT}/engine/models/open-kafka-reader.ts';
    openKafkaReader({ brokers: ['127.0.0.1:9'], clientId: 'x' })
      .bounds('t')
      .catch((error) => console.log(JSON.stringify({ code: error.code, remedy: error.remedy })));`,
  );
  await saysWhatItLacks(entry, 'a `reader` of your own');
});

async function saysWhatItLacks(entry: string, orElse: string): Promise<void> {
  const outfile = join(folder, 'app.cjs');
  await bundled(entry, outfile);
  const said = JSON.parse(execFileSync(process.execPath, [outfile], { encoding: 'utf8', cwd: folder })) as unknown;
  expect(said).toEqual({
    code: 'kafka-client-missing',
    remedy: expect.stringMatching(new RegExp(`Install the package .millrace.*${orElse}`)) as string,
  });
}
