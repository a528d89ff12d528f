/** The loop in two installations side by side, each process with the rights of its role alone: pairs, trainings, rollouts, and applications that hold them. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { createTopics } from '../../cli/create-topics.ts';
import { WorkerProcess } from '../../cli/worker-process.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { installationNames } from '../../engine/installation/installation-names.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { ident } from '../../engine/postgres/sql.ts';
import { createClient } from '../../index.ts';
import { startApi } from '../../serving/start-api.ts';
import { runCli } from '../cli/run-cli.ts';
import { ClicksWorld } from '../lifecycle/clicks-world.ts';
import { TRAINS } from '../models/training-world.ts';
import { createLogin } from '../postgres/test-login.ts';

/** None of them the default one: its topics are those of other tests, too. */
const INSTALLATIONS = ['green', 'amber'] as const;
type Installation = (typeof INSTALLATIONS)[number];
type Role = 'owner' | 'worker' | 'server' | 'reader';

const TIMEOUT_MS = 400_000;
const MODEL = `late_${randomUUID().slice(0, 8)}`;
/** So many are decided of each: by what is seen of them one is told from the other. */
const DECIDED = { green: 12, amber: 30 } as const;

let world: ClicksWorld;
let temporal: Client;
let connection: Connection;
const workers: WorkerProcess[] = [];
const logins: string[] = [];

const names = (of: Installation) => installationNames(of);
const folder = (of: Installation, part: string): string => join(world.folder, of, part);
const loginOf = (of: Installation, role: Role): string => `${world.view}_${of}_${role}`;

function urlOf(of: Installation, role: Role): string {
  const url = new URL(world.databaseUrl);
  url.username = loginOf(of, role);
  return url.href;
}

function variables(of: Installation, role?: Role): NodeJS.ProcessEnv {
  return {
    ...world.variables,
    MILLRACE_INSTALLATION: of,
    MILLRACE_SERVED_TOPIC: '',
    MILLRACE_SERVED_SAMPLE: '0',
    MILLRACE_FEATURES: folder(of, 'features'),
    MILLRACE_TRAINING_DIR: folder(of, 'code'),
    ...(role === undefined ? {} : { DATABASE_URL: urlOf(of, role) }),
  };
}

async function cli<Answer>(of: Installation, ...args: string[]): Promise<Answer> {
  const { exitCode, stdout, stderr } = await runCli([...args, '--json'], variables(of, 'worker'));
  if (exitCode !== 0) throw new Error(`${of}: millrace ${args.join(' ')} ended with ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as Answer;
}

const both = <Result>(work: (of: Installation) => Promise<Result>): Promise<Result[]> =>
  Promise.all(INSTALLATIONS.map(work));

/** The view of clicks with its service, and decisions of it whose topics go by the installation. */
const definitions = (): string => `${world.definition('')}
import { decisions, labelSet, outcomes, pairs } from 'millrace';
export const chosen = decisions('chosen', { context: z.object({ page: z.string() }) });
export const came = outcomes('came', { value: z.boolean() });
export const late = labelSet('late', {
  decisions: chosen, outcomes: came, value: (_, o) => (o.value ? 1 : 0), matureAfter: '1s', absent: 0,
});
export const came_of = featureView('came_of', {
  entity: person, source: pairs(late), key: (e) => ({ person: e.decision.action }), features: (f) => ({ n: f.count() }),
});
`;

beforeAll(async () => {
  const stack = inject('stack');
  connection = await Connection.connect({ address: stack.temporalAddress });
  temporal = new Client({ connection, namespace: stack.temporalNamespace });
  world = await ClicksWorld.open(stack, `loops-${randomUUID().slice(0, 8)}`);
  world.writeHistory(world.make(300));
  for (const of of INSTALLATIONS) {
    for (const part of ['features', 'code/one', 'data']) mkdirSync(folder(of, part), { recursive: true });
    writeFileSync(join(folder(of, 'features'), 'index.ts'), definitions());
    writeFileSync(
      join(folder(of, 'data'), 'clicks.jsonl'),
      world.clicks.map((click) => `${JSON.stringify(click)}\n`).join(''),
    );
    // Trained twice, it is two versions: by its data and the time.
    writeFileSync(
      join(folder(of, 'code/one'), 'train.mjs'),
      TRAINS.replace('const model = {', 'const model = { at: Date.now(),'),
    );
    await createTopics({ brokers: stack.kafkaBrokers }, [names(of).decisionsTopic, names(of).outcomesTopic], 2);
    const migrated = await runCli(['migrate'], variables(of));
    if (migrated.exitCode !== 0) throw new Error(migrated.stderr);
    for (const role of ['owner', 'worker', 'server', 'reader'] as const) {
      const login = loginOf(of, role);
      const group = names(of).roles[role];
      await createLogin(world.pool, world.databaseUrl, login, `IN ROLE ${ident(group)}`);
      await world.pool.query(`ALTER ROLE ${ident(login)} SET role = ${ident(group)}`);
      logins.push(login);
    }
    workers.push(await WorkerProcess.start({ variables: variables(of, 'worker'), logFile: null, onLine: () => {} }));
  }
  await both((of) => cli(of, 'start', world.view, '--wait'));
}, TIMEOUT_MS);
afterAll(async () => {
  for (const worker of workers) await worker.stop();
  for (const login of logins) await world.pool.query(`DROP OWNED BY ${ident(login)}; DROP ROLE ${ident(login)}`);
  await world?.close();
  await connection?.close();
}, TIMEOUT_MS);

describe('the loop in two installations, each process with its role', { timeout: TIMEOUT_MS }, () => {
  it('takes decisions and outcomes by HTTP as the server’s role, onto topics of its own', async () => {
    const { kafkaBrokers: brokers } = inject('stack');
    for (const of of INSTALLATIONS) {
      // Topics of definitions go by the installation of the process.
      vi.stubEnv('MILLRACE_INSTALLATION', of);
      const api = await startApi({
        databaseUrl: urlOf(of, 'server'),
        installation: names(of),
        definitions: await loadDefinitions(folder(of, 'features')),
        decisions: { kafka: { brokers }, installation: of },
      });
      const say = async (path: string, records: readonly object[]): Promise<number> => {
        const answer = await fetch(`${api.url}${path}?wait=true`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(records),
        });
        await answer.text();
        return answer.status;
      };
      try {
        const ids = Array.from({ length: DECIDED[of] }, (_, n) => `d-${n}`);
        const rest = { request_ids: [], reads: [], acted: true, alternatives: [], more_alternatives: 0 };
        const decided = ids.map((id) => ({
          decision_id: id,
          action: 'u1',
          context: { page: 'p' },
          model: MODEL,
          ...rest,
        }));
        expect(await say('/v1/decisions/chosen', decided)).toBe(200);
        const came = ids.map((id) => ({ decision_id: id, name: 'came', value: true }));
        expect(await say('/v1/outcomes/came', came)).toBe(200);
      } finally {
        vi.unstubAllEnvs();
        await api.close();
      }
    }
  });

  it('joins pairs as the worker’s role: each its own', async () => {
    const started = await both((of) => cli<{ workflowId: string; topic: string }>(of, 'pairs', 'late'));
    expect(started).toMatchObject(
      INSTALLATIONS.map((of) => ({ workflowId: `${of}/pairs:late`, topic: `millrace.${of}.pairs.late` })),
    );
    const pairsOf = async (of: Installation): Promise<number> =>
      (await cli<{ figures: { pairs: number } }>(of, 'pairs', 'late')).figures.pairs;
    await expect.poll(() => both(pairsOf), { timeout: 120_000, interval: 1_000 }).toEqual(Object.values(DECIDED));
    await both((of) => cli(of, 'start', 'came_of', '--wait'));
    for (const of of INSTALLATIONS)
      expect(await cli(of, 'get', 'came_of', 'person=u1')).toMatchObject({ values: { n: DECIDED[of] } });
  });

  it('exports labels of its own decisions', async () => {
    const day = (add: number): string => new Date(Date.now() + add * 86_400_000).toISOString().slice(0, 10);
    const args = ['--labels', 'late', '--service', `${world.view}_service`, '--from', day(-1), '--to', day(1)];
    const counted = await both(async (of) => {
      const out = join(folder(of, 'data'), 'labels.parquet');
      const { exitCode, stdout, stderr } = await runCli(
        ['export', ...args, '--out', out, '--dry-run'],
        variables(of, 'worker'),
      );
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      return Number(/│ decisions\s+│ (\d+)/.exec(stdout)?.[1]);
    });
    expect(counted).toEqual(Object.values(DECIDED));
  });

  it('trains and publishes as the worker’s role, twice', async () => {
    const spine = join(world.folder, 'labels.csv');
    writeFileSync(
      spine,
      `person,event_timestamp,late\n${world.clicks.map(({ person, at }, n) => `${person},${at},${n % 2}\n`).join('')}`,
    );
    const train = (of: Installation, as: string) => {
      const rows = ['--service', `${world.view}_service`, '--spine', spine];
      const command = ['--command', 'node train.mjs', '--workdir', 'one', '--as', as, '--approve', 'never'];
      return cli(of, 'train', 'run', MODEL, ...rows, ...command, '--wait');
    };
    expect(await both((of) => train(of, 'champion'))).toMatchObject([
      { phase: 'published', published: { version: 1 } },
      { phase: 'published', published: { version: 1 } },
    ]);
    await train('green', 'challenger');
    await train('amber', 'challenger');
    const described = await both(async (of) => {
      const { searchAttributes, taskQueue } = await temporal.workflow.getHandle(`${of}/train:${MODEL}`).describe();
      return [searchAttributes['TrainingModel'], taskQueue];
    });
    expect(described).toEqual(INSTALLATIONS.map((of) => [[`${of}/${MODEL}`], `${of}/${world.taskQueue}`]));
  });

  it('rolls out, and an application with the server’s role holds what the other has nothing of', async () => {
    const form = join(world.folder, 'rollout.json');
    writeFileSync(
      form,
      JSON.stringify({
        decisions: 'chosen',
        labels: 'late',
        metric: { measure: 'log-loss' },
        stages: [{ share: 0.5, minUnits: 100 }],
      }),
    );
    await both((of) => cli(of, 'rollout', 'start', MODEL, '--input', form));
    const { kafkaBrokers: brokers } = inject('stack');
    const held = await both(async (of) => {
      const client = createClient({
        databaseUrl: urlOf(of, 'server'),
        installation: of,
        models: { kafka: { brokers } },
      });
      const api = await startApi({ databaseUrl: urlOf(of, 'server'), installation: names(of) });
      try {
        const late = await client.model(MODEL, { decode: (bytes) => Buffer.from(bytes).toString(), rollout: true });
        await expect.poll(() => late.variant('customer-7').assigned, { timeout: 60_000 }).not.toBeNull();
        const { assigned, version } = late.variant('customer-7');
        const told = await fetch(`${api.url}/v1/variants/${MODEL}?unit=customer-7`);
        expect(await told.json()).toMatchObject({ variant: assigned!.variant, version });
        const { rollout } = (await (await fetch(`${api.url}/v1/rollouts/${MODEL}`)).json()) as {
          rollout: { id: string };
        };
        expect(rollout.id).toBe(assigned!.rollout);
        expect((await fetch(`${api.url}/v1/models/${MODEL}`)).status).toBe(200);
        return assigned!.rollout;
      } finally {
        await client.close();
        await api.close();
      }
    });
    expect(new Set(held).size).toBe(2);
    const attributes = await both(
      async (of) =>
        (await temporal.workflow.getHandle(`${of}/rollout:${MODEL}`).describe()).searchAttributes['RolloutModel'],
    );
    expect(attributes).toEqual(INSTALLATIONS.map((of) => [`${of}/${MODEL}`]));
    // What is ended of one goes on in the other.
    await cli('green', 'rollout', 'return', MODEL);
    await temporal.workflow.getHandle(`green/rollout:${MODEL}`).result();
    const open = await both(async (of) => {
      const { rows } = await world.pool.query<{ phase: string }>(
        `SELECT phase FROM ${ident(names(of).schemas.catalog, 'rollout')} WHERE model = $1`,
        [MODEL],
      );
      return rows.map(({ phase }) => phase);
    });
    expect(open).toEqual([['returned'], ['open']]);
    await cli('amber', 'rollout', 'return', MODEL);
    await temporal.workflow.getHandle(`amber/rollout:${MODEL}`).result();
    await both((of) => cli(of, 'pairs', 'late', '--stop'));
  });

  it('lets servers write none of its tables, and readers see none', async () => {
    const tables = ['outbox_topic', 'pair_join', 'pair_offset', 'model_version', 'model_alias', 'rollout'];
    const more = ['rollout_revision', 'rollout_evidence', 'rollout_look', 'rollout_seen', 'rollout_breach'];
    const hidden = ['outbox', 'pair_held', 'label_time'];
    for (const role of ['server', 'reader'] as const) {
      const pool = createPool(urlOf('green', role), { max: 1, installation: names('green') });
      try {
        for (const table of [...tables, ...more, ...hidden]) {
          const at = ident(names('green').schemas.catalog, table);
          const isRead = role === 'server' && !hidden.includes(table);
          const read = pool.query(`SELECT * FROM ${at} LIMIT 1`);
          if (isRead) await read;
          else await expect(read, `${role} reads ${table}`).rejects.toMatchObject({ code: '42501' });
          await expect(pool.query(`DELETE FROM ${at}`), `${role} changes ${table}`).rejects.toMatchObject({
            code: '42501',
          });
        }
      } finally {
        await pool.end();
      }
    }
  });
});
