import type { ManifestLogged, TrainingManifest } from '../engine/training/training-types.ts';
import type { ExportSummary } from '../workflows/export-training-set/contract.ts';

/** What a workflow's history has room for: the whole stands in the manifest. A name of a column has 63 bytes at most. */
const FEATURES_KEPT = 2_000;

/** What an export came to, as its workflow tells it: of what is derived, too, and the rows that nothing was served to. */
export function exportSummary(service: string, out: string, manifest: TrainingManifest): ExportSummary {
  const { views, derived } = manifest;
  const features = [...views, ...(derived === undefined ? [] : [derived])].flatMap((read) =>
    read.features.map(({ column, nullRate, errors }) => ({ column, nullRate, errors })),
  );
  const rowsNull = [
    ...views.flatMap((read) => rowsNullOf(read.role ?? read.view, read)),
    ...(derived === undefined ? [] : rowsNullOf(service, derived)),
  ];
  const filesLeftOut = manifest.sources.reduce((sum, source) => sum + (source.filesLeftOut ?? 0), 0);
  return {
    service,
    mode: manifest.mode,
    out,
    manifest: `${out}.manifest.json`,
    rows: manifest.rows,
    sizeBytes: manifest.sizeBytes,
    sha256: manifest.sha256,
    features: features.slice(0, FEATURES_KEPT),
    ...(features.length > FEATURES_KEPT ? { featuresLeftOut: features.length - FEATURES_KEPT } : {}),
    ...(rowsNull.length === 0 ? {} : { rowsNull }),
    ...(filesLeftOut === 0 ? {} : { filesLeftOut }),
    ...(manifest.split === undefined ? {} : { split: manifest.split }),
    ...(manifest.labels === undefined ? {} : { labels: manifest.labels }),
    ...(manifest.sample === undefined ? {} : { sample: manifest.sample }),
    comparison: comparisonOf(manifest, out),
  };
}

/** What a manifest says of a view, or of what is derived. */
interface ReadAsServed {
  readonly served?: { readonly rowsNotServed: number } | undefined;
  readonly logged?: ManifestLogged | undefined;
}

function rowsNullOf(of: string, { served, logged }: ReadAsServed): NonNullable<ExportSummary['rowsNull']> {
  const [notServed, notLogged] = [served?.rowsNotServed ?? 0, logged?.rowsNotLogged ?? 0];
  return [
    ...(notServed === 0 ? [] : [{ of, why: 'not-served' as const, rows: notServed }]),
    ...(notLogged === 0 ? [] : [{ of, why: 'not-logged' as const, rows: notLogged }]),
  ];
}

function comparisonOf({ comparison }: TrainingManifest, out: string): ExportSummary['comparison'] {
  if (comparison === undefined) return null;
  const features = comparison.features.slice(0, FEATURES_KEPT);
  return { ...comparison, features, json: `${out}.compare.json`, svg: `${out}.compare.svg` };
}
