import type { MonitorPlace, MonitorSegment, MonitorSubject } from '../monitors/monitor-bucket.ts';

/** A stage of the path by itself, whatever its segments: what causes are traced through. */
export interface MonitorNode {
  readonly place: MonitorPlace;
  readonly object: string;
  readonly field: string | null;
}

/** One text per node, another for another. */
export function nodeKey({ place, object, field }: MonitorNode): string {
  return JSON.stringify([place, object, field]);
}

/** One text per subject, another for another. */
export function subjectKey({ place, object, field, segment }: MonitorSubject): string {
  return JSON.stringify([place, object, field, segment === null ? null : [segment.name, segment.value]]);
}

/** The subject a key was made of. */
export function subjectOfKey(key: string): MonitorSubject {
  const [place, object, field, segment] = JSON.parse(key) as [
    MonitorPlace,
    string,
    string | null,
    [string, string] | null,
  ];
  return { place, object, field, segment: segment === null ? null : { name: segment[0], value: segment[1] } };
}

/** The same for a person: `flights.delay where origin = ATL`. */
export function subjectText({ object, field, segment }: MonitorSubject): string {
  return `${field === null ? object : `${object}.${field}`}${segment === null ? '' : ` where ${segment.name} = ${segment.value}`}`;
}

/** Both none, or of one name and value. */
export function sameSegment(one: MonitorSegment | null, other: MonitorSegment | null): boolean {
  return one === other || (one?.name === other?.name && one?.value === other?.value);
}
