import { MillraceError } from '../errors/millrace-error.ts';
import type { LabelCounts, LabelScan } from '../labels/label-scan.ts';
import { openLabelScan } from '../labels/scan-labels.ts';
import { formatDateTime } from '../values/iso-time.ts';
import { asOfText, isWanted, type LabelOptions, labelTimes, type ManifestLabels } from './label-spine.ts';
import { loadDecisions } from './load-label-spine.ts';
import { type PreparedSpine, sortSpine, stageSpine } from './prepare-spine.ts';
import type { SpineContext } from './reading.ts';

/** A spine of decisions with their labels. Throws as `exportTrainingSet` does of one. */
export async function prepareLabelSpine(context: SpineContext, labelled: LabelOptions): Promise<PreparedSpine> {
  const scan = await scanOf(context, labelled);
  const path = `of the decisions of ${labelled.labels.decisions.name}`;
  try {
    // Nothing is told of labels of no time.
    asOfText(scan.asOfUs, labelled.labels.name);
    const isTimed = context.options.mode !== 'decided';
    const staged = await stageSpine(context, async () => {
      const columns = await loadDecisions(context, labelled, scan, isTimed, path);
      if (scan.counts.labelled === 0) throw noLabels(labelled, scan);
      return { path, of: { path: null, sizeBytes: null, sha256: null, isRead: false }, columns, grid: null };
    });
    return { ...(await sortSpine(context, staged, null)), labels: manifestLabels(labelled, scan) };
  } finally {
    await scan.close();
  }
}

/** How many rows such a spine would have: the labels are made, and nothing of them is kept. */
export async function sizeOfLabels(context: SpineContext, labelled: LabelOptions): Promise<ManifestLabels> {
  const scan = await scanOf(context, labelled);
  try {
    for await (const _ of scan);
    return manifestLabels(labelled, scan);
  } finally {
    await scan.close();
  }
}

async function scanOf(context: SpineContext, labelled: LabelOptions): Promise<LabelScan> {
  const { options, duckdb, signal, progress } = context;
  const { reader, pool, clock, spillDir, memory, onWait, repeatOf, service } = options;
  if (reader === null)
    throw new MillraceError(
      'labels-need-topics',
      `label set "${labelled.labels.name}": there is no connection to Kafka to read decisions by`,
      { remedy: 'Set KAFKA_BROKERS, or export over a file of labels (spine; CLI: --spine).', httpStatus: 409 },
    );
  const { fromUs, untilUs, asOfUs } = labelTimes(labelled);
  const then = repeatOf?.labels;
  return await openLabelScan({
    labels: labelled.labels,
    reader,
    clock,
    spillDir,
    fromUs,
    untilUs,
    asOfUs,
    pool,
    duckdb,
    memory,
    where: isWanted(service.name, labelled),
    pinned: then && { ...then.cuts, asOfUs: then.asOfUs },
    signal,
    onWait,
    onProgress: ({ phase, done, total }) => progress.labels(phase, done, total),
  });
}

function manifestLabels(labelled: LabelOptions, scan: LabelScan): ManifestLabels {
  const { labels, model, variant, shadows = false } = labelled;
  const { fromUs, untilUs } = labelTimes(labelled);
  const { decisions, outcomes } = scan.pin;
  return {
    labelSet: labels.name,
    tag: labels.tag,
    from: formatDateTime(fromUs),
    to: formatDateTime(untilUs),
    asOf: asOfText(scan.asOfUs, labels.name),
    asOfUs: scan.asOfUs,
    matureAfterUs: labels.matureAfterUs,
    ...(model === undefined ? {} : { model }),
    ...(variant === undefined ? {} : { variant }),
    shadows,
    counts: { ...scan.counts },
    cuts: { decisions, outcomes },
  };
}

function noLabels({ labels, from, to }: LabelOptions, { asOfUs, counts }: LabelScan): MillraceError {
  const { decisions, immature, leftOut }: LabelCounts = counts;
  return new MillraceError(
    'no-mature-labels',
    `label set "${labels.name}": of ${decisions} decisions from ${from} to ${to} none has a label as of ${formatDateTime(asOfUs)}: ${immature} are immature, ${leftOut} are left out for nothing came of them`,
    {
      remedy:
        'Take earlier decisions, or export again when they are mature; look whether the outcomes arrive, and by what they are joined.',
      httpStatus: 409,
      details: { ...counts },
    },
  );
}
