/** A release, with the newest migration it knows. */
export interface Release {
  readonly release: string;
  readonly newest: string;
}

/** The releases that were made, in order. A migration belongs to the first that knows it, or to the one that is being made. */
export const RELEASED: readonly Release[] = [{ release: '0.1.0', newest: '0004-archive-and-parity' }];

/** The release that these sources are, or will be. */
export const THIS_RELEASE = '0.2.0';

/** Migrations that programs which lack them cannot run beside. All others only add: the release before runs on, or is started again. */
const BREAKING: ReadonlySet<string> = new Set<string>();

/** What the database says of a migration to programs that do not know it. */
export interface MigrationNote {
  readonly name: string;
  /** The release that brought it. */
  readonly release: string;
  /** The newest migration that a program must know at least to run where this one has run; null: any program may. */
  readonly needs: string | null;
}

/**
 * What is noted of a migration. One that only adds asks for the release before its own: programs two releases apart are not tried together.
 *
 * @example
 * noteOf('0005-semantics'); // { name: '0005-semantics', release: '0.2.0', needs: '0004-archive-and-parity' }
 */
export function noteOf(name: string, breaking: ReadonlySet<string> = BREAKING): MigrationNote {
  const index = RELEASED.findIndex(({ newest }) => name <= newest);
  const before = index === -1 ? RELEASED.at(-1) : RELEASED[index - 1];
  return {
    name,
    release: RELEASED[index]?.release ?? THIS_RELEASE,
    needs: breaking.has(name) ? name : (before?.newest ?? null),
  };
}
