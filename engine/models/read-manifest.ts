import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isBaseline, type ManifestBaseline } from '../monitors/baseline.ts';
import { MillraceError } from '../errors/millrace-error.ts';
import type { ModelInput, ModelLineage, ModelMetrics, ModelSignature } from '../postgres/model-versions.ts';

const MOST_BYTES = 4 * 2 ** 20;
const MOST_METRICS_BYTES = 16 * 1024;
const TAG = /^[0-9a-f]{16}$/;

/** What a training set's manifest says of what is trained on it. */
export interface TrainedOn {
  readonly service: string;
  /** View to feature to tag; null: the manifest is from before it had tags. */
  readonly features: Readonly<Record<string, Readonly<Record<string, string | null>>>>;
  readonly derived: string | null;
  readonly signature: ModelSignature;
  readonly lineage: ModelLineage;
  /** How its features are there. Null: the manifest is from before it had that. */
  readonly baseline?: ManifestBaseline | null | undefined;
}

/**
 * Reads the manifest of a training set, `<out>.manifest.json` of `millrace export`. Throws MillraceError `invalid-manifest`.
 *
 * @example
 * const { features } = await readManifest('train.parquet.manifest.json'); // { route_delays: { flights_1d: '0d4f7a1be23c9f55' } }
 */
export async function readManifest(path: string): Promise<TrainedOn> {
  const text = await readText(path, MOST_BYTES, (why, cause) => invalidManifest(path, why, cause));
  const at = new Place(
    path,
    parsedJson(text, (why, cause) => invalidManifest(path, why, cause)),
  );
  if (at.get('format').value !== 1) throw at.get('format').wrong('1');
  const views = at.get('views').list();
  const features: Record<string, Record<string, string | null>> = {};
  const fingerprints: Record<string, string> = {};
  const inputs: ModelInput[] = [];
  const keys = new Set<string>();
  for (const one of views) {
    const view = one.get('view').text();
    const role = one.optional('role')?.text() ?? view;
    fingerprints[view] = one.get('fingerprint').text();
    for (const key of (one.optional('columns') ?? one.get('keys')).list()) keys.add(key.text());
    const tags = (features[view] ??= {});
    for (const { feature, tag, ...input } of featuresAt(one)) {
      tags[feature] = tag;
      inputs.push({ ...input, feature, block: role });
    }
  }
  const service = at.get('service').text();
  const derived = at.optional('derived');
  for (const { tag: _, ...input } of derived === null ? [] : featuresAt(derived))
    inputs.push({ ...input, block: service });
  const names =
    derived
      ?.get('request')
      .list()
      .map((name) => name.text()) ?? [];
  const types =
    derived
      ?.optional('requestTypes')
      ?.list()
      .map(({ value }) => value) ?? [];
  const spine = at.get('spine');
  const own = new Set([
    ...keys,
    ...names,
    ...(['timeColumn', 'requestColumn'] as const).flatMap((field) => spine.optional(field)?.text() ?? []),
  ]);
  return {
    service,
    features,
    derived: derived === null ? null : derivedTag(derived),
    signature: {
      // Of logged requests they are columns of their own, `request__<field>`.
      request: names.map((name, index) => ({ name: name.replace(/^request__/, ''), type: types[index] ?? null })),
      features: inputs,
    },
    lineage: {
      trainingSet: at.get('sha256').text(),
      manifest: createHash('sha256').update(text).digest('hex'),
      rows: at.get('rows').number(),
      mode: at.get('mode').text(),
      millrace: at.get('millrace').text(),
      fingerprints,
      labels: spine
        .get('columns')
        .list()
        .map((column) => column.text())
        .filter((name) => !own.has(name)),
      spine: spine.optional('sha256')?.text() ?? null,
      cuts: at.get('cuts').value,
    },
    baseline: baselineAt(at),
  };
}

function baselineAt(at: Place): ManifestBaseline | null {
  const baseline = at.optional('baseline');
  if (baseline === null) return null;
  if (isBaseline(baseline.value)) return baseline.value;
  throw baseline.wrong('the baseline that an export writes');
}

/** By whose code a set has what the service derived; null where it was that of several versions, or of one that nobody knows: it cannot be told. */
function derivedTag(derived: Place): string | null {
  const tag = derived.optional('tag')?.text();
  if (tag !== undefined) return tag === '' ? null : tag;
  const definitions = derived.optional('logged')?.get('definitions').list() ?? [];
  const tags = new Set(definitions.map((one) => one.get('fingerprint').text()));
  const [only] = tags;
  return tags.size === 1 && only !== undefined && only !== '' ? only : null;
}

/**
 * Reads the metrics of a model: one JSON object of numbers, texts, true, false or null; or what `millrace evaluate --json` gives, which has them in it.
 * Throws MillraceError `invalid-model-metrics`.
 */
export async function readModelMetrics(path: string): Promise<ModelMetrics> {
  const fail = (why: string, cause?: unknown): MillraceError => invalidMetrics(path, why, cause);
  return readMetricsIn(parsedJson(await readText(path, MOST_BYTES, fail), fail), path);
}

/** The metrics in what a file of them has. Throws as `readModelMetrics`. */
export function readMetricsIn(value: unknown, path: string): ModelMetrics {
  if (!isObject(value)) throw invalidMetrics(path, 'expected one JSON object');
  const metrics = value['kind'] === 'evaluation' && isObject(value['metrics']) ? value['metrics'] : value;
  for (const [name, metric] of Object.entries(metrics)) {
    if (typeof metric === 'object' && metric !== null)
      throw invalidMetrics(path, `"${name}" is neither a number nor a text`);
  }
  const size = JSON.stringify(metrics).length;
  if (size > MOST_METRICS_BYTES)
    throw invalidMetrics(path, `its metrics have ${size} characters; at most ${MOST_METRICS_BYTES} are kept`);
  return metrics as ModelMetrics;
}

function invalidMetrics(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('invalid-model-metrics', `${path}: ${why}`, {
    remedy:
      'Give one JSON object of at most 16 kB, e.g. {"logLoss": 0.42, "rows": 120000}, or what "millrace evaluate --json" gave.',
    cause,
  });
}

function featuresAt(at: Place): (Omit<ModelInput, 'block'> & { readonly tag: string | null })[] {
  return at
    .get('features')
    .list()
    .map((one) => {
      const tag = one.optional('tag')?.text() ?? null;
      if (tag !== null && !TAG.test(tag)) throw one.get('tag').wrong('16 hex digits');
      return { feature: one.get('name').text(), column: one.get('column').text(), type: one.get('type').value, tag };
    });
}

async function readText(
  path: string,
  most: number,
  fail: (why: string, cause?: unknown) => MillraceError,
): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (text.length <= most) return text;
  throw fail(`it has ${text.length} characters; at most ${most} are read`);
}

function parsedJson(text: string, fail: (why: string, cause?: unknown) => MillraceError): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fail(`it is no JSON: ${String(cause)}`, cause);
  }
}

function invalidManifest(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('invalid-manifest', `${path}: ${why}`, {
    remedy: 'Give the manifest that "millrace export" wrote beside the training set: FILE.manifest.json.',
    cause,
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in a manifest, which knows where it stands. */
class Place {
  readonly value: unknown;
  readonly #path: string;
  readonly #name: string;

  constructor(path: string, value: unknown, name = '') {
    this.#path = path;
    this.value = value;
    this.#name = name;
  }

  /** A member; null where it is not there, or null. */
  optional(member: string): Place | null {
    if (!isObject(this.value)) throw this.wrong('an object');
    const value = Object.hasOwn(this.value, member) ? this.value[member] : undefined;
    return value === undefined || value === null ? null : new Place(this.#path, value, `${this.#name}.${member}`);
  }

  get(member: string): Place {
    const found = this.optional(member);
    if (found === null) throw invalidManifest(this.#path, `it has no ${`${this.#name}.${member}`.slice(1)}`);
    return found;
  }

  list(): Place[] {
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return this.value.map((value: unknown, index) => new Place(this.#path, value, `${this.#name}[${index}]`));
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.wrong('a text');
    return this.value;
  }

  number(): number {
    if (typeof this.value !== 'number') throw this.wrong('a number');
    return this.value;
  }

  wrong(expected: string): MillraceError {
    const name = this.#name === '' ? 'the manifest' : this.#name.slice(1);
    return invalidManifest(
      this.#path,
      `${name}: expected ${expected}, received ${JSON.stringify(this.value)?.slice(0, 80)}`,
    );
  }
}
