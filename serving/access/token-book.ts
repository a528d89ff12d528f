import type pg from 'pg';
import type { Clock } from '../../engine/values/clock.ts';
import { noteTokensUsed, type StoredToken, tokens } from '../../engine/postgres/api-tokens.ts';
import { hashOf, isTokenLike } from './token-text.ts';

/** How old the book may be: so long a revoked token still opens. */
const FRESH_MS = 5_000;
/** A token that is not in the book may have been made just now: it is looked for anew this often at most, however many are tried. */
const RETRY_MS = 1_000;
/** With the database away, what was read last holds so long: nothing can be read then anyway, but a scrape is answered. */
const KEPT_MS = 600_000;
/** How often the catalog is told that a token is in use. */
const NOTE_EVERY_US = 60_000_000;

/**
 * The tokens in use, as a process knows them. They are read whole and kept for 5 s, so that no caller, with or without a token, can make the
 * database work by asking.
 */
export class TokenBook {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #byHash = new Map<string, StoredToken>();
  #readMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  readonly #notedUs = new Map<string, number>();
  #noting: Promise<void> = Promise.resolve();

  /** @param onError told where the last use of a token could not be noted */
  constructor(pool: pg.Pool, clock: Clock, onError: (error: unknown) => void) {
    this.#pool = pool;
    this.#clock = clock;
    this.#onError = onError;
  }

  /** The token in use that a text is; null where it is none. Throws what the database throws while nothing was ever read. */
  async find(text: string): Promise<StoredToken | null> {
    if (!isTokenLike(text)) return null;
    const hash = hashOf(text);
    await this.#fresh(FRESH_MS);
    if (!this.#byHash.has(hash)) await this.#fresh(RETRY_MS);
    const token = this.#byHash.get(hash);
    const nowUs = this.#clock.nowUs();
    if (token === undefined || (token.expiresAtUs !== null && token.expiresAtUs <= nowUs)) return null;
    this.#noteUse(token, nowUs);
    return token;
  }

  /** The token in use of that id, for a session that was opened with it; null where there is none. */
  async findById(id: string): Promise<StoredToken | null> {
    await this.#fresh(FRESH_MS);
    const token = [...this.#byHash.values()].find((one) => one.id === id);
    const nowUs = this.#clock.nowUs();
    if (token === undefined || (token.expiresAtUs !== null && token.expiresAtUs <= nowUs)) return null;
    this.#noteUse(token, nowUs);
    return token;
  }

  /** Resolves once what was used has been noted. */
  close(): Promise<void> {
    return this.#noting;
  }

  async #fresh(withinMs: number): Promise<void> {
    if (this.#clock.monotonicMs() - this.#readMs < withinMs) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    try {
      await this.#reading;
    } catch (error) {
      if (this.#clock.monotonicMs() - this.#readMs > KEPT_MS) throw error;
    }
  }

  async #read(): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const found = await tokens(this.#pool, this.#clock.nowUs());
    this.#byHash = new Map(found.map((token) => [token.hash.toString('hex'), token]));
    this.#readMs = startMs;
  }

  #noteUse({ id, lastUsedAtUs }: StoredToken, nowUs: number): void {
    if (nowUs - Math.max(lastUsedAtUs ?? 0, this.#notedUs.get(id) ?? 0) < NOTE_EVERY_US) return;
    this.#notedUs.set(id, nowUs);
    this.#noting = this.#noting.then(() => noteTokensUsed(this.#pool, [id], nowUs)).catch(this.#onError);
  }
}
