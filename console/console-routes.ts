import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { html } from 'hono/html';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';
import { type ConsoleAccess, type ConsoleDeps, SESSION_S } from './console-deps.ts';
import { type ConsoleLook, lookAt, notInConsole } from './console-look.ts';
import { type ConsolePage, framedPage } from './page.ts';
import { alertPage } from './pages/alert-page.ts';
import { alertsPage } from './pages/alerts-page.ts';
import { cataloguePage } from './pages/catalogue-page.ts';
import { deadLettersPage } from './pages/dead-letters-page.ts';
import { definitionPage } from './pages/definition-page.ts';
import { entityKindPage } from './pages/entity-kind-page.ts';
import { entityPage } from './pages/entity-page.ts';
import { entityRequestsPage } from './pages/entity-requests-page.ts';
import { featurePage } from './pages/feature-page.ts';
import { labelSetPage } from './pages/label-set-page.ts';
import { lineagePage } from './pages/lineage-page.ts';
import { loginPage } from './pages/login-page.ts';
import { modelPage } from './pages/model-page.ts';
import { modelsPage } from './pages/models-page.ts';
import { overviewPage } from './pages/overview-page.ts';
import { qualityPage } from './pages/quality-page.ts';
import { rolloutPage } from './pages/rollout-page.ts';
import { servicePage } from './pages/service-page.ts';
import { sourcePage } from './pages/source-page.ts';
import { viewPage } from './pages/view-page.ts';
import { LiveCatalog } from './read/live-catalog.ts';
import { STYLE, STYLE_PATH } from './style.ts';

const COOKIE = 'millrace_console';
/** Nothing but our own style sheet; forms go to us alone, and nobody shows us in a frame. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const LOGIN = '/console/login';
/** A place of the console to go on to: nothing that another site could stand in. */
const OWN_PLACE = /^\/console(?:[/?][\w\-./?=&%+~#:,;@!$'()*]*)?$/;

/** What the routes are over. */
export interface ConsoleRoutesDeps extends ConsoleDeps {
  readonly access: ConsoleAccess;
  /** Told of faults of our own (answered with 500). */
  readonly onBug: (error: unknown) => void;
  /** An error as the server names it. */
  readonly named: (error: unknown) => unknown;
}

type Params = Readonly<Record<string, string>>;
type PageOf = (look: ConsoleLook, params: Params, query: URLSearchParams) => ConsolePage | Promise<ConsolePage>;

/** The pages, by where they are. */
const PAGES: readonly (readonly [path: string, page: PageOf])[] = [
  ['/console', (look, _, query) => overviewPage(look, query.get('page') ?? undefined)],
  [
    '/console/catalogue',
    (look, _, query) =>
      cataloguePage(look, {
        search: query.get('q') ?? '',
        kind: query.get('kind') ?? undefined,
        page: query.get('page') ?? undefined,
      }),
  ],
  ['/console/views/:view', (look, { view }, query) => viewPage(look, view!, query.get('page') ?? undefined)],
  ['/console/views/:view/definition', (look, { view }) => definitionPage(look, view!)],
  ['/console/views/:view/dead-letters', (look, { view }) => deadLettersPage(look, view!)],
  ['/console/views/:view/entity', (look, { view }, query) => entityPage(look, view!, query)],
  ['/console/views/:view/requests', (look, { view }, query) => entityRequestsPage(look, view!, query)],
  ['/console/views/:view/quality', (look, { view }) => qualityPage(look, view!)],
  ['/console/views/:view/features/:feature', (look, { view, feature }) => featurePage(look, view!, feature!)],
  ['/console/sources/:source', (look, { source }, query) => sourcePage(look, source!, query.get('field') ?? undefined)],
  ['/console/entities/:entity', (look, { entity }) => entityKindPage(look, entity!)],
  ['/console/services/:service', (look, { service }) => servicePage(look, service!)],
  ['/console/label-sets/:labels', (look, { labels }) => labelSetPage(look, labels!)],
  ['/console/training', (look, _, query) => modelsPage(look, query.get('page') ?? undefined)],
  ['/console/models/:model', (look, { model }, query) => modelPage(look, model!, query.get('version') ?? undefined)],
  ['/console/models/:model/rollouts/:id', (look, { model, id }) => rolloutPage(look, model!, id!)],
  ['/console/lineage', (look) => lineagePage(look)],
  ['/console/lineage/:kind/:name', (look, { kind, name }) => lineagePage(look, kind, name)],
  ['/console/alerts', (look, _, query) => alertsPage(look, query.get('page') ?? undefined)],
  ['/console/alerts/:id', (look, { id }) => alertPage(look, id!)],
];

/**
 * The console's pages, to be mounted by whoever answers HTTP. They read, and change nothing: a token is exchanged for a session, and that is all that is
 * ever sent to them.
 *
 * @example
 * app.route('/', consoleRoutes({ pool, clock, store, access, … }));
 */
export function consoleRoutes(deps: ConsoleRoutesDeps): Hono {
  const { access, pool, definitions } = deps;
  const catalog = new LiveCatalog(pool, definitions.views);
  const app = new Hono();
  const send = async (c: Context, page: ConsolePage, status: ContentfulStatusCode = 200): Promise<Response> => {
    const hasSession = access.asksTokens && getCookie(c, COOKIE) !== undefined;
    const search = c.req.path === '/console/catalogue' ? c.req.query('q') : undefined;
    return c.html(framedPage(page, { installation: deps.installation.name, hasSession, search }), status);
  };
  app.use('/console', guarded);
  app.use('/console/*', guarded);
  app.onError(async (thrown, c) => {
    const error = deps.named(thrown);
    if (isMillraceError(error) && error.code === 'unauthorized' && c.req.header('authorization') === undefined)
      return c.redirect(`${LOGIN}?to=${encodeURIComponent(placeOf(c))}`, 303);
    const isOurs = !isMillraceError(error) || error.code === 'internal-bug';
    if (isOurs) deps.onBug(error);
    const { code, message, remedy, httpStatus } = isOurs ? BUG : error;
    return await send(c, faultPage(c.req.path, code, message, remedy), httpStatus as ContentfulStatusCode);
  });
  app.get(STYLE_PATH, (c) =>
    c.body(STYLE, 200, {
      'Content-Type': 'text/css; charset=utf-8',
      'Cache-Control': 'public, max-age=31536000, immutable',
    }),
  );
  app.get(LOGIN, (c) =>
    send(c, loginPage({ asksTokens: access.asksTokens, to: ownPlace(c.req.query('to')), isRefused: false })),
  );
  app.post(LOGIN, async (c) => {
    checkOrigin(c);
    const form = await c.req.parseBody();
    const to = ownPlace(form['to']);
    const { token } = form;
    const session = typeof token === 'string' ? await access.openSession(token.trim()) : null;
    if (session === null && access.asksTokens)
      return await send(c, loginPage({ asksTokens: true, to, isRefused: true }), 401);
    if (session !== null) setCookie(c, COOKIE, session, { ...cookieOf(c), maxAge: SESSION_S });
    return c.redirect(to, 303);
  });
  app.post('/console/logout', (c) => {
    checkOrigin(c);
    deleteCookie(c, COOKIE, cookieOf(c));
    return c.redirect(LOGIN, 303);
  });
  for (const [path, page] of PAGES) {
    app.get(path, async (c) => {
      const caller = await access.enter(getCookie(c, COOKIE), c.req.header('authorization'));
      const look = await lookAt(deps, catalog, caller);
      return await send(c, await page(look, c.req.param() as Params, new URL(c.req.url).searchParams));
    });
  }
  app.get('/console/*', async (c) => {
    await access.enter(getCookie(c, COOKIE), c.req.header('authorization'));
    return notInConsole('page', c.req.path);
  });
  return app;
}

const BUG = {
  code: 'internal-bug',
  message: 'the page failed for a reason of our own',
  remedy: 'This is a bug in Millrace: report it with what the log says.',
  httpStatus: 500,
};

const guarded: MiddlewareHandler = async (c, next) => {
  await next();
  c.header('Content-Security-Policy', POLICY);
  c.header('X-Content-Type-Options', 'nosniff');
  c.header('X-Frame-Options', 'DENY');
  // With no referrer at all a browser hides the origin of forms, too.
  c.header('Referrer-Policy', 'same-origin');
  c.header('Cross-Origin-Resource-Policy', 'same-origin');
  c.header('Cross-Origin-Opener-Policy', 'same-origin');
  if (c.req.path !== STYLE_PATH) c.header('Cache-Control', 'no-store');
};

function faultPage(path: string, code: string, message: string, remedy: string): ConsolePage {
  return {
    title: 'That does not work',
    path,
    body: html`<p role="alert">${message}.</p><p>${remedy}</p><p class="dim">error code: <code>${code}</code></p>`,
  };
}

/** Throws MillraceError `foreign-origin`: forms are sent from our own pages alone. */
function checkOrigin(c: Context): void {
  const [origin, host] = [c.req.header('origin'), c.req.header('host')];
  if (origin !== undefined && URL.canParse(origin) && new URL(origin).host === host) return;
  throw new MillraceError('foreign-origin', 'the form was not sent from a page of this console', {
    remedy: 'Open /console/login itself, and send the form there.',
    httpStatus: 403,
  });
}

function ownPlace(given: unknown): string {
  return typeof given === 'string' && OWN_PLACE.test(given) ? given : '/console';
}

function placeOf(c: Context): string {
  const { pathname, search } = new URL(c.req.url);
  return ownPlace(pathname + search);
}

function cookieOf(c: Context) {
  const isHttps = c.req.url.startsWith('https:') || c.req.header('x-forwarded-proto') === 'https';
  return { path: '/console', httpOnly: true, sameSite: 'Strict', secure: isHttps } as const;
}
