import type { FunctionInput, KeyPlan } from './compile-view.ts';
import type { Row } from './compiled-view.ts';
import type { FeatureView } from './feature-view.ts';

/** A row function of a view, by the path faults name it with. */
export interface RowSubject {
  readonly path: string;
  readonly call: (row: Row) => unknown;
}

/** The row functions of a view: `where`, `key` where the join keys are sound, and each that gives features their input. */
export function rowSubjects(
  view: FeatureView,
  keys: readonly KeyPlan[],
  functions: readonly FunctionInput[],
): RowSubject[] {
  const subject = (path: string, call: unknown): RowSubject[] =>
    typeof call === 'function' ? [{ path, call: call as RowSubject['call'] }] : [];
  return [
    ...subject('where', view.where),
    // A key function is held to the join keys: where one of those is faulty itself, its fault is told already.
    ...(keysAreSound(view, keys) ? subject('key', view.key) : []),
    ...functions.flatMap(({ path, from }) => subject(path, from)),
  ];
}

/** Whether every join key of the view's entity was read without a fault. */
export function keysAreSound(view: FeatureView, keys: readonly KeyPlan[]): boolean {
  return keys.length > 0 && keys.length === Object.keys(view.entity.keys).length;
}

/** What a row function gives for each row, as text: equal texts are equal results. `threw` where it throws. */
export function rowResults({ call }: RowSubject, rows: readonly Row[]): string[] {
  return rows.map((row) => resultText(call, structuredClone(row)));
}

/** What a row function gives for one row, as text. */
export function resultText(call: RowSubject['call'], row: Row): string {
  try {
    return canonical(call(row));
  } catch {
    return 'threw';
  }
}

/** A value as text: equal texts are equal values. */
export function canonical(value: unknown): string {
  if (value instanceof Promise) value.catch(() => undefined);
  const seen = new Set<object>();
  const text = JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'bigint') return `${member}n`;
    if (typeof member === 'number' && !Number.isFinite(member)) return String(member);
    if (typeof member === 'object' && member !== null) {
      if (seen.has(member)) return 'again';
      seen.add(member);
    }
    return member;
  });
  return text ?? String(value);
}

/** A text cut to what fits into a message. */
export function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
