import type { Command } from 'commander';
import { createPool } from '../../engine/postgres/pool.ts';
import { type ListedVersion, listVersions } from '../../engine/online/list-versions.ts';
import { type ServiceVersion, serviceVersions } from '../../engine/postgres/service-versions.ts';
import { blockTexts } from '../block-text.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, isoMicros, type Output } from '../output.ts';
import { neededServices } from '../services.ts';

interface VersionsOptions extends CommonOptions {
  readonly all?: boolean | undefined;
}

/** `millrace versions VIEW`. */
export function addVersionsCommand(program: Command): void {
  const command = program
    .command('versions')
    .argument('<view>', 'or a service')
    .description(
      'the versions of a view: which is served, which waits to be approved, which is kept until when, and what each takes up',
    )
    .option('--all', 'those that are gone, too');
  withCommonOptions(command).action(async (view: string, options: VersionsOptions) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, {
      max: 2,
      applicationName: 'millrace-versions',
      installation: env.installation,
    });
    try {
      const found = await listVersions(pool, view);
      if (found.length === 0) {
        const services = await serviceVersions(pool, view);
        if (services.length === 0) throw neverBuilt(view);
        return printServices(output, services);
      }
      const shown = options.all === true ? found : found.filter(({ entities }) => entities !== null);
      if (output.isJson) return output.json(shown.map(inJson));
      output.table(
        [
          'version',
          'is',
          'fingerprint',
          'built',
          'of',
          'served since',
          'until',
          'kept until',
          'entities',
          'MB',
          'lag',
          'by',
        ],
        shown.map((one) => [
          one.version,
          one.role,
          one.fingerprint.slice(0, 12),
          time(one.createdAtUs),
          one.madeFrom === null ? 'the log' : `states of ${one.madeFrom}`,
          time(one.served.at(-1)?.fromUs ?? null),
          time(one.served.at(-1)?.untilUs ?? null),
          time(one.keptUntilUs),
          count(one.entities),
          one.bytes === null ? null : (one.bytes / 2 ** 20).toFixed(1),
          count(one.lag),
          one.builder,
        ]),
      );
      const hidden = found.length - shown.length;
      if (hidden > 0) output.line(`${hidden} more are gone (--all)`);
    } finally {
      await pool.end();
    }
  });
}

/** Readers of a version whose views all serve its features are served; the newest of those is the one that is live. */
function printServices(output: Output, services: readonly ServiceVersion[]): void {
  const live = services.find(({ missing }) => missing.length === 0)?.version ?? null;
  if (output.isJson) {
    const json = services.map(({ appliedAtUs, ...rest }) => ({
      ...rest,
      isLive: rest.version === live,
      appliedAt: isoMicros(appliedAtUs),
    }));
    return output.json(json);
  }
  output.table(
    ['version', 'is', 'tag', 'applied', 'by', 'views', 'waits for'],
    services.map(({ version, tag, appliedAtUs, actor, views, blocks, missing }) => [
      version,
      version === live ? 'live' : missing.length === 0 ? 'served, too' : null,
      tag,
      time(appliedAtUs),
      actor,
      blocks === null ? Object.keys(views).join(', ') : blockTexts(blocks).join(', '),
      missing.length === 0 ? null : missing.join(', '),
    ]),
  );
  const without = services.filter(({ derives, hasCode }) => derives && !hasCode).map(({ version }) => version);
  if (without.length > 0)
    output.line(
      `the code of what it derives is not kept of ${without.join(', ')}: what those derived is not derived again`,
    );
}

function time(atUs: number | null): string | null {
  return atUs === null ? null : `${isoMicros(atUs).slice(0, 19)}Z`;
}

function inJson({ createdAtUs, keptUntilUs, served, ...rest }: ListedVersion) {
  const times = served.map(({ fromUs, untilUs }) => ({
    from: isoMicros(fromUs),
    until: untilUs === null ? null : isoMicros(untilUs),
  }));
  const keptUntil = keptUntilUs === null ? null : isoMicros(keptUntilUs);
  return { ...rest, createdAt: isoMicros(createdAtUs), served: times, keptUntil };
}

function neverBuilt(view: string): MillraceError {
  return new MillraceError(
    'unknown-view',
    `no version of a view "${view}" was ever built, and no service of that name was applied`,
    {
      remedy: 'Correct the name, or start the view: "millrace status" lists what runs.',
      httpStatus: 404,
    },
  );
}
