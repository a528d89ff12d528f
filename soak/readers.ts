import { setTimeout as delay } from 'node:timers/promises';
import { receivedCode } from '../engine/errors/error-codes.ts';
import { internalBug, isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import type { FeatureClient } from '../engine/online/client.ts';
import type { FeatureService } from '../engine/define/feature-service.ts';
import type { FeaturesResponse } from '../serving/api-schemas.ts';
import { customerModel, shopModel } from './features/shops.ts';
import { anyCustomer, anyShop } from './payment-entities.ts';
import type { Random } from './random.ts';
import type { ReadShape } from './read-shapes.ts';

const READERS = 3;
const AHEAD_MS = 20;
const AFTER_REFUSAL_MS = 200;
const MINUTE_MS = 60_000;
const MOST_ENTITIES = 60;

export interface ReadersOptions {
  /** Logs every read. */
  readonly client: FeatureClient;
  /** So does the API. */
  readonly apiUrl: string;
  readonly shapes: readonly ReadShape[];
  readonly random: Random;
  /** Cells to read in all, and how long that should take. */
  readonly cells: number;
  readonly liveSeconds: number;
  readonly signal: AbortSignal;
}

/** By view or role, and of what the service derives. */
type ServiceAnswer = Readonly<Record<string, { readonly errors: Readonly<Record<string, string>> | null }>>;

/** A way to ask: the cells it gave, or throws. */
type Ask = (random: Random) => Promise<{ reads: number; cells: number }>;

/** Several readers at once, at a steady pace, through the typed client and over HTTP. What a service that is away refuses is counted. */
export class Readers {
  readonly #options: ReadersOptions;
  readonly #done = new AbortController();
  readonly #refused = new Map<string, number>();
  readonly #startedMs = performance.now();
  readonly #loops: Promise<void>[];
  /** Rejects with what a reader fails with; never resolves. */
  readonly failure: Promise<never>;
  #reads = 0;
  #cells = 0;

  constructor(options: ReadersOptions) {
    this.#options = options;
    this.#loops = Array.from({ length: READERS }, (_, n) => this.#loop(options.random.fork(`reader ${n}`)));
    this.failure = new Promise((_, reject) => {
      for (const loop of this.#loops) loop.catch(reject);
    });
    // Heard by whoever races it, and in finish(): it must not end the process in between.
    this.failure.catch(() => undefined);
  }

  get reads(): number {
    return this.#reads;
  }

  get cells(): number {
    return this.#cells;
  }

  /** Requests refused, by the code of the error. */
  get refused(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refused);
  }

  /** Goes on until the cells asked for are read, then stops. Throws what a reader failed with. */
  async finish(): Promise<void> {
    this.#done.abort();
    await Promise.all(this.#loops);
  }

  async #loop(random: Random): Promise<void> {
    const { cells, liveSeconds, signal } = this.#options;
    const asks = this.#asks();
    for (;;) {
      signal.throwIfAborted();
      const share = Math.min(1, (performance.now() - this.#startedMs) / 1000 / liveSeconds);
      const isEnough = this.#cells >= cells;
      if (isEnough && this.#done.signal.aborted) return;
      if (this.#cells >= cells * share) {
        await delay(AHEAD_MS);
        continue;
      }
      try {
        const given = await random.pick(asks)(random);
        this.#reads += given.reads;
        this.#cells += given.cells;
      } catch (error) {
        if (!isMillraceError(error) || !error.retryable) throw error;
        this.#refused.set(error.code, (this.#refused.get(error.code) ?? 0) + 1);
        await delay(AFTER_REFUSAL_MS);
      }
    }
  }

  #asks(): readonly Ask[] {
    const { shapes } = this.#options;
    const one: Ask = (random) => this.#byClient(random.pick(shapes), random);
    const http: Ask = (random) => this.#byHttp(random.pick(shapes), random);
    return [one, one, one, http, http, (random) => this.#byService(random)];
  }

  async #byClient(shape: ReadShape, random: Random): Promise<{ reads: number; cells: number }> {
    const keys = entities(shape, random);
    const atMs = requestTime(random);
    const reads = await this.#options.client.getMany(
      shape.view,
      keys,
      atMs === undefined ? {} : { at: new Date(atMs) },
    );
    for (const { errors } of reads) refuseErrors(shape.view.name, errors);
    return { reads: reads.length, cells: reads.length * shape.cells };
  }

  async #byHttp(shape: ReadShape, random: Random): Promise<{ reads: number; cells: number }> {
    const keys = entities(shape, random);
    const atMs = requestTime(random);
    await this.#post({
      features: [shape.view.name],
      entities: keys,
      ...(atMs === undefined ? {} : { at: new Date(atMs).toISOString() }),
    });
    return { reads: keys.length, cells: keys.length * shape.cells };
  }

  async #byService(random: Random): Promise<{ reads: number; cells: number }> {
    const { client, shapes } = this.#options;
    const ofShops = { shop: anyShop(random), rival: anyShop(random) };
    const ofCustomers = { customer: anyCustomer(random), giver: anyCustomer(random), taker: anyCustomer(random) };
    const request = { items: random.int(1, 9) };
    const [service, entity, byClient]: readonly [FeatureService, object, () => Promise<ServiceAnswer>] = random.chance(
      0.5,
    )
      ? [shopModel, ofShops, () => client.getService(shopModel, ofShops)]
      : [
          customerModel,
          { keys: ofCustomers, request },
          () => client.getService(customerModel, ofCustomers, { request }),
        ];
    if (random.chance(0.5)) {
      for (const [block, { errors }] of Object.entries(await byClient())) refuseErrors(block, errors);
    } else await this.#post({ service: service.name, entities: [entity] });
    const names = service.views.map((member) => (member.kind === 'view-role' ? member.view : member).name);
    const cells = names.reduce((sum, name) => sum + shapes.find(({ view }) => view.name === name)!.cells, 0);
    return { reads: names.length, cells };
  }

  async #post(body: object): Promise<void> {
    const response = await fetch(`${this.#options.apiUrl}/v1/features`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json()) as Partial<FeaturesResponse> & { code?: string; message?: string };
    if (response.ok) {
      for (const { views, derived } of answer.results ?? []) {
        for (const [view, { errors }] of Object.entries(views)) refuseErrors(view, errors);
        if (derived !== undefined) refuseErrors('what a service derives', derived.errors);
      }
      return;
    }
    throw new MillraceError(
      receivedCode(answer.code ?? 'unexpected-error'),
      `HTTP ${response.status}: ${answer.message ?? ''}`,
      {
        remedy: 'See the message.',
        retryable: response.status === 503,
        httpStatus: response.status,
      },
    );
  }
}

/** Nothing that is made here is too large for its type, and while readers read no state is damaged. */
function refuseErrors(view: string, errors: Readonly<Record<string, string>> | null): void {
  if (errors !== null) throw internalBug(`a read of ${view} has errors: ${JSON.stringify(errors)}`);
}

function entities(shape: ReadShape, random: Random): ReturnType<ReadShape['key']>[] {
  const nowMs = Date.now();
  return Array.from({ length: random.int(1, MOST_ENTITIES) }, () => shape.key(random, nowMs));
}

/** Mostly now; sometimes a while ago, or in a moment: both are legal, and logged as what they are. */
function requestTime(random: Random): number | undefined {
  const dice = random.real();
  if (dice < 0.06) return Date.now() - random.int(0, 180 * MINUTE_MS);
  if (dice < 0.1) return Date.now() + random.int(0, 30 * MINUTE_MS);
  return undefined;
}
