import { MillraceError } from '../engine/errors/millrace-error.ts';
import type { ConsoleCaller, ConsoleDeps } from './console-deps.ts';
import { type ConsoleLook, lookAt, viewIn } from './console-look.ts';
import { shownTime } from './markup/shown.ts';
import { type ConsolePage, printedPages } from './page.ts';
import { alertsPage } from './pages/alerts-page.ts';
import { deadLettersPage } from './pages/dead-letters-page.ts';
import { lineagePage } from './pages/lineage-page.ts';
import { modelPage } from './pages/model-page.ts';
import { overviewPage } from './pages/overview-page.ts';
import { DRAWN, qualityPage } from './pages/quality-page.ts';
import { rolloutPage } from './pages/rollout-page.ts';
import { servicePage } from './pages/service-page.ts';
import { sourcePage } from './pages/source-page.ts';
import { viewPage } from './pages/view-page.ts';
import { LiveCatalog } from './read/live-catalog.ts';
import { rollouts } from '../engine/postgres/rollouts.ts';
import { ifThere } from './read/if-there.ts';

/** A report has at most so many views, services and models each: it stays a file that a browser opens. */
const MOST = 100;

/** What a report is of; nothing: all there is. */
export interface ReportAsk {
  readonly view?: string | undefined;
  readonly service?: string | undefined;
}

/** The console's pages as one file, and which they are. */
export interface ConsoleReport {
  readonly html: string;
  readonly pages: readonly { readonly title: string; readonly path: string }[];
  /** Views, services and models that there was no room for. */
  readonly leftOut: number;
}

/**
 * Prints the console's pages into one file that is read offline.
 *
 * @throws MillraceError `not-in-console` where there is no such view or service
 * @example
 * const { html } = await consoleReport(deps, OPERATOR, { view: 'route_delays' });
 */
export async function consoleReport(deps: ConsoleDeps, caller: ConsoleCaller, ask: ReportAsk): Promise<ConsoleReport> {
  const look = await lookAt(deps, new LiveCatalog(deps.pool, deps.definitions.views), caller);
  const { views, services, models, sources } = subjects(look, ask);
  const pages: ConsolePage[] = [];
  if (ask.view === undefined && ask.service === undefined) pages.push(await overviewPage(look));
  pages.push(await alertsPage(look));
  for (const view of views.slice(0, MOST))
    pages.push(await viewPage(look, view), await qualityPage(look, view), await deadLettersPage(look, view));
  for (const service of services.slice(0, MOST)) pages.push(await servicePage(look, service));
  for (const model of models.slice(0, MOST))
    pages.push(
      await modelPage(look, model),
      await lineagePage(look, 'model', model),
      ...(await newestRollout(look, model)),
    );
  for (const source of sources.slice(0, MOST)) pages.push(await sourcePage(look, source));
  pages.push(await lineageOf(look, ask));
  const leftOut = [views, services, models, sources].reduce((sum, all) => sum + Math.max(0, all.length - MOST), 0);
  const of = ask.view ?? ask.service ?? 'all that is served';
  const lines = [
    `Installation ${deps.installation.name}, read at ${shownTime(look.nowUs)}.`,
    `At most ${MOST} views, services, models and sources each; of a view ${DRAWN} features and ${DRAWN} segments are drawn, the worst first.`,
    ...(leftOut === 0 ? [] : [`${leftOut} more were left out: ask for a view or a service.`]),
  ];
  const html = await printedPages(`Millrace report: ${of}`, lines, pages);
  return { html, pages: pages.map(({ title, path }) => ({ title, path })), leftOut };
}

interface Subjects {
  readonly views: readonly string[];
  readonly services: readonly string[];
  readonly models: readonly string[];
  readonly sources: readonly string[];
}

function subjects(look: ConsoleLook, { view, service }: ReportAsk): Subjects {
  const sourcesOf = (views: readonly string[]): string[] => [
    ...new Set(views.flatMap((name) => look.views.get(name)?.source ?? [])),
  ];
  if (view !== undefined) return { views: [view], services: [], models: [], sources: [viewIn(look, view).source] };
  if (service !== undefined) {
    const own = look.services.find((one) => one.service === service);
    if (own === undefined) throw noService(service, look);
    const views = own.views.filter((name) => look.views.has(name));
    const models = look.models.filter((one) => one.service === service).map(({ model }) => model);
    return { views, services: [service], models, sources: sourcesOf(views) };
  }
  const views = [...look.views.keys()];
  return {
    views,
    services: look.services.map((one) => one.service),
    models: look.models.map(({ model }) => model),
    sources: sourcesOf(views),
  };
}

async function newestRollout(look: ConsoleLook, model: string): Promise<ConsolePage[]> {
  const [newest] = await ifThere(rollouts(look.deps.pool, model, 1));
  return newest === undefined ? [] : [await rolloutPage(look, model, newest.id)];
}

function lineageOf(look: ConsoleLook, { view, service }: ReportAsk): Promise<ConsolePage> {
  if (view !== undefined) return lineagePage(look, 'view', view);
  return service === undefined ? lineagePage(look) : lineagePage(look, 'service', service);
}

function noService(service: string, { services }: ConsoleLook): MillraceError {
  const known = services.map((one) => one.service).join(', ');
  return new MillraceError(
    'unknown-service',
    `no feature service "${service}"; known: ${known === '' ? 'none' : known}`,
    {
      remedy: 'Correct the name.',
    },
  );
}
