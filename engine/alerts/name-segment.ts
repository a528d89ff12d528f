import type { MonitorSegment, MonitorSubject } from '../monitors/monitor-bucket.ts';
import type { BucketResult, Deviation } from './evaluate-bucket.ts';
import type { Judgement } from './judge-series.ts';
import type { Statistic } from './figures.ts';
import { subjectKey } from './subject-text.ts';

/** Segments whose effect is so much of the greatest one's may be where it comes from. */
const COMPARABLE = 0.7;
/** A segment that makes up so much of the whole's change is the change. */
const EXPLAINS = 0.6;

/**
 * Which segment a change is of, null: of the whole. Of all ways to divide the records the one is named in which the change is greatest and in the fewest
 * parts: an airport without a delay shows in its partition too, less; a doubled partition shows in all of its airports.
 *
 * @param deviations of one node and one statistic
 */
export function nameSegment(deviations: readonly Deviation[], { series }: BucketResult): MonitorSegment | null {
  const parts = deviations.filter(({ subject }) => subject.segment !== null);
  const [first] = deviations;
  if (parts.length === 0 || first === undefined) return null;
  const { statistic } = first;
  const whole = series.get(subjectKey({ ...first.subject, segment: null }))?.judged.get(statistic) ?? null;
  const isWholeOut = deviations.some(({ subject }) => subject.segment === null);
  const tested = testedPer(first.subject, statistic, series);
  const dimensions = [...Map.groupBy(parts, ({ subject }) => subject.segment!.name)].flatMap(([name, out]) => {
    const top = out.reduce((most, each) => (effect(each) > effect(most) ? each : most));
    const share = shareOfWhole(out, whole);
    const asked = tested.get(name) ?? out.length;
    const isMost = asked >= 3 ? out.length > asked / 2 : asked === 2 ? out.length === 2 : false;
    // What changes in most parts, or beyond them, is a change of the whole.
    if (isWholeOut && (isMost || (share !== null && share < EXPLAINS))) return [];
    // Where one takes another's share both change: it is the one that changes most.
    if (!isWholeOut && isMost && asked >= 3 && statistic !== 'share') return [];
    return [{ top, parts: out.length, share: statistic === 'share' ? Math.abs(top.value - top.usual) : (share ?? 0) }];
  });
  const greatest = Math.max(...dimensions.map(({ top }) => effect(top)));
  const [named] = dimensions
    .filter(({ top }) => effect(top) >= COMPARABLE * greatest)
    .toSorted((a, b) => {
      const explained = Math.round(10 * Math.min(1, b.share)) - Math.round(10 * Math.min(1, a.share));
      return explained || a.parts - b.parts || b.top.count - a.top.count;
    });
  return named === undefined ? null : named.top.subject.segment;
}

/** How many segments of each name could be judged. */
function testedPer(
  { place, object, field }: MonitorSubject,
  statistic: Statistic,
  series: BucketResult['series'],
): Map<string, number> {
  const tested = new Map<string, number>();
  for (const { subject, judged } of series.values()) {
    if (subject.segment === null || subject.object !== object || subject.place !== place || subject.field !== field)
      continue;
    if (judged.has(statistic)) tested.set(subject.segment.name, (tested.get(subject.segment.name) ?? 0) + 1);
  }
  return tested;
}

function effect({ statistic, value, usual, times }: Judgement): number {
  if (statistic === 'volume') return Math.abs(Math.log((value + 1) / (usual + 1)));
  // Of two that share all, one changes: the one of whose records there are more, or fewer.
  if (statistic === 'share') return Math.abs(Math.log(times));
  return Math.abs(value - usual);
}

/** How much of the whole's change these parts are; null where that cannot be said. */
function shareOfWhole(parts: readonly Deviation[], whole: Judgement | null): number | null {
  if (whole === null || whole.statistic === 'distance' || whole.statistic === 'share') return null;
  const weigh = ({ statistic, value, usual, count }: Judgement): number =>
    statistic === 'volume' ? value - usual : (value - usual) * count;
  const all = weigh(whole);
  return all === 0 ? null : parts.reduce((sum, part) => sum + weigh(part), 0) / all;
}
