import type { CompiledView } from '../define/compiled-view.ts';
import { sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import { segmentValue } from '../monitors/segment-value.ts';
import type { ScalarValue } from '../values/field-type.ts';

/** The values of a view's segments, of join keys in layout order: what is sensitive is hashed. */
export function keySegments(
  view: CompiledView,
  names: readonly string[],
): (key: readonly ScalarValue[]) => (string | null)[] {
  const sensitive = sensitiveParts(view);
  const parts = names.map((name) => ({
    at: view.layout.keys.findIndex((key) => key.name === name),
    isSensitive: sensitive.key(name),
  }));
  return (key) =>
    parts.map(({ at, isSensitive }) => (at < 0 ? null : segmentValue(shownIf(isSensitive, key[at] as ScalarValue))));
}
