import type { DevSession } from '../cli/dev-session.ts';
import { followLifecycle } from '../cli/follow-lifecycle.ts';
import { sendCommand, startLifecycle } from '../cli/lifecycle-client.ts';
import { count, type Output } from '../cli/output.ts';
import { withTemporal } from '../cli/with-temporal.ts';

export interface BackfillFigures {
  readonly rowsBackfilled: number;
  readonly backfillRowsPerSecond: number;
  readonly entities: number;
}

/** Starts the lifecycle of every view, one after the other, and waits until each is published. */
export async function startViews(session: DevSession, output: Output): Promise<BackfillFigures> {
  return await withTemporal(session.temporal, session.installation, async (client) => {
    let rowsBackfilled = 0;
    let entities = 0;
    const startedMs = performance.now();
    for (const view of session.views) {
      await startLifecycle(client, view);
      const status = await followLifecycle(client, view, output, ['published']);
      rowsBackfilled += status.rows ?? 0;
      entities += status.entities ?? 0;
      output.note(`${view}: published, ${count(status.rows)} rows, ${count(status.entities)} entities`);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    return { rowsBackfilled, entities, backfillRowsPerSecond: Math.round(rowsBackfilled / seconds) };
  });
}

/** Promotes every view and waits until each streams. */
export async function promoteViews(session: DevSession, output: Output): Promise<void> {
  await withTemporal(session.temporal, session.installation, async (client) => {
    for (const view of session.views) {
      await sendCommand(client, view, 'promote');
      await followLifecycle(client, view, output, ['streaming']);
      output.note(`${view}: streaming from the offset where the batch stopped`);
    }
  });
}
