import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type pg from 'pg';
import { bundleSignKey } from '../../config/bundle-sign-key.ts';
import type { Environment } from '../../config/environment.ts';
import { bundleFile, MOST_FILE_BYTES, readBundleFile } from '../../engine/bundles/bundle-file.ts';
import { bundleTooLarge } from '../../engine/bundles/bundle-faults.ts';
import {
  type BundleRow,
  listBundles,
  type SignedBundle,
  storeBundle,
  viewBundle,
} from '../../engine/bundles/bundle-registry.ts';
import { signBundle } from '../../engine/bundles/bundle-signature.ts';
import { bundleHash, type ServiceBundle, type ViewBundle } from '../../engine/bundles/view-bundle.ts';
import {
  keepServiceBundle,
  signedServiceBundle,
  type SignedServiceBundle,
  versionsLacking,
} from '../../engine/bundles/service-bundles.ts';
import { openServiceBundle } from '../../engine/bundles/open-service-bundle.ts';
import { serviceVersions } from '../../engine/postgres/service-versions.ts';
import { openBundle } from '../../engine/bundles/open-bundle.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { appendEvent } from '../../engine/postgres/audit-events.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, isoMicros } from '../output.ts';
import { neededServices } from '../services.ts';

const NAMED =
  'a view or a service (what of it is served, else its newest), or a fingerprint of a view or its beginning';

/** `millrace bundle list|show|export|import`: the code of versions. */
export function addBundleCommand(program: Command): void {
  const command = program.command('bundle').description('the code of versions: listed, shown, and taken elsewhere');
  addList(command);
  addShow(command);
  addExport(command);
  addImport(command);
}

async function withPool<Result>(env: Environment, work: (pool: pg.Pool) => Promise<Result>): Promise<Result> {
  const { databaseUrl } = await neededServices(env, ['databaseUrl']);
  const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

function addList(parent: Command): void {
  const command = parent
    .command('list')
    .argument('[view]', 'of this view alone')
    .description('the bundles that are stored, newest first');
  withCommonOptions(command).action(async (view: string | undefined, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const rows = await withPool(env, (pool) => listBundles(pool, view));
    if (output.isJson) return output.json(rows.map(jsonOf));
    if (rows.length === 0) return output.line('no bundles are stored');
    output.table(
      ['view', 'fingerprint', 'bytes', 'stored', 'by', 'signed by'],
      rows.map((row) => [
        row.view,
        row.fingerprint.slice(0, 12),
        count(row.bytes),
        isoMicros(row.storedAtUs).slice(0, 16).replace('T', ' '),
        row.storedBy,
        row.keyId ?? 'nobody',
      ]),
    );
  });
}

function addShow(parent: Command): void {
  const command = parent
    .command('show')
    .argument('<name-or-fingerprint>', NAMED)
    .description('what is in a bundle')
    .option('--source', 'its files, as they are written');
  withCommonOptions(command).action(async (named: string, options: CommonOptions & { source?: boolean }) => {
    const { env, output } = contextOf(options);
    const { row, stored } = await withPool(env, (pool) => namedCode(pool, named, env));
    const { bundle, text } = stored;
    if (output.isJson) {
      const files = bundle.modules.map(({ path, text: written }) => ({ path, text: written }));
      const kept = row === null ? { bytes: Buffer.byteLength(text) } : jsonOf(row);
      return output.json({ ...kept, ...contents(stored), ...(options.source === true ? { files } : {}) });
    }
    output.line(`${nameOf(bundle)} ${bundle.fingerprint}`);
    const bytes = `${count(Buffer.byteLength(text))} bytes`;
    output.line(
      row === null
        ? `kept with the service's version, ${bytes}`
        : `stored ${isoMicros(row.storedAtUs)} by ${row.storedBy}, ${bytes}, semantics ${row.semantics}`,
    );
    output.line(
      'service' in bundle
        ? `derives: ${bundle.declared.derived.map(({ name }) => name).join(', ')}`
        : `features: ${bundle.declared.layout.features.map(({ name }) => name).join(', ')}`,
    );
    output.line(`packages: ${bundle.packages.names.join(', ') || 'none'}`);
    for (const { path, text: written } of bundle.modules) {
      output.line(
        options.source === true ? `\n──── ${path}\n${written}` : `${path}: ${count(Buffer.byteLength(written))} bytes`,
      );
    }
  });
}

function addExport(parent: Command): void {
  const command = parent
    .command('export')
    .argument('<name-or-fingerprint>', NAMED)
    .description('write a bundle to a file, to import it into another installation under the same fingerprint')
    .requiredOption('--out <file>', 'the file to write')
    .option('--force', 'write over a file that is there');
  withCommonOptions(command).action(
    async (named: string, options: CommonOptions & { out: string; force?: boolean }) => {
      const { env, output } = contextOf(options);
      const { stored } = await withPool(env, (pool) => namedCode(pool, named, env));
      if (existsSync(options.out) && options.force !== true) {
        throw new MillraceError('out-exists', `${options.out} is there already`, {
          remedy: 'Name another file, or write over it: --force.',
          httpStatus: 409,
        });
      }
      writeFileSync(options.out, bundleFile(stored));
      if (output.isJson) return output.json({ out: options.out, ...contents(stored) });
      output.line(`${options.out}: ${nameOf(stored.bundle)} ${stored.bundle.fingerprint}`);
    },
  );
}

function addImport(parent: Command): void {
  const command = parent
    .command('import')
    .argument('<file>', 'as "bundle export" wrote it')
    .description(
      'store a bundle of another installation; what is in it is run once, to see whether it fits. Of a service it is kept with the versions of it that derive by it and have no code',
    )
    .option('--dry-run', 'say what is in it, run nothing and store nothing');
  withCommonOptions(command).action(async (file: string, options: CommonOptions & { dryRun?: boolean }) => {
    const { env, output } = contextOf(options);
    const size = sizeOf(file);
    if (size > MOST_FILE_BYTES) throw bundleTooLarge(file, size, MOST_FILE_BYTES);
    const received = readBundleFile(readFileSync(file, 'utf8'), env.bundleKeys);
    const key = bundleSignKey(env);
    const stored: typeof received =
      key === null ? received : { ...received, signature: signBundle(bundleHash(received.text), key) };
    const { bundle } = stored;
    const [name, isDry] = [nameOf(bundle), options.dryRun === true];
    if (!isDry) await ('service' in bundle ? openServiceBundle(bundle) : openBundle(bundle, process.cwd()));
    const isNew = await withPool(env, async (pool) => {
      if (isDry) return await isToStore(pool, bundle);
      return withTransaction(pool, async (client) => {
        const actor = actorName();
        const stores = isOfService(stored)
          ? (await keepServiceBundle(client, stored)).length > 0
          : await storeBundle(client, stored, actor);
        const event = {
          actor,
          action: 'bundle import',
          subject: name,
          input: { file },
          result: { fingerprint: bundle.fingerprint, isNew: stores },
        };
        if (stores) await appendEvent(client, event);
        return stores;
      });
    });
    if (output.isJson) return output.json({ ...contents(stored), isNew, dryRun: isDry });
    const outcome = isNew ? (isDry ? 'would be stored' : 'stored') : 'is stored already';
    output.line(`${name} ${bundle.fingerprint}: ${outcome}`);
    for (const { path, text } of bundle.modules) output.line(`${path}: ${count(Buffer.byteLength(text))} bytes`);
    if (!isDry && isNew && !isOfService(stored)) output.note('Nothing runs by it yet.');
  });
}

/** The bundle that a name or the beginning of a fingerprint means. Throws MillraceError `unknown-bundle`. */
async function namedBundle(
  pool: pg.Pool,
  named: string,
  { bundleKeys }: Environment,
): Promise<{ readonly row: BundleRow; readonly stored: SignedBundle }> {
  const rows = await listBundles(pool);
  const ofView = rows.filter(({ view }) => view === named);
  const served =
    ofView.length === 0 ? undefined : (await versions(pool, named)).find(({ status }) => status === 'live');
  const begun = named.length < 8 ? [] : rows.filter(({ fingerprint }) => fingerprint.startsWith(named));
  const row = ofView.find(({ fingerprint }) => fingerprint === served?.fingerprint) ?? ofView[0] ?? begun[0];
  const stored = row === undefined || begun.length > 1 ? null : await viewBundle(pool, row.fingerprint, bundleKeys);
  if (row !== undefined && stored !== null) return { row, stored };
  throw new MillraceError('unknown-bundle', `${begun.length} bundles are called "${named}"`, {
    remedy: '"millrace bundle list" has those that are stored; of a fingerprint give 8 digits or more.',
    httpStatus: 404,
  });
}

/** The same, of a service where no view is called so: the code that is served, else the newest. Throws MillraceError `unknown-bundle`. */
async function namedCode(
  pool: pg.Pool,
  named: string,
  env: Environment,
): Promise<{ readonly row: BundleRow | null; readonly stored: SignedBundle | SignedServiceBundle }> {
  const kept = (await serviceVersions(pool, named)).filter(({ hasCode }) => hasCode);
  const version = kept.find(({ missing }) => missing.length === 0) ?? kept[0];
  if (version === undefined || (await listBundles(pool, named)).length > 0) return await namedBundle(pool, named, env);
  const code = await signedServiceBundle(pool, named, version.version, env.bundleKeys);
  return code === null ? await namedBundle(pool, named, env) : { row: null, stored: code };
}

async function isToStore(pool: pg.Pool, bundle: ViewBundle | ServiceBundle): Promise<boolean> {
  if ('service' in bundle) return (await versionsLacking(pool, bundle)).length > 0;
  return !(await listBundles(pool, bundle.view)).some(({ fingerprint }) => fingerprint === bundle.fingerprint);
}

function isOfService(stored: SignedBundle | SignedServiceBundle): stored is SignedServiceBundle {
  return 'service' in stored.bundle;
}

function nameOf(bundle: ViewBundle | ServiceBundle): string {
  return 'service' in bundle ? bundle.service : bundle.view;
}

function contents({ bundle, signature }: SignedBundle | SignedServiceBundle): object {
  const own =
    'service' in bundle
      ? { service: bundle.service, derived: bundle.declared.derived.map(({ name }) => name) }
      : {
          view: bundle.view,
          semantics: bundle.semantics,
          features: bundle.declared.layout.features.map(({ name }) => name),
        };
  return {
    ...own,
    fingerprint: bundle.fingerprint,
    packages: bundle.packages.names,
    modules: bundle.modules.map(({ path, text }) => ({ path, bytes: Buffer.byteLength(text) })),
    keyId: signature?.keyId ?? null,
  };
}

function jsonOf(row: BundleRow): object {
  const { layout: _, storedAtUs, ...rest } = row;
  return { ...rest, storedAt: isoMicros(storedAtUs) };
}

/** Throws MillraceError `bundle-file-missing`. */
function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return found.size;
  throw new MillraceError('bundle-file-missing', `${path} is ${found === undefined ? 'not there' : 'no file'}`, {
    remedy: 'Name the file that "millrace bundle export" wrote.',
    httpStatus: 404,
  });
}
