import type pg from 'pg';
import type { Abouts } from '../engine/define/about.ts';
import type { CompiledLabelSet } from '../engine/define/compiled-label-set.ts';
import type { CompiledSource, CompiledView } from '../engine/define/compiled-view.ts';
import type { ServiceRow } from '../engine/define/list-definitions.ts';
import type { InstallationNames } from '../engine/installation/installation-names.ts';
import type { OnlineStore } from '../engine/online/online-store.ts';
import type { Clock } from '../engine/values/clock.ts';
import type { ConsoleLog } from './read/entity-requests.ts';

/** Who looks, and what of it they may see. */
export interface ConsoleCaller {
  mayReadView(view: string): boolean;
  mayReadService(service: string): boolean;
  /** All views and services: `read:*`, or `admin`. Raw records and lists of join keys are for these alone. */
  readonly readsAll: boolean;
  /** Who did what is for these alone. */
  readonly isAdmin: boolean;
}

/** How people are let in. */
export interface ConsoleAccess {
  /** Whether anybody is asked who they are. */
  readonly asksTokens: boolean;
  /**
   * Who a request is of. Throws MillraceError `unauthorized`, `too-many-requests`.
   *
   * @param session the cookie's value
   */
  enter(session: string | undefined, authorization: string | undefined): Promise<ConsoleCaller>;
  /** A session of whoever has this token, as the cookie carries it; null where the token is none that counts. */
  openSession(token: string): Promise<string | null>;
}

/** The definitions at hand: what is served may be of others, and then the catalog alone tells of it. */
export interface ConsoleDefinitions {
  readonly views: ReadonlyMap<string, CompiledView>;
  readonly sources: ReadonlyMap<string, CompiledSource>;
  readonly labelSets: ReadonlyMap<string, CompiledLabelSet>;
  readonly abouts: Abouts;
}

/** Where people look at workflows. */
export interface WorkflowPages {
  readonly uiUrl: string;
  readonly namespace: string;
}

/** What the console looks at. It changes nothing. */
export interface ConsoleDeps {
  readonly pool: pg.Pool;
  readonly clock: Clock;
  readonly store: OnlineStore;
  readonly installation: InstallationNames;
  readonly definitions: ConsoleDefinitions;
  /** The services as they are served. */
  readonly services: () => Promise<readonly ServiceRow[]>;
  /** Null: no Kafka is known, and nobody tells who read what. */
  readonly log: ConsoleLog | null;
  /** Null: it is not known where; commands are shown alone. */
  readonly workflows: WorkflowPages | null;
}

/** How long a session lasts. */
export const SESSION_S: number = 8 * 3_600;
