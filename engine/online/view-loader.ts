import type pg from 'pg';
import { ALL_CORRUPT, splitCells } from '../values/feature-errors.ts';
import type { ScalarValue } from '../values/field-type.ts';
import type { DerivedFailure, DerivedPlan } from '../derived/derive-step.ts';
import { jsonEntity } from '../values/json-values.ts';
import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import type { Clock } from '../values/clock.ts';
import { namePostgresError, sqlState } from '../postgres/postgres-error.ts';
import { poolAddress } from '../postgres/pool.ts';
import { isDerived } from '../define/view-layout.ts';
import { liveVersion, newestStatus } from '../postgres/live-version.ts';
import { hasCommitIds } from '../postgres/state-table.ts';
import type { ViewVersion } from '../postgres/view-versions.ts';
import { CorruptState, openStored } from '../state/stored-state.ts';
import { type Fetched, type FetchedState, LiveReader } from './live-reader.ts';
import type { CorruptRead, DerivedCodeOf, DerivedFailed, ReadOptions, ViewRead } from './view-read.ts';

/** Statements under way per view: one to be read while the next is executed, one more for a slow one. */
const MAX_IN_FLIGHT = 3;
/** Entities per statement. */
const MAX_BATCH_KEYS = 1_000;
/** A read meets a flip at most once in practice; more means that something flips without end. */
const MAX_ATTEMPTS = 5;

const UNDEFINED_TABLE = '42P01';

/** Join key values in layout order. */
type EntityKey = readonly ScalarValue[];

interface Request {
  readonly keys: readonly EntityKey[];
  readonly options: ReadOptions;
  readonly resolve: (reads: ViewRead[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Who is told of what went wrong in reads, and where the code of derived features comes from. */
export interface ViewReading {
  readonly onCorrupt?: ((found: CorruptRead) => void) | undefined;
  readonly onDerivedFailed?: ((failed: DerivedFailed) => void) | undefined;
  readonly derivedOf?: DerivedCodeOf | undefined;
}

/** Reads of one view: those asked for at the same time go out as one statement. */
export class ViewLoader {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #view: string;
  readonly #reading: ViewReading;
  #reader: LiveReader | null = null;
  #lookingUp: Promise<LiveReader> | null = null;
  #queue: Request[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(pool: pg.Pool, clock: Clock, view: string, reading: ViewReading) {
    this.#pool = pool;
    this.#clock = clock;
    this.#view = view;
    this.#reading = reading;
  }

  get(keys: readonly EntityKey[], options: ReadOptions): Promise<ViewRead[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ keys, options, resolve, reject });
      if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT) return;
      this.#scheduled = true;
      // Everything that is asked for before control returns to the event loop joins in.
      queueMicrotask(() => {
        this.#scheduled = false;
        this.#flush();
      });
    });
  }

  /** The reader of the version live now. Throws MillraceError `unknown-view`, `view-not-published`. */
  async live(): Promise<LiveReader> {
    if (this.#reader !== null) return this.#reader;
    // All who ask meanwhile share one look-up.
    this.#lookingUp ??= this.#lookUp().finally(() => {
      this.#lookingUp = null;
    });
    return this.#lookingUp;
  }

  /** The reader of the version live now, looked up anew. */
  refreshed(): Promise<LiveReader> {
    this.#reader = null;
    return this.#lookUp();
  }

  async #lookUp(): Promise<LiveReader> {
    const version = await liveVersion(this.#pool, this.#view);
    if (version === null) throw await this.#notServed();
    // Before the database is migrated there are none.
    const hasIds = version.commitId !== null && (await hasCommitIds(this.#pool, version.stateTable));
    // Another batch may have been quicker; what it found is as good.
    const derived = await this.#derivedOf(version);
    this.#reader ??= new LiveReader(version, hasIds, derived);
    return this.#reader;
  }

  /** The code of a version's derived features, or why it is not to be had: its stored features are read all the same. */
  async #derivedOf(version: ViewVersion): Promise<readonly DerivedPlan[] | MillraceError | undefined> {
    const { derivedOf } = this.#reading;
    if (derivedOf === undefined || !version.layout.features.some(isDerived)) return undefined;
    try {
      return await derivedOf(version);
    } catch (error) {
      // What may be another time is asked for another time.
      if (isMillraceError(error) && !error.retryable) return error;
      throw error;
    }
  }

  async #notServed(): Promise<MillraceError> {
    const status = await newestStatus(this.#pool, this.#view);
    if (status === null) {
      return new MillraceError('unknown-view', `no view "${this.#view}" is known here`, {
        remedy: 'Correct the name, or start the view; GET /v1/views and "millrace status" list what is served.',
        details: { view: this.#view },
      });
    }
    return new MillraceError('view-not-published', `view "${this.#view}" is ${status}, not published`, {
      remedy: 'Wait for its lifecycle to publish it, or start it again.',
      retryable: status === 'building' || status === 'built',
      httpStatus: 409,
      details: { view: this.#view, status },
    });
  }

  #flush(): void {
    while (this.#queue.length > 0 && this.#inFlight < MAX_IN_FLIGHT) {
      let keys = 0;
      let taken = 0;
      while (taken < this.#queue.length && (taken === 0 || keys + this.#queue[taken]!.keys.length <= MAX_BATCH_KEYS)) {
        keys += this.#queue[taken++]!.keys.length;
      }
      const batch = taken === this.#queue.length ? this.#queue : this.#queue.slice(0, taken);
      this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
      this.#inFlight++;
      void this.#answer(batch);
    }
  }

  async #answer(batch: readonly Request[]): Promise<void> {
    try {
      await this.#tryAnswer(batch);
    } catch (error) {
      for (const request of batch) request.reject(error);
    } finally {
      this.#inFlight--;
      this.#flush();
    }
  }

  async #tryAnswer(batch: readonly Request[]): Promise<void> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const { reader, requests, keys, refused } = await this.#check(batch).catch((error: unknown) => {
        throw namePostgresError(error, poolAddress(this.#pool));
      });
      for (const { request, error } of refused) request.reject(error);
      if (requests.length === 0) return;
      const fetched = await this.#fetch(reader, keys);
      if (fetched?.isLive === true) {
        this.#settle(reader, requests, fetched);
        return;
      }
      // The view was flipped or retired: nothing of that answer is used.
      if (this.#reader === reader) this.#reader = null;
    }
    throw new MillraceError(
      'view-changing',
      `view "${this.#view}" changed its version ${MAX_ATTEMPTS} times during one read`,
      {
        remedy: 'Try again.',
        retryable: true,
        httpStatus: 503,
      },
    );
  }

  /** What is asked of the version that is live: what is refused of it may be right for one that went live since. */
  async #check(batch: readonly Request[]): Promise<CheckedBatch & { readonly reader: LiveReader }> {
    const reader = await this.live();
    const checked = checkRequests(reader, batch);
    if (checked.refused.length === 0) return { reader, ...checked };
    const present = await this.refreshed();
    if (present.version.version !== reader.version.version || present.version.commitId !== reader.version.commitId)
      return { reader: present, ...checkRequests(present, batch) };
    this.#reader = reader;
    return { reader, ...checked };
  }

  /** Null where the version's table is gone. */
  async #fetch(reader: LiveReader, keys: readonly EntityKey[]): Promise<Fetched | null> {
    try {
      return await reader.fetch(this.#pool, keys);
    } catch (error) {
      if (sqlState(error) === UNDEFINED_TABLE) return null;
      throw namePostgresError(error, poolAddress(this.#pool));
    }
  }

  #settle(reader: LiveReader, requests: readonly CheckedRequest[], fetched: Fetched): void {
    let from = 0;
    for (const { request, keys } of requests) {
      const states = fetched.states.slice(from, from + keys.length);
      from += keys.length;
      try {
        request.resolve(this.#read(reader, request.options, keys, states, fetched.watermarkUs));
      } catch (error) {
        request.reject(error);
      }
    }
  }

  #read(
    reader: LiveReader,
    options: ReadOptions,
    keys: readonly EntityKey[],
    states: readonly FetchedState[],
    watermarkUs: number | null,
  ): ViewRead[] {
    const { version } = reader;
    const subset = reader.subset(options.features, options.derived);
    const { features, reader: some } = subset;
    const nowUs = this.#clock.nowUs();
    const asOfUs = options.atUs ?? nowUs;
    return states.map(({ state: bytes, seq, commitId, crc }, index): ViewRead => {
      const state = bytes === null ? some.empty() : openStored(reader.all, bytes, crc);
      const isCorrupt = state instanceof CorruptState;
      if (isCorrupt) this.#tellCorrupt(version, keys[index]!, seq, state.reason);
      const { values, errors } = isCorrupt
        ? { values: features.map(() => null), errors: ALL_CORRUPT }
        : splitCells(features, some.read(state, asOfUs, this.#failedOf(version, keys[index]!)));
      const found = isCorrupt || some.finds(state, asOfUs);
      return {
        view: version.view,
        fingerprint: version.fingerprint,
        version: version.version,
        layoutTag: version.layoutTag,
        keys: version.layout.keys,
        features,
        expireUs: version.layout.expireUs,
        tags: version.tags?.features ?? null,
        values,
        errors,
        found,
        asOfUs,
        ahead: !isCorrupt && asOfUs <= state.newestEventTimeUs,
        // What has expired is answered as what was never there: whether its row is there still is not to be seen.
        seq: found ? seq : null,
        commitId: found ? commitId : version.commitId,
        freshnessUs: watermarkUs === null ? null : Math.max(0, nowUs - watermarkUs),
      };
    });
  }

  /** Who is told of failures of derived features; undefined where nobody is. */
  #failedOf({ view, version, layout }: ViewVersion, key: EntityKey): ((failure: DerivedFailure) => void) | undefined {
    const { onDerivedFailed } = this.#reading;
    if (onDerivedFailed === undefined) return undefined;
    return (failure) => onDerivedFailed({ view, version, entity: jsonEntity(layout.keys, key), ...failure });
  }

  #tellCorrupt({ view, version, layout }: ViewVersion, key: EntityKey, seq: number | null, reason: string): void {
    this.#reading.onCorrupt?.({ view, version, entity: jsonEntity(layout.keys, key), seq, reason });
  }
}

interface CheckedRequest {
  readonly request: Request;
  readonly keys: readonly EntityKey[];
}

interface CheckedBatch {
  readonly requests: readonly CheckedRequest[];
  /** Of all of them, one after the other. */
  readonly keys: readonly EntityKey[];
  /** Whose keys or features the version does not have. */
  readonly refused: readonly { readonly request: Request; readonly error: unknown }[];
}

function checkRequests(reader: LiveReader, batch: readonly Request[]): CheckedBatch {
  const requests: CheckedRequest[] = [];
  const refused: { readonly request: Request; readonly error: unknown }[] = [];
  const keys: EntityKey[] = [];
  for (const request of batch) {
    try {
      reader.subset(request.options.features, request.options.derived);
      const checked = request.keys.map((key) => reader.keys.check(key));
      for (const key of checked) keys.push(key);
      requests.push({ request, keys: checked });
    } catch (error) {
      refused.push({ request, error });
    }
  }
  return { requests, keys, refused };
}
