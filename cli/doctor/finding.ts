import { asMillraceError } from '../as-millrace-error.ts';

/** `fail`: something does not work · `warn`: it works now, and will not always · `ok` · `none`: not looked at. */
export type Level = 'ok' | 'warn' | 'fail' | 'none';

/** What the doctor saw of one thing. */
export interface Finding {
  readonly area: string;
  readonly level: Level;
  /** What was found, with its figures. */
  readonly found: string;
  /** What to do about it; null where there is nothing to do. */
  readonly remedy: string | null;
}

export function fine(area: string, found: string): Finding {
  return { area, level: 'ok', found, remedy: null };
}

export function warned(area: string, found: string, remedy: string): Finding {
  return { area, level: 'warn', found, remedy };
}

export function failed(area: string, found: string, remedy: string): Finding {
  return { area, level: 'fail', found, remedy };
}

/** What cannot be looked at, since something before it is missing. */
export function skipped(area: string, why: string): Finding {
  return { area, level: 'none', found: why, remedy: null };
}

/** The findings of a check; what it throws is one, too. */
export async function findingsOf(area: string, check: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await check();
  } catch (error) {
    const { code, message, remedy } = asMillraceError(error);
    return [failed(area, `${code}: ${message}`, remedy)];
  }
}
