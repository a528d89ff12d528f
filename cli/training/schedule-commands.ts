import { type Command, InvalidArgumentError } from 'commander';
import { durationMicros, formatDuration } from '../../engine/define/duration.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { modelName } from '../../engine/models/model-name.ts';
import { taskQueueOf } from '../../workflows/task-queues.ts';
import { checkTrainInput } from '../../workflows/train-model/input.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { noteElsewhere } from '../note-event.ts';
import { neededServices } from '../services.ts';
import { withTemporal } from '../with-temporal.ts';
import { asMillraceError } from './invalid-training.ts';
import { type TrainOptions, trainInputOf, withTrainOptions } from './train-options.ts';
import { scheduleTraining, type TrainTimes, unscheduleTraining } from './train-schedule.ts';

interface ScheduleOptions extends CommonOptions, TrainOptions {
  /** Milliseconds. */
  readonly every?: number | undefined;
  readonly cron?: string | undefined;
  readonly zone: string;
}

/** `millrace train schedule|unschedule MODEL` */
export function addTrainSchedules(parent: Command): void {
  const schedule = withTrainOptions(
    parent
      .command('schedule')
      .argument('<model>')
      .description('train it again and again, from weekly to hourly; a training that still goes on is not overtaken')
      .option('--every <time>', 'from one training to the next, e.g. 1w, 1d, 1h', periodOf)
      .option('--cron <fields>', 'in its place five fields of cron, as "0 3 * * 1"')
      .option('--zone <zone>', 'the zone of these: UTC, or a name as Europe/Berlin', 'UTC'),
  );
  withCommonOptions(schedule).action(async (name: string, options: ScheduleOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const times = timesOf(options);
    const input = await trainInputOf(model, options);
    // Told to whoever makes it, and not by the first run in a week.
    asMillraceError(() => checkTrainInput(input, Date.now()));
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const { made, next } = await scheduleTraining(client, input, times, taskQueueOf(env.variables));
      const scheduleId = env.installation.trainingId(model);
      const text =
        'everyMs' in times ? `every ${formatDuration(times.everyMs * 1000)}` : `${times.cron} (${times.timeZone})`;
      await noteElsewhere(env, output, {
        action: 'train schedule',
        subject: model,
        input: { times: text },
        result: { made },
      });
      if (output.isJson)
        return output.json({
          model,
          scheduleId,
          times: text,
          made,
          next: next.map((at) => at.toISOString()),
          overlap: 'skip',
        });
      output.line(`${model}: trained ${text} (schedule ${scheduleId}); while one goes on the next is skipped`);
      if (next[0] !== undefined) output.line(`next: ${next[0].toISOString()}`);
    });
  });
  const unschedule = parent.command('unschedule').argument('<model>').description('train it on no schedule any more');
  withCommonOptions(unschedule).action(async (name: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const model = modelName(name);
    const { temporal } = await neededServices(env, ['temporal']);
    await withTemporal(temporal, env.installation, async (client) => {
      const removed = await unscheduleTraining(client, model);
      if (removed)
        await noteElsewhere(env, output, {
          action: 'train schedule',
          subject: model,
          input: { times: null },
          result: { removed },
        });
      if (output.isJson) return output.json({ model, scheduleId: env.installation.trainingId(model), removed });
      output.line(`${model}: ${removed ? 'trained on no schedule any more' : 'was trained on no schedule'}`);
    });
  });
}

function timesOf({ every, cron, zone }: ScheduleOptions): TrainTimes {
  if (every !== undefined && cron === undefined) return { everyMs: every };
  if (cron !== undefined && every === undefined) return { cron, timeZone: zone };
  throw new MillraceError('bad-options', 'one of --every and --cron is needed, and not both', {
    remedy: 'Say when, as --every 1w, or --cron "0 3 * * 1".',
  });
}

function periodOf(text: string): number {
  const micros = durationMicros(text);
  if (micros !== undefined && micros >= 60_000_000) return micros / 1000;
  throw new InvalidArgumentError('expected a duration of at least 1m, as 1w, 1d or 1h');
}
