import { judgeRollout } from '../../engine/rollouts/judge-rollout.ts';
import type { RolloutRule } from '../../engine/rollouts/rollout-rule.ts';
import { watchRollout } from '../../engine/rollouts/watch-rollout.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import type { StackAddresses } from '../global-setup.ts';
import { openFleet } from '../rollouts/rollout-fleet.ts';

/** What the parent passes as JSON. */
export interface RolloutChildConfig {
  readonly stack: StackAddresses;
  readonly databaseUrl: string;
  readonly archiveDir: string;
  /** Of the fleet. */
  readonly name: string;
  readonly rollout: string;
  readonly rule: RolloutRule;
}

// What a worker does of a rollout, in a process of its own, until it is killed: it watches and it looks. Each line of its output is what it has seen.
const { stack, databaseUrl, archiveDir, name, rollout, rule } = JSON.parse(process.argv[2] ?? '') as RolloutChildConfig;
const pool = createPool(databaseUrl, { max: 5, applicationName: 'rollout-child' });
const { deps } = await openFleet(stack, { pool, archiveDir }, name);
const labels = deps.definitions.labelSets.get('late')!;
const reader = deps.reader!;
const signal = new AbortController().signal;
const { clock, spillDir } = deps;
const watching = watchRollout({
  pool,
  reader,
  decisions: labels.decisions,
  topic: labels.decisions.topic!,
  rollout,
  candidate: 2,
  rule,
  positions: new Map([0, 1].map((partition) => [partition, 0])),
  clock,
  budgetMs: 600_000,
  signal,
  announce: async () => undefined,
  onProgress: ({ decisions }) => console.log(JSON.stringify({ decisions })),
});
const looking = async (): Promise<never> => {
  for (;;) await judgeRollout({ pool, reader, labels, rollout, stage: 0, rule, clock, spillDir, signal });
};
await Promise.race([watching, looking()]);
process.exit(0);
