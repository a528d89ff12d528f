import { appendEvent } from '../engine/postgres/audit-events.ts';
import type { NotedCommand } from '../workflows/noted-commands.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** Notes who asked a workflow for what. Idempotent. */
export async function noteEvent({ pool }: ActivityDeps, command: NotedCommand): Promise<void> {
  const { said, actor, action, subject, input, result, atMs } = command;
  await appendEvent(pool, { said, actor, action, subject, input, result, atUs: atMs * 1000 });
}
