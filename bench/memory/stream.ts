/**
 * The peak memory of a stream beside its setting: over 1 M entities, and over 10,000 records of 1 MB, at 1,024 and at 4,096 MB; each in a process of its own.
 * `node bench/memory/stream.ts [SHARE]`: a share of that, to try. Prints its figures as one JSON object in its last line.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { oldSpaceMb } from '../../engine/memory/memory-shares.ts';
import { startTestStack } from '../../stack/test-stack.ts';
import { LARGE_TOPIC, produceTopics, SMALL_TOPIC } from './stream-topics.ts';

const SETTINGS_MB = [1_024, 4_096];
/** Beyond the setting: V8's young generation, code, libraries, garbage. */
const BESIDE_MB = 400;

const share = Number(process.argv[2] ?? 1);
const { DATABASE_URL, KAFKA_BROKERS } = process.env;
const stack = DATABASE_URL === undefined || KAFKA_BROKERS === undefined ? await startTestStack() : null;
const figures: Record<string, unknown> = {};
try {
  const brokers = stack?.kafka.brokers ?? KAFKA_BROKERS!.split(',');
  await produceTopics(brokers, { entities: 1_000_000 * share, records: 2_500_000 * share, large: 10_000 * share });
  const env = {
    ...process.env,
    DATABASE_URL: stack?.databaseUrl ?? DATABASE_URL,
    KAFKA_BROKERS: brokers.join(','),
    NODE_NO_WARNINGS: '1',
  };
  for (const topic of [SMALL_TOPIC, LARGE_TOPIC]) {
    for (const settingMb of SETTINGS_MB) {
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        [
          `--max-old-space-size=${oldSpaceMb(settingMb)}`,
          fileURLToPath(new URL('./stream-child.ts', import.meta.url)),
          topic,
          String(settingMb),
        ],
        { env, maxBuffer: 64 * 1024 * 1024 },
      );
      process.stderr.write(
        `${stderr
          .split('\n')
          .filter((_, line) => line % 10 === 0)
          .join('\n')}\n`,
      );
      const row = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { rssMb: number };
      const mostMb = settingMb + BESIDE_MB;
      figures[`${topic}, ${settingMb} MB`] = { ...row, mostMb, isWithin: row.rssMb <= mostMb };
      process.stderr.write(`${topic}, ${settingMb} MB: ${JSON.stringify(row)}\n`);
    }
  }
} finally {
  await stack?.stop();
}
process.stdout.write(`${JSON.stringify(figures)}\n`);
