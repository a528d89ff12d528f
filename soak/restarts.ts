import { setTimeout as delay } from 'node:timers/promises';
import type { WorkerProcess } from '../cli/worker-process.ts';
import type { Random } from './random.ts';
import type { Ending, SoakServices } from './services.ts';
import { RESTART_KINDS, type RestartKind, type SoakPlan } from './soak-plan.ts';

/** Restarts fall into this part of the live time: what they disturb shall be seen, and be caught up with. */
const FROM_SHARE = 0.1;
const UNTIL_SHARE = 0.9;
const ATTEMPT_MS = 200;

interface PlannedRestart {
  readonly kind: RestartKind;
  readonly ending: Ending;
  readonly atSeconds: number;
}

/** When what is taken down, and how: chosen by the seed. Each kind of service is killed at least once where it is restarted twice. */
export function planRestarts(plan: SoakPlan, random: Random): readonly PlannedRestart[] {
  const planned: PlannedRestart[] = [];
  for (const kind of RESTART_KINDS) {
    for (let n = 0; n < plan.restarts[kind]; n++) {
      const share = FROM_SHARE + (UNTIL_SHARE - FROM_SHARE) * random.real();
      const ending: Ending = kind === 'worker' || n % 2 === 1 ? 'killed' : 'stopped';
      planned.push({ kind, ending, atSeconds: share * plan.liveSeconds });
    }
  }
  return planned.toSorted((a, b) => a.atSeconds - b.atSeconds);
}

export interface RestartsOptions {
  readonly planned: readonly PlannedRestart[];
  readonly services: SoakServices;
  readonly worker: WorkerProcess;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Restarts done, by kind. */
export type RestartCounts = Record<RestartKind, number>;

/** Does the planned restarts at their times; `done` counts them as they happen. */
export async function runRestarts(options: RestartsOptions, done: RestartCounts): Promise<void> {
  const { planned, services, worker, onProgress, signal } = options;
  const startedMs = performance.now();
  for (const { kind, ending, atSeconds } of planned) {
    const dueMs = startedMs + atSeconds * 1000;
    await delay(Math.max(0, dueMs - performance.now()), undefined, { signal });
    onProgress(`${kind}: ${ending}`);
    if (kind === 'worker') await killWorker(worker, signal);
    else await services.restart(kind === 'broker' ? 'kafka' : 'postgres', ending);
    done[kind] += 1;
  }
}

/** Kills it where it stands and waits until another has taken its place. */
async function killWorker(worker: WorkerProcess, signal: AbortSignal): Promise<void> {
  const killed = worker.pid;
  // It may be on its way up from the restart before.
  if (killed !== undefined) process.kill(killed, 'SIGKILL');
  while (worker.pid === killed) await delay(ATTEMPT_MS, undefined, { signal });
}
