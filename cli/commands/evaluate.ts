import type pg from 'pg';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import { askedTime } from '../../engine/evaluation/asked-times.ts';
import type { OpenScan } from '../../engine/evaluation/collect-decisions.ts';
import { readCosts } from '../../engine/evaluation/costs.ts';
import { evaluateModel } from '../../engine/evaluation/evaluate-model.ts';
import type { EvaluationAsk } from '../../engine/evaluation/evaluation-ask.ts';
import { type EvaluationSize, evaluationSize } from '../../engine/evaluation/evaluation-size.ts';
import type { LabelProgress } from '../../engine/labels/label-scan.ts';
import { openLabelScan } from '../../engine/labels/scan-labels.ts';

import { loadPlotting } from '../../engine/training/share-bars.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { contextOf, withCommonOptions } from '../command-context.ts';
import { askedLabels } from '../evaluation/asked-labels.ts';
import { askedModel, askedVersion, trainedRate } from '../evaluation/asked-models.ts';
import { checkEvaluateOptions, type EvaluateOptions, withEvaluateOptions } from '../evaluation/evaluation-options.ts';
import { type EvaluationPlaces, withEvaluationPlaces } from '../evaluation/evaluation-places.ts';
import { count, type Output } from '../output.ts';
import { printEvaluation } from '../print-evaluation.ts';
import { checkWritable } from '../writable-file.ts';

/** `millrace evaluate --model late@7 --from 2001-05-01 --to 2001-06-01` */
export function addEvaluateCommand(program: Command): void {
  const command = withEvaluateOptions(
    program
      .command('evaluate')
      .description(
        'what a model is worth by its decisions and what came of them: log loss, AUC, calibration, by segment; and what a policy would have brought',
      ),
  );
  withCommonOptions(command).action(async (options: EvaluateOptions) => {
    const { env, output, features } = contextOf(options);
    const { html, dryRun = false } = options;
    checkEvaluateOptions(options);
    const [fromUs, untilUs] = [askedTime(options.from, '--from'), askedTime(options.to, '--to')];
    const asOfUs = options.asOf === undefined ? undefined : askedTime(options.asOf, '--as-of');
    if (html !== undefined) {
      await checkWritable(html);
      // What is missing for plots is told before the reading, not after it.
      await loadPlotting();
    }
    const labels = askedLabels((await loadDefinitions(features)).labelSets, options.labels);
    await withEvaluationPlaces(env, async (places) => {
      const ask = await askOf(places.pool, options);
      const openScan = scanOf(places, labels, { fromUs, untilUs, asOfUs }, output);
      const onProgress = (decisions: number): void => output.progress(`decisions with labels: ${count(decisions)}`);
      const { signal } = new AbortController();
      if (dryRun) return printSize(output, await evaluationSize(ask, openScan, { signal, onProgress }));
      const { spillDir, memory } = places;
      const report = await evaluateModel({
        ...ask,
        labels: labels.name,
        fromUs,
        untilUs,
        openScan,
        duckdb: { memory, tempDir: spillDir },
        spillDir,
        onProgress,
      });
      if (html !== undefined) {
        const { evaluationPage } = await import('../../engine/evaluation/evaluation-page.ts');
        await writeFile(html, await evaluationPage(report));
      }
      output.end();
      if (output.isJson) output.json(report);
      else printEvaluation(output, report);
      if (html !== undefined) output.note(`page: ${html}`);
    });
  });
}

async function askOf(pool: pg.Pool, options: EvaluateOptions): Promise<EvaluationAsk> {
  const { against, candidate, policy, scores, segments, positive, sample } = options;
  // Of scores in a file the model has decided nothing yet, and may not be published.
  const model =
    scores === undefined ? await askedModel(pool, options.model, '--model') : askedVersion(options.model, '--model');
  const baseRate =
    options.baseRate === undefined ? await trainedRate(pool, model) : { value: options.baseRate, of: 'asked' as const };
  const costs = options.reward === undefined ? undefined : await readCosts(options.reward);
  return {
    model,
    against: against === undefined ? undefined : await askedModel(pool, against, '--against'),
    scores,
    baseRate,
    segments,
    positive,
    sample,
    offPolicy:
      candidate === undefined && policy === undefined
        ? undefined
        : { candidate: candidate === undefined ? undefined : askedVersion(candidate, '--candidate'), policy, costs },
  };
}

interface AskedTimes {
  readonly fromUs: number;
  readonly untilUs: number;
  readonly asOfUs: number | undefined;
}

function scanOf(
  { pool, reader, spillDir, memory }: EvaluationPlaces,
  labels: CompiledLabelSet,
  times: AskedTimes,
  output: Output,
): OpenScan {
  return (where) =>
    openLabelScan({
      ...times,
      labels,
      where,
      pool,
      reader,
      spillDir,
      memory,
      clock: systemClock,
      onWait: (text) => output.progress(text ?? 'going on'),
      onProgress: (progress) => output.progress(progressText(progress)),
    });
}

function progressText({ phase, done, total }: LabelProgress): string {
  const of = total === null ? '' : ` of ${count(total)}`;
  return phase === 'join' ? 'joining decisions with their outcomes' : `${phase}: ${count(done)}${of}`;
}

function printSize(output: Output, size: EvaluationSize): void {
  output.end();
  if (output.isJson) return output.json(size);
  const { counts, withoutLabel, models } = size;
  output.line(
    `${count(counts.decisions)} decisions of these models: ${count(counts.labelled - withoutLabel)} with a label, ${count(counts.immature)} not mature yet, ${count(counts.leftOut)} of which nothing came`,
  );
  output.table(
    ['model', 'decided', 'acted, with a label', 'in shadow', 'with a score', 'with a propensity'],
    models.map((one) => [
      one.name,
      ...[one.decisions, one.acted, one.shadows, one.scored, one.withPropensity].map(count),
    ]),
  );
  output.note('nothing was measured (--dry-run)');
}
