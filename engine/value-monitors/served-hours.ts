import type { CompiledService, CompiledView } from '../define/compiled-view.ts';
import { sensitiveParts, shownIf } from '../define/sensitive-view.ts';
import { isMillraceError, type MillraceError } from '../errors/millrace-error.ts';
import { lengthMs } from '../monitors/bucket-time.ts';
import type { MonitorBucket } from '../monitors/monitor-bucket.ts';
import type { MonitoredField } from '../monitors/monitored-field.ts';
import { monitoredResult } from '../monitors/monitored-result.ts';
import { segmentValue } from '../monitors/segment-value.ts';
import { hashOf } from '../parity/served-sample.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { mismatch, type ServedRead, ServedReadDecoder } from '../served/served-read.ts';
import { ServiceReadDecoder } from '../served/service-read.ts';
import { ownToLog } from '../served/service-to-log.ts';
import type { Cell } from '../values/cell.ts';
import { EntityTally, REPEATED_READ, UNREADABLE } from './entity-tally.ts';

/** Entities of one hour of one service that are held: those of the least hashes. */
const MOST_ENTITIES = 20_000;

/** What reads are told by: definitions at hand, and the versions that served. */
export interface ServedDefinitions {
  readonly services: ReadonlyMap<string, CompiledService>;
  readonly views: ReadonlyMap<string, CompiledView>;
  readonly versions: readonly ViewVersion[];
}

/** A read in terms of its service's fields. */
interface OpenedRead {
  readonly segments: readonly (string | null)[];
  readonly cells: readonly (Cell | undefined)[];
}

/** How the reads of one service, or of one view by itself, are opened. */
interface Opener {
  readonly fields: readonly MonitoredField[];
  readonly segments: readonly string[];
  open(read: ServedRead): OpenedRead;
}

/**
 * The reads of some hours: of each entity that a service's view or role was read for, the last read of an hour counts, the others are counted beside it.
 * So it does not matter how often one is asked for, and what comes out is a function of the set of reads.
 */
export class ServedHours {
  readonly #definitions: ServedDefinitions;
  readonly #openers = new Map<string, Opener>();
  /** Object, then begin of the hour, then block and entity. */
  readonly #hours = new Map<string, Map<number, HourReads>>();

  constructor(definitions: ServedDefinitions) {
    this.#definitions = definitions;
  }

  add(read: ServedRead): void {
    const object = read.service ?? read.view;
    const beginMs = Math.floor(read.servedAtUs / 1000 / lengthMs('hour')) * lengthMs('hour');
    const hours = this.#hours.get(object) ?? new Map<number, HourReads>();
    this.#hours.set(object, hours);
    const hour = hours.get(beginMs) ?? new HourReads();
    hours.set(beginMs, hour);
    hour.add(read);
  }

  /** What all hours tell, of all services. */
  buckets(): MonitorBucket[] {
    return [...this.#hours].flatMap(([object, hours]) =>
      [...hours].flatMap(([beginMs, hour]) => {
        const opener = this.#openerOf(object);
        const tally = new EntityTally(opener.fields, opener.segments);
        for (const { read, reads } of hour.entities()) addRead(tally, opener, read, reads);
        return tally.rows('served', object, { grain: 'hour', beginMs });
      }),
    );
  }

  #openerOf(object: string): Opener {
    const known = this.#openers.get(object);
    if (known !== undefined) return known;
    const service = this.#definitions.services.get(object);
    const view = this.#definitions.views.get(object);
    const made =
      service !== undefined
        ? serviceOpener(service, this.#definitions)
        : openerOf(
            view === undefined ? [] : [{ name: null, view, columns: null }],
            view?.segments ?? [],
            this.#definitions,
          );
    this.#openers.set(object, made);
    return made;
  }
}

function addRead(tally: EntityTally, opener: Opener, read: ServedRead, reads: number): void {
  try {
    const { segments, cells } = opener.open(read);
    tally.add(segments, read.found ? cells : null);
    if (reads > 1) tally.note(segments, REPEATED_READ, reads - 1);
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'served-read-mismatch') throw error;
    tally.add([], []);
    tally.note([], UNREADABLE, 1);
    if (reads > 1) tally.note([], REPEATED_READ, reads - 1);
  }
}

interface HeldRead {
  read: ServedRead;
  reads: number;
  readonly hash: number;
  readonly key: string;
}

/** The reads of one hour of one service: those of the entities with the least hashes, each with all of its reads. */
class HourReads {
  readonly #held = new Map<string, HeldRead>();
  /** Of the last entity that has its place for sure; null: all have. */
  #last: HeldRead | null = null;

  add(read: ServedRead): void {
    const key = `${read.requestJson === null ? (read.role ?? read.view) : ''}\0${read.entityJson}`;
    const held = this.#held.get(key);
    if (held !== undefined) {
      held.reads++;
      if (isLater(read, held.read)) held.read = read;
      return;
    }
    const fresh = { read, reads: 1, hash: hashOf(key), key };
    if (this.#last !== null && byHash(fresh, this.#last) > 0) return;
    this.#held.set(key, fresh);
    // Now and then, so that the sorting costs little for each.
    if (this.#held.size > MOST_ENTITIES * 1.25) this.#cut();
  }

  entities(): Iterable<HeldRead> {
    this.#cut();
    return this.#held.values();
  }

  #cut(): void {
    const gone = [...this.#held.values()].sort(byHash).slice(MOST_ENTITIES);
    if (gone.length === 0) return;
    for (const { key } of gone) this.#held.delete(key);
    // What comes after the first that has no place has none, either.
    this.#last = gone[0]!;
  }
}

function byHash(a: HeldRead, b: HeldRead): number {
  return a.hash - b.hash || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function isLater(a: ServedRead, b: ServedRead): boolean {
  return a.servedAtUs > b.servedAtUs || (a.servedAtUs === b.servedAtUs && a.readId > b.readId);
}

interface OpenedBlock {
  /** Null: the reads of a view by itself, whose fields have their own names. */
  readonly name: string | null;
  readonly view: CompiledView;
  /** Null: join keys go by their own names. */
  readonly columns: readonly string[] | null;
}

function openerOf(
  blocks: readonly OpenedBlock[],
  segments: readonly string[],
  { versions }: ServedDefinitions,
): Opener {
  const fields: MonitoredField[] = [];
  const starts = new Map<string, number>();
  for (const { name, view } of blocks) {
    const sensitive = sensitiveParts(view);
    starts.set(name ?? view.name, fields.length);
    for (const feature of view.layout.features) {
      const field = name === null ? feature.name : `${name}.${feature.name}`;
      fields.push(monitoredResult(field, feature.result, sensitive.feature(feature.name)));
    }
  }
  const decoders = new Map<string, ServedReadDecoder>();
  const byFingerprint = new Map(versions.map((version) => [`${version.view} ${version.fingerprint}`, version]));
  return {
    fields,
    segments,
    open: (read) => {
      const block = blocks.find(({ name, view }) => (name ?? view.name) === (read.role ?? read.view));
      const version = byFingerprint.get(`${read.view} ${read.fingerprint}`);
      if (block === undefined || version === undefined) throw unknownVersion(read);
      const decoder = decoders.get(read.fingerprint) ?? new ServedReadDecoder(version.layout);
      decoders.set(read.fingerprint, decoder);
      const key = decoder.entity(read);
      const sensitive = sensitiveParts(block.view);
      const values = segments.map((segment) => {
        const at = (block.columns ?? version.layout.keys.map(({ name }) => name)).indexOf(segment);
        const name = version.layout.keys[at]?.name;
        return name === undefined ? null : segmentValue(shownIf(sensitive.key(name), key[at] ?? null));
      });
      const cells: (Cell | undefined)[] = [];
      const names = block.view.layout.features.map(({ name }) => name);
      const start = starts.get(block.name ?? block.view.name)!;
      for (const { index, value } of decoder.values(read)) {
        const { name, result } = version.layout.features[index]!;
        const at = names.indexOf(name);
        // A feature of another type then is another one.
        const isSame = at >= 0 && JSON.stringify(block.view.layout.features[at]!.result) === JSON.stringify(result);
        if (isSame) cells[start + at] = value;
      }
      return { segments: values, cells };
    },
  };
}

function unknownVersion(read: ServedRead): MillraceError {
  return mismatch(read, 'neither definitions nor versions at hand know it');
}

/** Its views and roles, and what it derives and is asked with. */
function serviceOpener(service: CompiledService, definitions: ServedDefinitions): Opener {
  const segments = service.segments ?? [];
  const ofViews = openerOf(
    service.blocks.map(({ name, view, columns }) => ({ name, view, columns })),
    segments,
    definitions,
  );
  const own = ownToLog(service);
  if (own === null) return ofViews;
  const isHidden = service.blocks.some(({ view }) => sensitiveParts(view).any);
  const derived = own.features.map(({ name, result }) => monitoredResult(`${service.name}.${name}`, result, isHidden));
  const request = own.request.map(({ name, type }) => monitoredResult(`request.${name}`, type, isHidden));
  const decoder = new ServiceReadDecoder(own);
  return {
    fields: [...ofViews.fields, ...derived, ...request],
    segments,
    open: (read) => {
      if (read.requestJson === null) return ofViews.open(read);
      const values = decoder.read(read);
      const columns = own.keys.map(({ name }) => name);
      const cells: (Cell | undefined)[] = [];
      cells.length = ofViews.fields.length;
      const keys = segments.map((segment) =>
        segmentValue(shownIf(isHidden, values.key[columns.indexOf(segment)] ?? null)),
      );
      return { segments: keys, cells: [...cells, ...values.derived, ...values.request] };
    },
  };
}
