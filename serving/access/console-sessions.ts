import { createHmac, timingSafeEqual } from 'node:crypto';
import { SESSION_S } from '../../console/console-deps.ts';
import type { StoredToken } from '../../engine/postgres/api-tokens.ts';
import type { Clock } from '../../engine/values/clock.ts';
import type { Caller, Verify } from './caller.ts';
import type { TokenBook } from './token-book.ts';
import { callerOfToken } from './verify-token.ts';

/** Of one of our tokens: its id, when the session ends, and what only who knows the token's hash can make of both. Never the token. */
const OF_TOKEN = /^t\.([0-9a-f]{12})\.(\d{1,16})\.([0-9a-f]{64})$/;
const OF_JWT = 'j.';
/** A browser drops a cookie that is larger. */
const MOST_JWT_CHARS = 3_800;

/**
 * Sessions of the console. Nothing is kept of them: any server of the same database takes what another one gave, and a session ends with its token,
 * or after 8 hours. That of a JSON Web Token is the token itself, which ends by its own `exp`.
 */
export class ConsoleSessions {
  readonly #book: TokenBook;
  readonly #jwt: readonly Verify[];
  readonly #clock: Clock;

  constructor(book: TokenBook, jwt: readonly Verify[], clock: Clock) {
    this.#book = book;
    this.#jwt = jwt;
    this.#clock = clock;
  }

  /** The cookie's value for whoever has this token; null where it is none that counts. */
  async open(token: string): Promise<string | null> {
    const stored = await this.#book.find(token);
    if (stored !== null) {
      const untilMs = Math.floor(this.#clock.nowUs() / 1000) + SESSION_S * 1000;
      return `t.${stored.id}.${untilMs}.${macOf(stored, untilMs)}`;
    }
    if (token.length > MOST_JWT_CHARS) return null;
    return (await this.#ofJwt(token)) === null ? null : OF_JWT + token;
  }

  /** Who a cookie is of; null where it is none, has ended, or its token has. */
  async callerOf(session: string): Promise<Caller | null> {
    if (session.startsWith(OF_JWT)) return await this.#ofJwt(session.slice(OF_JWT.length));
    const [, id, until, mac] = OF_TOKEN.exec(session) ?? [];
    if (id === undefined || until === undefined || mac === undefined) return null;
    const untilMs = Number(until);
    if (untilMs <= this.#clock.nowUs() / 1000) return null;
    const token = await this.#book.findById(id);
    if (token === null) return null;
    return timingSafeEqual(Buffer.from(macOf(token, untilMs)), Buffer.from(mac)) ? callerOfToken(token) : null;
  }

  async #ofJwt(token: string): Promise<Caller | null> {
    for (const verify of this.#jwt) {
      const caller = await verify(token);
      if (caller !== null) return caller;
    }
    return null;
  }
}

function macOf({ id, hash }: StoredToken, untilMs: number): string {
  return createHmac('sha256', hash).update(`millrace console ${id} ${untilMs}`).digest('hex');
}
