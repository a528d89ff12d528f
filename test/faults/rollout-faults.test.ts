import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { rolloutBreach, rolloutEvidence, rolloutSeen } from '../../engine/postgres/rollout-evidence.ts';
import type { Rollout } from '../../engine/postgres/rollouts.ts';
import { judgeRollout } from '../../engine/rollouts/judge-rollout.ts';
import type { Judgement } from '../../engine/rollouts/judgement.ts';
import type { RolloutBreach } from '../../engine/rollouts/rollout-breach.ts';
import type { RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import { type WatchEnd, watchRollout } from '../../engine/rollouts/watch-rollout.ts';
import { seededRandom } from '../../soak/random.ts';
import { MemoryLog } from '../models/memory-log.ts';
import { type ModelWorld, openModelWorld } from '../models/model-world.ts';
import { FLAT, type Fleet, GOOD, openFleet } from '../rollouts/rollout-fleet.ts';
import { openIt, publishVersions } from '../rollouts/rollout-world.ts';
import { CommitGate, type HeldAt, type HeldWrite } from './commit-gate.ts';
import type { RolloutChildConfig } from './rollout-child.ts';

const TIMEOUT_MS = 600_000;
const seed = Number(process.env['LAW_SEED'] ?? Date.now() % 2 ** 31);
const name = `killed-${randomUUID().slice(0, 8)}`;
const RULE: RolloutRule = {
  metric: { measure: 'log-loss', better: 'lower' },
  stages: [{ share: 0.5, minUnits: 50, minTimeMs: 0, smallestEffect: null, approve: false }],
  guardrails: [{ kind: 'errors', limit: 0.05, segment: null, action: null, points: [] }],
  segments: ['origin'],
  observeUs: 0,
  alpha: 0.05,
  mode: 'stages',
  floor: 0.05,
};

/** The one whose worker is killed, and one whose worker lives, over the same topics. */
let killed: ModelWorld;
let whole: ModelWorld;
let fleet: Fleet;
beforeAll(async () => {
  const stack = inject('stack');
  [killed, whole] = await Promise.all([openModelWorld(stack.databaseUrl), openModelWorld(stack.databaseUrl)]);
  fleet = await openFleet(stack, killed, name);
}, TIMEOUT_MS);
afterAll(async () => {
  await fleet.close();
  await killed.close();
  await whole.close();
});

function spawnChild(rollout: string): { readonly child: ChildProcess; seen(decisions: number): Promise<void> } {
  const { database, archiveDir } = killed;
  const config: RolloutChildConfig = {
    stack: inject('stack'),
    databaseUrl: database.url,
    archiveDir,
    name,
    rollout,
    rule: RULE,
  };
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=TimeoutNegativeWarning',
      fileURLToPath(new URL('./rollout-child.ts', import.meta.url)),
      JSON.stringify(config),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout });
  return {
    child,
    seen: async (decisions) => {
      for (;;) {
        const [line] = (await once(lines, 'line')) as [string];
        if ((JSON.parse(line) as { decisions: number }).decisions >= decisions) return;
      }
    },
  };
}

async function killIt(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.signalCode === null) await once(child, 'exit');
  expect(child.signalCode).toBe('SIGKILL');
}

/** Lets a worker run until it holds a transaction at a write, and kills it there. */
async function killedAt(rollout: string, write: HeldWrite, at: HeldAt): Promise<void> {
  const gate = await CommitGate.close(killed.pool, write, at);
  const { child } = spawnChild(rollout);
  await gate.reached();
  await killIt(child);
  await gate.open();
}

/** Watches to the end of what there is: until everyone was returned, or so many decisions were seen. */
async function watched({ pool }: ModelWorld, rollout: string, decisions: number): Promise<WatchEnd> {
  const labels = fleet.deps.definitions.labelSets.get('late')!;
  const stop = new AbortController();
  return await watchRollout({
    pool,
    reader: fleet.deps.reader!,
    decisions: labels.decisions,
    topic: labels.decisions.topic!,
    rollout,
    candidate: 2,
    rule: RULE,
    positions: new Map([0, 1].map((partition) => [partition, 0])),
    clock: fleet.deps.clock,
    budgetMs: TIMEOUT_MS,
    signal: stop.signal,
    announce: async () => undefined,
    onProgress: (progress) => {
      if (progress.decisions < decisions) return;
      // What was seen is noted at a look.
      void rolloutSeen(pool, rollout).then((seen) => {
        if ((seen?.decisions ?? 0) >= decisions) stop.abort();
      });
    },
  });
}

const looked = async ({ pool }: ModelWorld, rollout: string): Promise<Judgement> =>
  await judgeRollout({
    pool,
    reader: fleet.deps.reader!,
    labels: fleet.deps.definitions.labelSets.get('late')!,
    rollout,
    stage: 0,
    rule: RULE,
    clock: fleet.deps.clock,
    spillDir: fleet.deps.spillDir,
  });

/** What was concluded, but for when. */
const concluded = ({ asOfUs: _asOf, evaluatedAtMs: _at, tookMs: _took, ...rest }: Judgement): object => rest;

test(`the evidence of a rollout whose worker is killed is that of one whose worker lives (seed ${seed})`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const random = seededRandom(seed);
  const id = randomUUID();
  const opened: Rollout[] = [];
  for (const world of [killed, whole]) {
    await publishVersions(world, new MemoryLog(), 'late');
    opened.push(await openIt(world, 'late', { id, salt: id }));
  }
  const rollout = opened[0]!;
  const both = { candidate: GOOD, against: FLAT };
  let decided = 0;
  const decide = async (units: number): Promise<void> => {
    await fleet.decide(rollout, both, units);
    decided += units;
  };

  await decide(200);
  const first = spawnChild(id);
  await first.seen(random.int(1, 200));
  await killIt(first.child);
  const writes: readonly [string, HeldWrite['on'], HeldAt][] = [
    ['rollout_seen', 'INSERT OR UPDATE', random.pick(['work', 'commit'])],
    ['rollout_evidence', 'INSERT', 'work'],
    ['rollout_evidence', 'INSERT', 'commit'],
    ['rollout_look', 'INSERT OR UPDATE', random.pick(['work', 'commit'])],
  ];
  for (const [table, on, at] of writes) {
    await decide(random.int(50, 150));
    await killedAt(id, { table, on, when: 'true' }, at);
  }

  const results = await Promise.all(
    [killed, whole].map(async (world) => {
      expect(await watched(world, id, decided)).toEqual({ ended: 'aborted' });
      const judgement = await looked(world, id);
      return {
        judgement: concluded(judgement),
        cells: await rolloutEvidence(world.pool, id),
        seen: await rolloutSeen(world.pool, id),
      };
    }),
  );
  expect(results[0]).toEqual(results[1]);
  expect(results[0]!.seen).toMatchObject({ decisions: decided });
  expect(results[0]!.cells.length).toBeGreaterThan(5);
  expect(results[0]!.judgement).toMatchObject({ stages: [{ units: expect.any(Number), mixed: 0 }] });

  // Which guardrail was breached is said by whoever comes next, whether it died before everyone was returned or after.
  await fleet.decide(rollout, { candidate: { ...FLAT, error: 'features-missing' }, against: FLAT }, 600);
  await killedAt(id, { table: 'rollout_breach', on: 'INSERT', when: 'true' }, 'commit');
  await killedAt(id, { table: 'rollout', on: 'UPDATE', when: `NEW.phase = 'returned'` }, 'commit');
  const ends = await Promise.all([killed, whole].map((world) => watched(world, id, Number.POSITIVE_INFINITY)));
  for (const [index, world] of [killed, whole].entries()) {
    const { breach, why } = (await rolloutBreach<RolloutBreach>(world.pool, id))!;
    expect(ends[index]).toEqual({ ended: 'breached', breach, why });
    expect(breach.rule).toEqual(RULE.guardrails[0]);
  }
});
