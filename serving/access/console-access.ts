import type { ConsoleAccess, ConsoleCaller } from '../../console/console-deps.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { ANYONE, type Caller } from './caller.ts';
import type { ConsoleSessions } from './console-sessions.ts';
import type { Gate } from './gate.ts';
import { mayReadService, mayReadView, type ServiceNames } from './scope.ts';

/** Lets people in by the tokens of the API: with the header, or with a session. A page costs what a look-up costs. */
export function consoleAccess(gate: Gate, sessions: ConsoleSessions, services: ServiceNames): ConsoleAccess {
  return {
    asksTokens: !gate.isOpen,
    async enter(session, authorization) {
      const { caller, spend } =
        gate.isOpen || authorization !== undefined
          ? await gate.admit(authorization)
          : gate.admitCaller(await callerOf(sessions, session));
      spend(1, 0);
      return consoleCaller(caller, services);
    },
    openSession: async (token) => (gate.isOpen ? null : await sessions.open(token)),
  };
}

/** Sees all there is: a command that is run where the database is reached. */
export const OPERATOR: ConsoleCaller = consoleCaller(ANYONE, new Map());

async function callerOf(sessions: ConsoleSessions, session: string | undefined): Promise<Caller> {
  const caller = session === undefined ? null : await sessions.callerOf(session);
  if (caller !== null) return caller;
  throw new MillraceError('unauthorized', 'there is no session, or it has ended', {
    remedy:
      'Enter with a token at /console/login; an administrator makes one with: millrace token create NAME --scope "read:*"',
    httpStatus: 401,
  });
}

function consoleCaller({ scopes }: Caller, services: ServiceNames): ConsoleCaller {
  return {
    mayReadView: (view) => mayReadView(scopes, view, services),
    mayReadService: (service) => mayReadService(scopes, service, services),
    readsAll: scopes.some((scope) => scope.kind === 'admin' || (scope.kind === 'read' && scope.name === '*')),
    isAdmin: scopes.some(({ kind }) => kind === 'admin'),
  };
}
