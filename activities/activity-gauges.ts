import type { Context } from '@temporalio/activity';
import type { HeartbeatFigures } from './heartbeat.ts';

/** Of the figures of a heartbeat, those that are told as metrics. */
const SHOWN = [
  { figure: 'lag', name: 'lag', unit: 'records' },
  { figure: 'held', name: 'held', unit: 'records' },
  { figure: 'holes', name: 'holes', unit: 'records' },
  { figure: 'buffered', name: 'buffered', unit: 'records' },
  { figure: 'intakeBytes', name: 'memory_intake_bytes', unit: 'bytes' },
  { figure: 'stateBytes', name: 'memory_states_bytes', unit: 'bytes' },
  { figure: 'idBytes', name: 'memory_ids_bytes', unit: 'bytes' },
] as const;

/**
 * What an activity reports, as metrics of its worker: `millrace_activity_lag`, `…_held`, `…_holes`, `…_buffered`, of a stream `…_memory_intake_bytes`,
 * `…_memory_states_bytes` and `…_memory_ids_bytes`, and `…_waiting_seconds`, 0 where nothing is waited for. By `workflow_id` and `activity_type`. An
 * activity that has ended waits for nothing; its other gauges keep what they said last.
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
    this.#gauges = SHOWN.map(({ figure, name, unit }) => ({
      figure,
      gauge: meter.createGauge(`millrace_activity_${name}`, 'int', unit),
    }));
    this.#waiting = meter.createGauge('millrace_activity_waiting_seconds', 'float', 's');
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
