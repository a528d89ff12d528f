import type { CompiledSource } from '../engine/define/compiled-view.ts';
import { loadDefinitions } from '../engine/define/load-definitions.ts';
import { shownPayload, shownReasons } from '../engine/define/sensitive-view.ts';
import { asMillraceError } from './as-millrace-error.ts';

/** A payload as text, and where text does not hold its very bytes in base64, too. */
export interface Payload {
  readonly payload: string | null;
  readonly payloadBase64?: string;
}

/** How dead letters are shown, by the name of their source. */
export interface ShownLetters {
  reasons(source: string, reasons: readonly string[]): readonly string[];
  payload(source: string, payload: Payload): Payload;
}

/** All as it is. */
export const REVEALED: ShownLetters = { reasons: (_, reasons) => reasons, payload: (_, payload) => payload };

/**
 * By the definitions at hand. Of a source that they do not have nobody knows what is sensitive: all of it counts so.
 *
 * @param features the folder of definitions
 * @param note told where they cannot be read
 */
export async function lettersShownBy(features: string, note: (line: string) => void): Promise<ShownLetters> {
  let sources: ReadonlyMap<string, CompiledSource> = new Map();
  try {
    ({ sources } = await loadDefinitions(features));
  } catch (error) {
    const { code } = asMillraceError(error);
    note(`the definitions in ${features} cannot be read (${code}): all values are hashed; --reveal shows them`);
  }
  return {
    reasons: (source, reasons) => shownReasons(reasons, sources.get(source) ?? null),
    payload: (name, payload) => {
      const source = sources.get(name) ?? null;
      const isShown = source !== null && (source.sensitive ?? []).length === 0;
      if (isShown || payload.payload === null) return payload;
      return { payload: shownPayload(payload.payload, source) };
    },
  };
}
