import { formatDateTime } from '../../engine/values/iso-time.ts';

const S_US = 1_000_000;

/** A time to the second; `never` of null. */
export function shownTime(us: number | null): string {
  return us === null ? 'never' : `${formatDateTime(us).slice(0, 19).replace('T', ' ')} UTC`;
}

/** How long something takes or lies back, in its two largest units. */
export function shownSpan(us: number): string {
  const s = Math.max(0, Math.round(us / S_US));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400).toLocaleString('en')} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

/** A number with its thousands apart; `–` of null. */
export function shownCount(n: number | null): string {
  return n === null ? '–' : n.toLocaleString('en');
}

/** A figure to four digits; very small and very large ones with an exponent. */
export function shownFigure(n: number | null): string {
  if (n === null) return '–';
  const figure = Number(n.toPrecision(4));
  const size = Math.abs(figure);
  if (size !== 0 && (size < 1e-6 || size >= 1e15)) return figure.toExponential();
  return figure.toLocaleString('en', { maximumSignificantDigits: 4 });
}

/** A share in per cent; one that is not quite all is not shown as all. */
export function shownShare(share: number | null): string {
  if (share === null) return '–';
  return `${(share * 100).toFixed(share > 0.995 && share < 1 ? 3 : 1)} %`;
}

/** Bytes in the unit that fits. */
export function shownBytes(bytes: number | null): string {
  if (bytes === null) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** at).toFixed(at === 0 ? 0 : 1)} ${units[at]}`;
}

/** A text, cut where it is longer. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
