import type { Context } from '@temporalio/activity';
import type { HeartbeatFigures } from './heartbeat.ts';
import { gaugeOn } from './worker-metrics.ts';

/** Of the figures of a heartbeat, those that are told as metrics. */
const SHOWN = [
  { figure: 'lag', name: 'millrace_activity_lag' },
  { figure: 'held', name: 'millrace_activity_held' },
  { figure: 'holes', name: 'millrace_activity_holes' },
  { figure: 'buffered', name: 'millrace_activity_buffered' },
  { figure: 'intakeBytes', name: 'millrace_activity_memory_intake_bytes' },
  { figure: 'stateBytes', name: 'millrace_activity_memory_states_bytes' },
  { figure: 'idBytes', name: 'millrace_activity_memory_ids_bytes' },
] as const;

/**
 * What an activity reports, as metrics of its worker, by `workflow_id` and `activity_type`. One that has ended waits for nothing; its other gauges
 * keep what they said last.
 */
export class ActivityGauges {
  readonly #gauges;
  readonly #waiting;

  constructor(context: Pick<Context, 'info' | 'metricMeter'>) {
    const { workflowExecution, activityType } = context.info;
    const meter = context.metricMeter.withTags({
      workflow_id: workflowExecution?.workflowId ?? '',
      activity_type: activityType,
    });
    this.#gauges = SHOWN.map(({ figure, name }) => ({ figure, gauge: gaugeOn(meter, name) }));
    this.#waiting = gaugeOn(meter, 'millrace_activity_waiting_seconds', 'float');
  }

  show(figures: HeartbeatFigures): void {
    for (const { figure, gauge } of this.#gauges) {
      const value = figures[figure];
      if (typeof value === 'number') gauge.set(value);
    }
    const since = figures['waitingSince'];
    this.#waiting.set(typeof since === 'string' ? Math.max(0, Date.now() - Date.parse(since)) / 1000 : 0);
  }
}
