import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ConsoleDefinitions } from '../../console/console-deps.ts';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { listServices, type ServiceRow } from '../../engine/define/list-definitions.ts';
import { createOnlineStore } from '../../engine/online/online-store.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { OPERATOR } from '../../serving/access/console-access.ts';
import { asMillraceError } from '../as-millrace-error.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { knownServices, neededServices } from '../services.ts';
import { checkWritable } from '../writable-file.ts';

interface ReportOptions extends CommonOptions {
  readonly view?: string | undefined;
  readonly service?: string | undefined;
  readonly html: string;
}

/** `millrace report [--view VIEW|--service SERVICE] --html FILE`. */
export function addReportCommand(program: Command): void {
  const command = program
    .command('report')
    .description("the console's pages as one file, to be read offline and printed")
    .option('--view <name>', 'of this view alone')
    .option('--service <name>', 'of this feature service, its views and models alone')
    .requiredOption('--html <file>', 'the file to write');
  withCommonOptions(command).action(async (options: ReportOptions) => {
    const { env, output, features } = contextOf(options);
    const { view, service, html } = options;
    await checkWritable(html);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const known = await definitionsAt(features, (line) => output.note(line));
    // Slow to load, and of this command alone.
    const { consoleReport } = await import('../../console/report.ts');
    const pool = createPool(databaseUrl, {
      max: 4,
      applicationName: 'millrace-report',
      installation: env.installation,
    });
    try {
      const report = await consoleReport(
        {
          pool,
          clock: systemClock,
          store: createOnlineStore({ pool, clock: systemClock }),
          installation: env.installation,
          definitions: known.definitions,
          services: async () => known.services,
          log: null,
          workflows: knownServices(env).temporal,
        },
        OPERATOR,
        { view, service },
      );
      await writeFile(html, report.html);
      if (output.isJson)
        output.json({ html, bytes: Buffer.byteLength(report.html), leftOut: report.leftOut, pages: report.pages });
      else
        output.line(
          `${html}: ${report.pages.length} pages${report.leftOut === 0 ? '' : `; ${report.leftOut} more were left out`}`,
        );
    } finally {
      await pool.end();
    }
  });
}

/** What is served can be told without the definitions: they are described then by what the catalog has. */
async function definitionsAt(
  features: string,
  note: (line: string) => void,
): Promise<{ readonly definitions: ConsoleDefinitions; readonly services: readonly ServiceRow[] }> {
  try {
    const { views, sources, labelSets, services, abouts = new Map() } = await loadDefinitions(features);
    return { definitions: { views, sources, labelSets, abouts }, services: listServices(services) };
  } catch (error) {
    const { code } = asMillraceError(error);
    note(
      `the definitions in ${features} cannot be read (${code}): views are told by the catalog alone, and values of dead letters are hashed`,
    );
    return {
      definitions: { views: new Map(), sources: new Map(), labelSets: new Map(), abouts: new Map() },
      services: [],
    };
  }
}
