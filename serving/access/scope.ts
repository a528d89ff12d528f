import { MillraceError } from '../../engine/errors/millrace-error.ts';

/** What a caller may do. `admin` may do everything. */
export type Scope =
  | { readonly kind: 'log' | 'alerts' | 'admin' }
  /** Of a feature service or a view of that name; `*`: of all. */
  | { readonly kind: 'read'; readonly name: string }
  /** To say records of decisions or outcomes of that name; `*`: of all. */
  | { readonly kind: 'write'; readonly name: string };

const NAME = /^[A-Za-z_]\w{0,62}$/;

/**
 * A scope as it is written: `read:*`, `read:NAME` (a service or a view), `write:*`, `write:NAME` (decisions or outcomes), `log`, `alerts`, `admin`. Throws MillraceError `invalid-scope`.
 *
 * @example
 * readScope('read:delay_model'); // { kind: 'read', name: 'delay_model' }
 */
export function readScope(text: string): Scope {
  if (text === 'log' || text === 'alerts' || text === 'admin') return { kind: text };
  const [kind, name = ''] = text.split(/:(.*)/s);
  if ((kind === 'read' || kind === 'write') && (name === '*' || NAME.test(name))) return { kind, name };
  throw new MillraceError(
    'invalid-scope',
    `"${text}" is no scope; expected read:*, read:NAME of a service or a view, write:*, write:NAME of decisions or outcomes, log, alerts or admin`,
    { remedy: 'Correct it.' },
  );
}

/** The views of a service, by its name. */
export type ServiceNames = ReadonlyMap<
  string,
  { readonly blocks: readonly { readonly view: { readonly name: string } }[] }
>;

/** Whether scopes let somebody read a view: by its name, by that of a service it is in, or all. */
export function mayReadView(scopes: readonly Scope[], view: string, services: ServiceNames): boolean {
  return scopes.some(
    (scope) =>
      scope.kind === 'admin' ||
      (scope.kind === 'read' &&
        (scope.name === '*' ||
          scope.name === view ||
          services.get(scope.name)?.blocks.some((block) => block.view.name === view) === true)),
  );
}

/** Whether scopes let somebody read a service: by its name, all, or each of its views. */
export function mayReadService(scopes: readonly Scope[], service: string, services: ServiceNames): boolean {
  const named = scopes.some(
    (scope) => scope.kind === 'admin' || (scope.kind === 'read' && (scope.name === '*' || scope.name === service)),
  );
  const blocks = services.get(service)?.blocks ?? [];
  return named || (blocks.length > 0 && blocks.every(({ view }) => mayReadView(scopes, view.name, services)));
}

/** Whether scopes let somebody say records of a source: by its name, or of all (`log` too). */
export function mayWrite(scopes: readonly Scope[], source: string): boolean {
  return scopes.some(
    (scope) =>
      scope.kind === 'admin' ||
      scope.kind === 'log' ||
      (scope.kind === 'write' && (scope.name === '*' || scope.name === source)),
  );
}
