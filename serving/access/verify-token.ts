import type { StoredToken } from '../../engine/postgres/api-tokens.ts';
import type { Caller, Verify } from './caller.ts';
import { readScope } from './scope.ts';
import type { TokenBook } from './token-book.ts';

/** A verifier of our own tokens. */
export function tokenVerifier(book: TokenBook): Verify {
  return async (credential): Promise<Caller | null> => {
    const token = await book.find(credential);
    return token === null ? null : callerOfToken(token);
  };
}

/** Who asks by a token. */
export function callerOfToken({ id, scopes, entitiesPerS, bytesPerS }: StoredToken): Caller {
  return { id, scopes: scopes.map(readScope), limits: { entitiesPerS, bytesPerS } };
}
