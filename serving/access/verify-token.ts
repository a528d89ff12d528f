import type { Caller, Verify } from './caller.ts';
import { readScope } from './scope.ts';
import type { TokenBook } from './token-book.ts';

/** A verifier of our own tokens. */
export function tokenVerifier(book: TokenBook): Verify {
  return async (credential): Promise<Caller | null> => {
    const token = await book.find(credential);
    if (token === null) return null;
    const { id, scopes, entitiesPerS, bytesPerS } = token;
    return { id, scopes: scopes.map(readScope), limits: { entitiesPerS, bytesPerS } };
  };
}
