import type { CompiledLabelSet } from '../../engine/define/compiled-label-set.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';

/** The label set of a name; without a name the only one there is. Throws MillraceError `unknown-label-set`. */
export function askedLabels(
  labelSets: ReadonlyMap<string, CompiledLabelSet>,
  name: string | undefined,
): CompiledLabelSet {
  const [only, ...others] = labelSets.values();
  const found = name === undefined ? (others.length === 0 ? only : undefined) : labelSets.get(name);
  if (found !== undefined) return found;
  const known = [...labelSets.keys()].join(', ') || 'none';
  throw new MillraceError(
    'unknown-label-set',
    name === undefined
      ? `no label set is named, and the definitions have: ${known}`
      : `no label set "${name}" in the definitions; known: ${known}`,
    { remedy: 'Name one with --labels, or the folder of definitions that has it with --features.', httpStatus: 404 },
  );
}
