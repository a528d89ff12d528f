/** The most bytes that the body of a request may have. */
export const MAX_BODY_BYTES = 1 << 20;

/** What a request's body costs of a budget of bytes, by its header: one without a length may be as long as any. */
export function bodyBytes(contentLength: string | undefined): number {
  return Number(contentLength ?? MAX_BODY_BYTES);
}
