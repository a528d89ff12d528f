import type { ReportFault } from './definition-fault.ts';
import { defaultHopMicros, durationMicros, formatDuration } from './duration.ts';
import type { Feature } from './feature.ts';

/** What a feature covers, in microseconds. */
export interface Window {
  /** Null: lifetime. */
  readonly windowUs: number | null;
  readonly hopUs: number | null;
  /** How long before the read the window ends. */
  readonly agoUs: number;
}

const LIFETIME: Window = { windowUs: null, hopUs: null, agoUs: 0 };

/** About 140 KB of a state for one aggregate, at the 7 bytes a tile of a partial takes. */
const MAX_TILES = 20_000;

/** Judges what `.over` was given; of what is faulty the rest is read all the same. */
export function readWindow(feature: Feature, path: string, report: ReportFault): Window {
  const { window, hop, ago } = feature;
  if (window === null) return LIFETIME;
  if (window === '') {
    report(
      'no-window',
      `${path}.over`,
      ago === null ? '.over(...) names no window' : '`ago` needs a window, and there is none',
      "Name the window first: .over('7d', { ago: '7d' }). Without .over a feature covers the entity's whole life.",
    );
    return LIFETIME;
  }
  const read = (text: string, at: string): number | undefined => {
    const micros = durationMicros(text);
    if (micros !== undefined) return micros;
    const example = "Write a whole number and a unit, ms, s, m, h, d or w: .over('7d').";
    report('invalid-duration', `${path}.${at}`, `${JSON.stringify(text)} is not a duration`, example);
    return undefined;
  };
  const windowUs = read(window, 'over');
  const hopUs = hop === null ? defaultHopMicros(windowUs ?? 1) : read(hop, 'hop');
  const agoUs = ago === null ? 0 : read(ago, 'ago');
  if (windowUs === undefined || hopUs === undefined || agoUs === undefined)
    return { windowUs: windowUs ?? null, hopUs: hopUs ?? null, agoUs: agoUs ?? 0 };
  if (windowUs < hopUs) {
    const length = hop === null ? `its default hop ${formatDuration(hopUs)}` : `its hop ${hop}`;
    report(
      'window-too-short',
      `${path}.over`,
      `the window ${window} is shorter than ${length}`,
      'Lengthen the window, or name a shorter hop: { hop: ... }.',
    );
  }
  checkSpan({ windowUs, hopUs, agoUs }, feature, path, report);
  return { windowUs, hopUs, agoUs };
}

/** A state keeps the tiles of the window and of all that lies between it and the read. */
function checkSpan(
  { windowUs, hopUs, agoUs }: { readonly windowUs: number; readonly hopUs: number; readonly agoUs: number },
  { window, ago }: Feature,
  path: string,
  report: ReportFault,
): void {
  const spanUs = windowUs + agoUs;
  const what = ago === null ? `the window ${window}` : `the window ${window}, ${ago} ago,`;
  if (!Number.isSafeInteger(spanUs)) {
    report(
      'invalid-duration',
      `${path}.ago`,
      `${what} begins more than 285 years before the read: no time is so early`,
      'Name a shorter `ago`.',
    );
    return;
  }
  const tiles = Math.ceil(spanUs / hopUs) + 1;
  if (tiles <= MAX_TILES) return;
  report(
    'too-many-tiles',
    `${path}.over`,
    `${what} by a hop of ${formatDuration(hopUs)} is up to ${tiles} tiles of an entity's state, at most ${MAX_TILES} are allowed: a state is one row, written anew with its events`,
    `Name a longer hop: { hop: ... }; a window then begins at most one hop early.${ago === null ? '' : ' Or a shorter `ago`: the tiles since then are kept, too.'}`,
  );
}
