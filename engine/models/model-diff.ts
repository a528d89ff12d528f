import { canonicalJson } from '../values/canonical-json.ts';
import type { ModelVersion } from '../postgres/model-versions.ts';

/** Something that two versions differ in. */
export interface ModelDifference {
  /** `feature route_delays.flights_1d`, `metric logLoss`, `labels` … */
  readonly what: string;
  /** Null: it has none. */
  readonly before: string | number | null;
  readonly after: string | number | null;
}

type Facts = ReadonlyMap<string, string | number>;

/**
 * What two versions of a model differ in, as far as it is noted: file, service, features by their tags, training set, labels, cuts, metrics.
 *
 * @example
 * modelDiff(one, other); // [{ what: 'metric logLoss', before: 0.42, after: 0.39 }]
 */
export function modelDiff(before: ModelVersion, after: ModelVersion): ModelDifference[] {
  const [was, is] = [factsOf(before), factsOf(after)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((what) => {
    const one = { what, before: was.get(what) ?? null, after: is.get(what) ?? null };
    return one.before === one.after ? [] : [one];
  });
}

function factsOf({ sha256, sizeBytes, service, features, derived, signature, lineage, metrics }: ModelVersion): Facts {
  const { trainingSet, rows, mode, millrace, labels, spine, cuts, fingerprints } = lineage;
  const entries: (readonly [string, string | number | null])[] = [
    ['file', sha256],
    ['bytes', sizeBytes],
    ['service', service],
    ...Object.entries(features).flatMap(([view, tags]) =>
      Object.entries(tags).map(([feature, tag]) => [`feature ${view}.${feature}`, tag] as const),
    ),
    ['derived', derived],
    ['request', signature.request.map(({ name }) => name).join(', ')],
    ['training set', trainingSet],
    ['rows', rows],
    ['mode', mode],
    ['exported by', millrace],
    ['labels', labels.join(', ')],
    ['label file', spine],
    ['cuts', canonicalJson(cuts)],
    ...Object.entries(fingerprints).map(([view, fingerprint]) => [`fingerprint ${view}`, fingerprint] as const),
    ...Object.entries(metrics ?? {}).map(
      ([name, value]) => [`metric ${name}`, typeof value === 'boolean' ? String(value) : value] as const,
    ),
  ];
  return new Map(entries.filter((entry): entry is [string, string | number] => entry[1] !== null));
}
