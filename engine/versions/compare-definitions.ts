import type { CompiledSource, CompiledView } from '../define/compiled-view.ts';
import { formatDuration, windowText } from '../define/duration.ts';
import { shownInputs } from '../define/shown-inputs.ts';
import { optionsText } from '../define/slot-options.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { haveSameStates } from '../define/state-tag.ts';
import type { ViewTags } from '../define/view-tags.ts';
import { nameOfType } from '../values/type-name.ts';
import { keysText, sharedFeatures } from './shared-features.ts';

/** What is known of a version's definition: its layout always, its code where it is at hand. */
export interface KnownDefinition {
  readonly layout: ViewLayout;
  /** Null of a version of before there were tags. */
  readonly tags: ViewTags | null;
  /** Null where its code is not at hand. */
  readonly view: CompiledView | null;
}

/** A part that changed, and how, in words. */
export interface ChangedPart {
  readonly name: string;
  readonly what: readonly string[];
}

/** What one definition of a view has that the other has not. */
export interface DefinitionDifference {
  readonly featuresAdded: readonly string[];
  readonly featuresRemoved: readonly string[];
  /** That both have and that mean something else. */
  readonly featuresChanged: readonly ChangedPart[];
  /** Fields of the contract; null where the code of before is not at hand. */
  readonly contract: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly ChangedPart[];
  } | null;
  /** Settings of the source; null where the code of before is not at hand. */
  readonly source: readonly ChangedPart[] | null;
  /** The join keys, where they changed. */
  readonly keys: string | null;
  readonly rebuild: RebuildNeed;
}

/** Whether the next version has to be built from the log. */
export interface RebuildNeed {
  readonly isNeeded: boolean;
  readonly why: string;
}

const ALL_FEATURES = 'what all features go through: where, key, or code they share';

/**
 * How a definition differs from that of a version.
 *
 * @example
 * const { featuresChanged, rebuild } = compareDefinitions(live, definition);
 */
export function compareDefinitions(before: KnownDefinition, after: CompiledView): DefinitionDifference {
  const { onlyBefore, onlyAfter } = sharedFeatures(before.layout, after.layout);
  const [one, other] = [keysText(before.layout), keysText(after.layout)];
  const sources = before.view === null ? null : { before: before.view.source, after: after.source };
  const contract = sources && contractChanges(sources.before, sources.after);
  const source = sources && sourceChanges(sources.before, sources.after);
  return {
    featuresAdded: onlyAfter,
    featuresRemoved: onlyBefore,
    featuresChanged: featureChanges(before, after),
    contract,
    source,
    keys: one === other ? null : `${one} → ${other}`,
    rebuild: rebuildNeed(before, after),
  };
}

/** The next version has the states of the one before iff what they hold and all that comes into them is the same. */
export function rebuildNeed({ layout, tags }: KnownDefinition, after: CompiledView): RebuildNeed {
  if (tags === null || after.tags === undefined)
    return {
      isNeeded: true,
      why: 'what comes into the states of the live version is not known: it is older than tags',
    };
  if (haveSameStates(tags, after.tags))
    return {
      isNeeded: false,
      why: 'it is made of those of the live version: they are the same, and so is all that comes into them',
    };
  const isOfState = tags.state !== after.tags.state;
  const input = 'other values come into the states: contract, source, where, key, a field or code';
  return { isNeeded: true, why: isOfState ? stateChange(layout, after.layout) : input };
}

/** What the states hold otherwise, in words. */
function stateChange(before: ViewLayout, after: ViewLayout): string {
  if (before.semantics !== after.semantics) return 'the semantics of the engine changed';
  if (keysText(before) !== keysText(after)) return 'the join keys changed';
  const slots = ({ groups, slots: all }: ViewLayout): string[] =>
    all.map((slot) => {
      const { partial, input, order, by, conditional, group } = slot;
      const hopUs = groups[group]?.hopUs ?? null;
      const of = [input, order].flatMap((type) => (type == null ? [] : [nameOfType(type)]));
      const divided = by === undefined ? '' : ` by ${nameOfType(by.type)}, at most ${by.limit}`;
      const where = conditional === true ? ' under a condition' : '';
      return `${partial}${of.length === 0 ? '' : ` of ${of.join(', ')}`}${optionsText(slot)}${divided}${where} ${hopUs === null ? 'over all time' : `in tiles of ${formatDuration(hopUs)}`}`;
    });
  const spans = ({ groups }: ViewLayout): string[] =>
    groups.flatMap(({ hopUs, spanUs }) =>
      hopUs === null || spanUs === null ? [] : [`tiles of ${formatDuration(hopUs)} for ${formatDuration(spanUs)}`],
    );
  const more = [...without(slots(after), slots(before)), ...without(spans(after), spans(before))];
  if (more.length > 0) return `the states have to hold more: ${more.join(', ')}`;
  const fewer = [...without(slots(before), slots(after)), ...without(spans(before), spans(after))];
  return fewer.length > 0
    ? `the states hold less: no ${fewer.join(', ')}`
    : 'the states hold the same in another order';
}

/** Of `all` those that `others` lacks, as often as it lacks them. */
function without(all: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return all.filter((text) => {
    const at = left.indexOf(text);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function featureChanges(before: KnownDefinition, after: CompiledView): ChangedPart[] {
  const earlier = new Map(before.layout.features.map((feature, index) => [feature.name, { feature, index }]));
  const shared = after.layout.features.flatMap((feature, index) => {
    const former = earlier.get(feature.name);
    return former === undefined ? [] : [{ feature, index, former: former.feature, formerIndex: former.index }];
  });
  const tagsDiffer = (name: string): boolean | null =>
    before.tags === null || after.tags === undefined ? null : before.tags.features[name] !== after.tags.features[name];
  // What all go through is told once for all: each has changed, and most say nothing of their own.
  const isCommon = shared.length > 1 && shared.every(({ feature }) => tagsDiffer(feature.name) === true);
  const [then, now] = [expireText(before.layout), expireText(after.layout)];
  const expiry = then === now ? [] : [`expire ${then} → ${now}`];
  return shared.flatMap(({ feature, index, former, formerIndex }) => {
    const what = [...declaredChanges(former, feature), ...expiry];
    if (before.view !== null) {
      const [then, now] = [shownInputs(before.view, formerIndex) ?? '*', shownInputs(after, index) ?? '*'];
      if (then !== now) what.push(`input ${then} → ${now}`);
    }
    const differs = tagsDiffer(feature.name);
    if (differs === true && what.length === 0) what.push(isCommon ? ALL_FEATURES : 'its own function, or code it uses');
    return what.length === 0 ? [] : [{ name: feature.name, what }];
  });
}

function declaredChanges(before: FeatureLayout, after: FeatureLayout): string[] {
  const span = (us: number | null): string => (us === null ? 'lifetime' : formatDuration(us));
  const parts: (readonly [what: string, then: string, now: string])[] = [
    ['aggregate', before.aggregate, after.aggregate],
    ['window', windowText(before.windowUs, before.agoUs), windowText(after.windowUs, after.agoUs)],
    ['hop', span(before.hopUs), span(after.hopUs)],
    ['type', nameOfType(before.result), nameOfType(after.result)],
    ['default', defaultOf(before), defaultOf(after)],
    ['of a', spreadOf(before), spreadOf(after)],
    ['quantiles', quantilesOf(before), quantilesOf(after)],
  ];
  return parts.flatMap(([what, then, now]) => (then === now ? [] : [`${what} ${then} → ${now}`]));
}

function expireText({ expireUs }: ViewLayout): string {
  return expireUs === undefined ? 'never' : formatDuration(expireUs);
}

function defaultOf({ default: fill }: FeatureLayout): string {
  return fill === undefined ? 'none' : JSON.stringify(fill);
}

/** What `variance` and `stddev` are over. */
function spreadOf({ population }: FeatureLayout): string {
  return population === true ? 'population' : 'sample';
}

function quantilesOf({ quantiles }: FeatureLayout): string {
  return quantiles === undefined ? 'none' : quantiles.join(', ');
}

function contractChanges(before: CompiledSource, after: CompiledSource): NonNullable<DefinitionDifference['contract']> {
  const [then, now] = [textsOf(before), textsOf(after)];
  return {
    added: [...now.keys()].filter((name) => !then.has(name)),
    removed: [...then.keys()].filter((name) => !now.has(name)),
    changed: [...now].flatMap(([name, { type, text }]) => {
      const former = then.get(name);
      if (former === undefined || former.text === text) return [];
      return [{ name, what: [former.type === type ? 'its checks, or how it is read' : `${former.type} → ${type}`] }];
    }),
  };
}

function textsOf({ contract }: CompiledSource): Map<string, { readonly type: string; readonly text: string }> {
  return new Map(
    contract.fields.map(({ name, type, nullable, optional }) => {
      const kind = type.kind === 'array' || type.kind === 'object' ? type.kind : nameOfType(type);
      const shown = `${kind}${nullable || optional ? '?' : ''}`;
      return [name, { type: shown, text: contract.texts?.get(name) ?? JSON.stringify({ type, nullable, optional }) }];
    }),
  );
}

/** Each setting of a source that decides what counts, as people write it. */
function settingsOf(source: CompiledSource): Record<string, string> {
  const { history } = source;
  return {
    name: source.name,
    eventTime: source.eventTimeField,
    eventTimeAt: source.eventTimeAt ?? 'none',
    eventId: source.eventIdField ?? 'none',
    topic: source.topic ?? 'none',
    'history.path': history?.path ?? 'none',
    'history.until': history?.untilUs == null ? 'none' : new Date(history.untilUs / 1000).toISOString(),
    'history.partitions': history?.partitions?.join(', ') ?? 'none',
    'history.csv': history?.csv === undefined ? 'none' : JSON.stringify(history.csv),
    dedupeHorizon: formatDuration(source.dedupeHorizonUs),
    maxAhead: Number.isFinite(source.maxAheadUs) ? formatDuration(source.maxAheadUs) : 'any',
    brokerTime: source.brokerTime,
    finerThanMicros: source.finerThanMicros ?? 'none',
  };
}

function sourceChanges(before: CompiledSource, after: CompiledSource): ChangedPart[] {
  const then = settingsOf(before);
  return Object.entries(settingsOf(after)).flatMap(([name, now]) =>
    then[name] === now ? [] : [{ name, what: [`${then[name]} → ${now}`] }],
  );
}
