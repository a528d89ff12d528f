import type pg from 'pg';
import type { Cell } from '../values/cell.ts';
import type { ResultType } from '../values/result-type.ts';
import type { CompiledView } from '../define/compiled-view.ts';
import type { FeatureLayout, ViewLayout } from '../define/view-layout.ts';
import { versions } from '../postgres/view-versions.ts';
import { type ServedRead, ServedReadDecoder } from '../served/served-read.ts';
import { requestKeyText } from './request-labels.ts';

/** Why a read has no value for a feature of the present definition. */
export type NotServed = 'other-definition' | 'not-asked';

/** Reads of one version that were asked for the same features: what they say of each present feature. */
export interface ReadShape {
  readonly number: number;
  readonly version: number;
  readonly fingerprint: string;
  /** Per feature of the present layout; null: it was served. */
  readonly notServed: readonly (NotServed | null)[];
}

interface Definition {
  readonly decoder: ServedReadDecoder;
  readonly layout: ViewLayout;
  /** Index in its own layout → index in the present one; undefined where the present one has no such feature of that type. */
  readonly present: readonly (number | undefined)[];
}

/** A read in the terms of the present definition. */
export interface ReadValues {
  readonly entityText: string;
  /** Of the present features, in layout order: the value or the error that was served; null where `shape` says there was neither. */
  readonly cells: readonly Cell[];
  readonly shape: ReadShape;
}

/** Turns logged reads of any definition of a view into values of the present one's features: those of the same name and type, as they were served. */
export class ServedDefinitions {
  readonly #view: CompiledView;
  readonly #layouts: ReadonlyMap<string, ViewLayout>;
  readonly #definitions = new Map<string, Definition | null>();
  readonly #shapes = new Map<string, ReadShape>();

  private constructor(view: CompiledView, layouts: ReadonlyMap<string, ViewLayout>) {
    this.#view = view;
    this.#layouts = layouts;
  }

  /** With every definition the catalog has of the view. */
  static async load(pool: pg.Pool, view: CompiledView): Promise<ServedDefinitions> {
    const layouts = new Map((await versions(pool, view.name)).map(({ fingerprint, layout }) => [fingerprint, layout]));
    layouts.set(view.fingerprint, view.layout);
    return new ServedDefinitions(view, layouts);
  }

  get shapes(): readonly ReadShape[] {
    return [...this.#shapes.values()];
  }

  /** Throws MillraceError `served-read-mismatch` where a read is not what its own definition says. */
  read(read: ServedRead): ReadValues {
    const definition = this.#definitionOf(read.fingerprint);
    const cells: Cell[] = this.#view.layout.features.map(() => null);
    if (definition === null) {
      // Nothing is known of the definition it names, not even the types of its keys.
      const shape = this.#shape(read, '?', () => 'other-definition');
      return { entityText: read.entityJson, cells, shape };
    }
    const { decoder, layout, present } = definition;
    let asked = '';
    const served = new Set<number>();
    const other = new Set<number>();
    const { otherFeatures } = read;
    for (const { index, value } of decoder.values(read)) {
      const at = present[index];
      const isOther = otherFeatures?.has(layout.features[index]!.name) === true;
      asked += `,${index}${isOther ? '!' : ''}`;
      if (at === undefined || isOther) {
        if (at !== undefined) other.add(at);
        continue;
      }
      served.add(at);
      cells[at] = value;
    }
    const shape = this.#shape(read, asked, (index) => {
      if (served.has(index)) return null;
      return present.includes(index) && !other.has(index) ? 'not-asked' : 'other-definition';
    });
    return { entityText: entityText(layout, decoder, read), cells, shape };
  }

  #definitionOf(fingerprint: string): Definition | null {
    const known = this.#definitions.get(fingerprint);
    if (known !== undefined) return known;
    const layout = this.#layouts.get(fingerprint);
    const definition =
      layout === undefined
        ? null
        : { layout, decoder: new ServedReadDecoder(layout), present: presentFeatures(layout, this.#view.layout) };
    this.#definitions.set(fingerprint, definition);
    return definition;
  }

  #shape(
    { version, fingerprint }: ServedRead,
    asked: string,
    notServed: (index: number) => NotServed | null,
  ): ReadShape {
    const id = `${version} ${fingerprint} ${asked}`;
    const known = this.#shapes.get(id);
    if (known !== undefined) return known;
    const features = this.#view.layout.features.map((_, index) => notServed(index));
    const shape = { number: this.#shapes.size, version, fingerprint, notServed: features };
    this.#shapes.set(id, shape);
    return shape;
  }
}

function entityText(layout: ViewLayout, decoder: ServedReadDecoder, read: ServedRead): string {
  return layout.keys.length === 0 ? '' : requestKeyText(decoder.entity(read));
}

/** Features as they are told apart between definitions. */
export interface NamedFeatures {
  readonly features: readonly Pick<FeatureLayout, 'name' | 'result'>[];
}

/** Names of the present features that a definition did not have, by name and type. */
export function lackingFeatures(then: NamedFeatures, now: NamedFeatures): string[] {
  const present = new Set(presentFeatures(then, now));
  return now.features.flatMap(({ name }, index) => (present.has(index) ? [] : [name]));
}

/** Per feature of a definition, which of the present one's it is, by name and type; undefined where the present one has no such. */
export function presentFeatures(then: NamedFeatures, now: NamedFeatures): (number | undefined)[] {
  return then.features.map(({ name, result }) => {
    const index = now.features.findIndex((feature) => feature.name === name && sameType(feature.result, result));
    return index < 0 ? undefined : index;
  });
}

function sameType(a: ResultType, b: ResultType): boolean {
  if (a.kind === 'list' && b.kind === 'list') return sameType(a.item, b.item);
  if (a.kind === 'map' && b.kind === 'map') return sameType(a.key, b.key) && sameType(a.value, b.value);
  if (a.kind === 'decimal' && b.kind === 'decimal') return a.precision === b.precision && a.scale === b.scale;
  if (a.kind === 'enum' && b.kind === 'enum') return a.values.join('\0') === b.values.join('\0');
  return a.kind === b.kind;
}
