import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { openSpillFolder } from '../../config/spill-folder.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import type { SampleSize } from '../../engine/insight/label-sample.ts';
import { tryFeatures } from '../../engine/insight/try-features.ts';
import type { TryProgress } from '../../engine/insight/try-options.ts';
import { trySubject } from '../../engine/insight/try-subject.ts';
import { setProcessMemory } from '../../engine/memory/process-memory.ts';
import { loadPlotting } from '../../engine/training/share-bars.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { type LabelTimeOptions, withLabelTimes } from '../label-times.ts';
import { count } from '../output.ts';
import { printTry } from '../print-try.ts';
import { checkWritable } from '../writable-file.ts';

interface TryCommandOptions extends CommonOptions, LabelTimeOptions {
  readonly spine?: string | undefined;
  readonly label?: string | undefined;
  readonly sample?: SampleSize | undefined;
  readonly html?: string | undefined;
}

/** `millrace try VIEW|SERVICE [--spine labels.parquet --label late]`. */
export function addTryCommand(program: Command): void {
  const command = withLabelTimes(
    program
      .command('try')
      .argument('<name>', 'of a view or a service')
      .description(
        'what features are like over the files of a history, and what each tells of a label: without any service, before anything is deployed',
      )
      .option(
        '--spine <file>',
        'the label rows: Parquet, CSV or JSONL (default: rows at times of the events themselves)',
      )
      .option('--label <column>', 'a column of the spine that is to be told: yes or no, a number, or a category'),
  )
    .option(
      '--sample <size>',
      'rows, as 5000, or the share of the entities, as 0.1 or 1 (default: 20,000 rows)',
      sampleSize,
    )
    .option('--html <file>', 'also write it as one page with plots');
  withCommonOptions(command).action(async (name: string, options: TryCommandOptions) => {
    const { env, output, features } = contextOf(options);
    const { spine, label, html } = options;
    if (label !== undefined && spine === undefined) throw labelWithoutSpine();
    if (html !== undefined) {
      await checkWritable(html);
      // What is missing for plots is told before the reading, not after it.
      await loadPlotting();
    }
    const definitions = await loadDefinitions(features);
    const spill = openSpillFolder(env.spillDir);
    try {
      const report = await tryFeatures({
        ...trySubject(definitions, name),
        spine,
        label,
        timeColumn: options.time,
        timeZone: options.timeZone,
        timeAt: options.timeAt,
        sample: options.sample,
        memory: setProcessMemory(env.memoryMb),
        spillDir: spill.path,
        clock: systemClock,
        onProgress: (progress) => output.progress(progressText(progress)),
      });
      if (html !== undefined) {
        const { tryPage } = await import('../../engine/insight/try-page.ts');
        await writeFile(html, await tryPage(report));
      }
      if (output.isJson) output.json(report);
      else printTry(output, report);
      if (html !== undefined) output.note(`page: ${html}`);
    } finally {
      spill.remove();
    }
  });
}

function progressText(progress: TryProgress): string {
  if (progress.phase !== 'events') return `reading features: ${progress.percent} %, ${count(progress.events)} events`;
  const of = progress.totalRows === null ? '' : ` of ${count(progress.totalRows)}`;
  return `looking for entities: ${count(progress.rows)}${of} rows`;
}

function labelWithoutSpine(): MillraceError {
  return new MillraceError('invalid-usage', '--label names a column of a spine, and there is no --spine', {
    remedy: 'Give the file of labels, or leave --label out.',
  });
}

function sampleSize(text: string): SampleSize {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= 1) return { share: value };
  if (Number.isSafeInteger(value) && value > 1) return { rows: value };
  throw new InvalidArgumentError('expected a number of rows, as 5000, or a share above 0 and up to 1, as 0.1');
}
