import { hushedReason, hushReasons } from '../contract/hush-reasons.ts';
import { sensitiveHash } from '../values/sensitive-hash.ts';
import { type CompiledSource, type CompiledView, NO_INPUTS } from './compiled-view.ts';

/** What of a view has to be hashed where it is shown (`sensitive` of its source). */
export interface SensitiveParts {
  /** Whether anything is. */
  readonly any: boolean;
  key(name: string): boolean;
  /** By its name. */
  feature(name: string): boolean;
  readonly eventId: boolean;
}

/**
 * Which join keys and features of a view tell of sensitive fields. Rather too many: a key that is no field, and a feature over a row function,
 * may be made of any. Counts of rows tell of none.
 *
 * @example
 * sensitiveParts(view).feature('last_email'); // true
 */
export function sensitiveParts({ source, layout, featureInputs }: CompiledView): SensitiveParts {
  const fields = new Set(source.contract.fields.map(({ name }) => name));
  const sensitive = new Set(source.sensitive);
  const any = sensitive.size > 0;
  const isMadeOfOne = (name: string): boolean => sensitive.has(name) || !fields.has(name);
  const inputsOf = (feature: number): readonly string[] => {
    const { value, order, category } = featureInputs?.[feature] ?? NO_INPUTS;
    // What it counts is not shown, but the categories it counts by are.
    const counted = layout.features[feature]?.aggregate === 'count';
    return [...(counted ? [] : [value ?? '']), ...[order, category].filter((input) => input !== null)];
  };
  const features = new Set(
    layout.features.flatMap(({ name }, index) => (any && inputsOf(index).some(isMadeOfOne) ? [name] : [])),
  );
  return {
    any,
    key: (name) => any && isMadeOfOne(name),
    feature: (name) => features.has(name),
    eventId: source.eventIdField !== null && sensitive.has(source.eventIdField),
  };
}

/** `prepare` with reasons that may be kept; itself where nothing is sensitive. */
export function hushedPrepare(prepare: CompiledView['prepare'], source: CompiledSource): CompiledView['prepare'] {
  const sensitive = new Set(source.sensitive);
  if (sensitive.size === 0) return prepare;
  return (event, out) => {
    const outcome = prepare(event, out);
    return typeof outcome === 'object' ? { invalid: [...hushReasons(outcome.invalid, sensitive)] } : outcome;
  };
}

/** A value as it is shown: hashed where it is sensitive and there is one. */
export function shownIf<Value>(isSensitive: boolean, value: Value): Value | string {
  return isSensitive && value !== null ? sensitiveHash(value) : value;
}

/** Reasons as they are shown, also those that were kept when the field was not sensitive yet. Source null: it is not known, and all may be. */
export function shownReasons(reasons: readonly string[], source: CompiledSource | null): readonly string[] {
  if (source === null) return reasons.map(hushedReason);
  const sensitive = new Set(source.sensitive);
  return sensitive.size === 0 ? reasons : hushReasons(reasons, sensitive);
}

/**
 * A payload as it is shown of a source with sensitive fields: of a JSON object what the contract names and does not call sensitive, all else
 * hashed, its name too; anything else hashed as a whole, and so is all where the source is not known (null).
 */
export function shownPayload(payload: string, source: CompiledSource | null): string {
  if (source === null) return sensitiveHash(payload);
  const sensitive = new Set(source.sensitive);
  const open = new Set(source.contract.fields.map(({ name }) => name).filter((name) => !sensitive.has(name)));
  const record = parsed(payload);
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return sensitiveHash(payload);
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(record).map(([name, value]) => {
        if (open.has(name)) return [name, value];
        return [sensitive.has(name) ? name : sensitiveHash(name), shownIf(true, value)];
      }),
    ),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
