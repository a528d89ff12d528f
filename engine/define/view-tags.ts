import { functionText } from '../code/function-text.ts';
import { codeDigest } from './code-identity.ts';
import { slotFunctions } from './build-layout.ts';
import type { ViewCompilation } from './compile-view.ts';
import { declaredSource } from './declared-identity.ts';
import type { FingerprintInput } from './fingerprint.ts';
import { slotOptions } from './slot-options.ts';
import { stateTag } from './state-tag.ts';
import { tagOf } from './tag-of.ts';
import { isDerived } from './view-layout.ts';

/** What a view is told by beside its fingerprint: each tag stands for one part of what it is, 16 hex digits. */
export interface ViewTags {
  /** Per feature what it means, whatever other features the view has. */
  readonly features: Readonly<Record<string, string>>;
  /** What its states hold. */
  readonly state: string;
  /** What decides what comes into them. Views of a name that are equal in both have equal states after equal logs. */
  readonly input: string;
}

/**
 * Tags a view. A feature's tag covers the engine's semantics, the source's contract and guards, where, key and entity, all code that
 * counts for every feature, and what is this feature's alone: aggregate, field or function, window, `expire`. Its name, comments, formatting, other features
 * and their code do not count: features of equal tags have equal values in every read after the entity's newest event, as long as no row
 * function of either view fails on a record. A derived feature's covers all features that are stored, and all code that derives. Where features cannot be told apart (`engine/code/feature-parts.ts`), the code of all is each one's.
 *
 * @example
 * viewTags({ definition, view, plans, code }).features.flights_1d // '0d4f7a1be23c9f55'
 */
export function viewTags(input: FingerprintInput): ViewTags {
  const { definition, view, plans } = input;
  const { semantics, entity, keys, tieBreak, features, expireUs } = view.layout;
  const common = {
    semantics,
    keys,
    tieBreak,
    source: declaredSource(definition, view, plans),
    code: commonCode(input),
  };
  const whole = expireUs === undefined ? common : { ...common, expireUs };
  const stored = features.flatMap((feature) => {
    if (isDerived(feature)) return [];
    const { name, slot, ...read } = feature;
    const tag = tagOf({ ...whole, entity, read, aggregated: aggregated(input, view.slots[slot] as Slot, name) });
    return [[name, tag] as const];
  });
  // What its function reads is known when it runs: it may be any of the features, and any of what stands before it.
  const of = { ...whole, stored: Object.fromEntries(stored), derived: derivedCode(input) };
  const derived = features.flatMap((feature) => {
    if (!isDerived(feature)) return [];
    const { name, result } = feature;
    return [[name, tagOf({ ...of, name, result })] as const];
  });
  return {
    features: Object.fromEntries([...stored, ...derived]),
    state: stateTag(view.layout),
    input: tagOf({ ...common, slots: view.slots.map((slot) => aggregated(input, slot, slot.plan.name)) }),
  };
}

type Slot = ViewCompilation['slots'][number];

function commonCode({ code, definition: { where, key } }: FingerprintInput): unknown {
  if (code === null) return [where, key].map((each) => each && functionText(each));
  return code.parts?.common ?? codeDigest(code);
}

/** The code of all that is derived; null where it is in what counts for every feature. */
function derivedCode({ code, view }: FingerprintInput): unknown {
  if (code === null) return (view.derived ?? []).map(({ compute }) => functionText(compute));
  return code.parts?.derived ?? null;
}

/** What a feature of a slot aggregates, and by what: a field by its name, functions by the feature's code. */
function aggregated({ code }: FingerprintInput, slot: Slot, feature: string): object {
  const { input, order, by } = slot;
  const kept = { input, order, ...(by === undefined ? {} : { by }), ...slotOptions(slot) };
  const from = slotFunctions(slot);
  const isCode = from.some((each) => typeof each === 'function');
  const fields = from.map((each) => (typeof each === 'function' ? null : each));
  if (!isCode) return { ...kept, fields };
  const own = code === null ? from.map((each) => (typeof each === 'function' ? functionText(each) : null)) : null;
  return { ...kept, fields, function: own ?? code?.parts?.inputs.get(feature) ?? null };
}
