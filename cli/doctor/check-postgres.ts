import type pg from 'pg';
import { aheadOf, pendingMigrations } from '../../engine/postgres/migrate.ts';
import { missingSchemas } from '../../engine/postgres/missing-schemas.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { CATALOG, INNER_SQL, STATE, SURFACE } from '../../engine/postgres/schemas.ts';
import { installationOf } from '../../engine/postgres/settled-queries.ts';
import type { InstallationNames } from '../../engine/installation/installation-names.ts';
import { failed, fine, type Finding, warned } from './finding.ts';

const AREA = 'postgres';
const LEAST_VERSION = 140_000;
/** What a worker, and what an API, opens at most. */
const WORKER_CONNECTIONS = 20;
const API_CONNECTIONS = 10;
/** Windows end, and guards refuse, by these clocks. */
const SKEW_MOST_MS = 1_000;
const PRICE_READS = 200;

async function schemas(pool: pg.Pool): Promise<readonly Finding[]> {
  const missing = await missingSchemas(pool);
  if (missing === null) return [];
  const found = `${missing.names.join(', ')} are missing or closed, and this user may not make schemas`;
  return [
    failed('schemas', found, `To migrate as this user, let an administrator run: ${missing.statements.join('; ')};`),
  ];
}

interface About {
  readonly number: number;
  readonly version: string;
  readonly me: string;
  readonly most: number;
  readonly used: number;
  readonly replica: boolean;
}

/** Version, migrations, rights, connections and clock of the database. */
export async function checkPostgres(
  databaseUrl: string,
  installation: InstallationNames,
  wallMs: () => number,
): Promise<readonly Finding[]> {
  const pool = createPool(databaseUrl, { max: 2, applicationName: 'millrace-doctor', installation });
  try {
    const about = await aboutServer(pool);
    const findings = [
      about.number >= LEAST_VERSION
        ? fine(AREA, `${about.version}, as ${about.me}`)
        : failed(AREA, about.version, 'Use Postgres 14 or newer.'),
    ];
    if (about.replica)
      findings.push(failed(AREA, 'a standby: it takes no writes', 'Point DATABASE_URL at the primary.'));
    findings.push(connections(about), await skew(pool, wallMs));
    const pending = await pendingMigrations(pool);
    const ahead = await aheadOf(pool);
    if (ahead !== null) findings.push(failed('migrations', ahead.message, ahead.remedy ?? ''));
    else
      findings.push(
        pending.length === 0
          ? fine('migrations', 'all have run')
          : failed('migrations', `${pending.join(', ')} have not run`, 'Run "millrace migrate" as the owner.'),
      );
    if (pending.length > 0) findings.push(...(await schemas(pool)));
    if (pending.length === 0) findings.push(...(await rights(pool)), ...(await holes(pool)));
    return findings;
  } finally {
    await pool.end();
  }
}

async function aboutServer(pool: pg.Pool): Promise<About> {
  const { rows } = await pool.query<About>(
    "SELECT current_setting('server_version_num')::int AS number, 'PostgreSQL ' || current_setting('server_version') AS version, " +
      "current_user AS me, current_setting('max_connections')::int AS most, pg_is_in_recovery() AS replica, " +
      "(SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used",
  );
  return rows[0]!;
}

function connections({ most, used }: About): Finding {
  const left = most - used;
  const found = `${used} of ${most} connections are in use; a worker opens up to ${WORKER_CONNECTIONS}, an API ${API_CONNECTIONS}`;
  return left >= WORKER_CONNECTIONS + API_CONNECTIONS
    ? fine('connections', found)
    : warned('connections', found, 'Raise max_connections, or put a pooler before clients and APIs (docs/serve.md).');
}

async function skew(pool: pg.Pool, wallMs: () => number): Promise<Finding> {
  const beforeMs = wallMs();
  const { rows } = await pool.query<{ ms: number }>(
    'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms',
  );
  const afterMs = wallMs();
  const theirMs = rows[0]!.ms;
  // Between the two the server's clock was read: only what lies outside is a difference.
  const skewMs = theirMs < beforeMs ? theirMs - beforeMs : Math.max(0, theirMs - afterMs);
  const found = `the server's clock is ${Math.abs(Math.round(skewMs))} ms ${skewMs < 0 ? 'behind' : 'ahead of'} this machine's`;
  return Math.abs(skewMs) <= SKEW_MOST_MS
    ? fine('clocks', found)
    : warned('clocks', found, 'Let both machines take their time from one source (NTP).');
}

async function rights(pool: pg.Pool): Promise<readonly Finding[]> {
  const { rows } = await pool.query<{ makes: boolean; writes: boolean; owns: boolean; roles: number }>({
    text:
      `SELECT has_schema_privilege('${STATE.text}', 'CREATE') AND has_schema_privilege('${SURFACE.text}', 'CREATE') AND has_schema_privilege('${INNER_SQL.text}', 'CREATE') AS makes, ` +
      `has_table_privilege('${CATALOG.text}.view_version', 'INSERT, UPDATE, DELETE') AS writes, ` +
      `pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = '${CATALOG.text}'), 'USAGE') AS owns, ` +
      '(SELECT count(*)::int FROM pg_roles WHERE rolname = ANY($1)) AS roles',
    values: [Object.values(installationOf(pool).roles)],
  });
  const { makes, writes, owns, roles } = rows[0]!;
  const may = owns
    ? 'an owner'
    : makes && writes
      ? 'a worker'
      : makes || writes
        ? 'part of a worker'
        : 'a server or a reader';
  const found = `this user may do what ${may} needs`;
  const findings = [
    makes === writes ? fine('rights', found) : failed('rights', found, 'Run "millrace migrate" as the owner.'),
  ];
  if (roles < 4)
    findings.push(
      warned(
        'rights',
        `${4 - roles} of the 4 roles are missing: every process has the rights of its login`,
        'Run "millrace migrate" as one who may make roles, and make each login a member of one (docs/deploy.md).',
      ),
    );
  return findings;
}

/** Records that no replay will ever see. */
async function holes(pool: pg.Pool): Promise<readonly Finding[]> {
  const { rows } = await pool.query<{ source: string; holes: number; records: string }>(
    `SELECT source, count(*)::int AS holes, sum(until_offset - from_offset)::text AS records FROM ${CATALOG.text}.archive_hole ` +
      "WHERE reason <> 'before-archiving' GROUP BY source ORDER BY source",
  );
  if (rows.length === 0) return [fine('archive', 'no holes: nothing was deleted before it was archived')];
  return rows.map((row) =>
    warned(
      'archive',
      `${row.source}: ${row.records} offsets in ${row.holes} holes were deleted before they were archived`,
      "They are lost to replays and training. Lengthen the topic's retention beyond the archive's lag.",
    ),
  );
}

/** What a pooler costs a read: the middle of 200, one after the other, by both addresses. */
export async function checkPooler(
  pooledUrl: string,
  directUrl: string,
  installation: InstallationNames,
): Promise<readonly Finding[]> {
  const pooledUs = await medianReadUs(pooledUrl, true, installation);
  const directUs = await medianReadUs(directUrl, false, installation);
  const found = `a look-up takes ${Math.round(pooledUs)} µs through the pooler, ${Math.round(directUs)} µs without`;
  return [fine('pooler', found)];
}

async function medianReadUs(url: string, pooled: boolean, installation: InstallationNames): Promise<number> {
  const pool = createPool(url, { max: 1, applicationName: 'millrace-doctor', pooled, installation });
  try {
    const text = `SELECT view, version FROM ${CATALOG.text}.view_version WHERE view = $1`;
    const takenUs: number[] = [];
    for (let read = 0; read < PRICE_READS; read++) {
      const startMs = performance.now();
      await pool.query({ text, values: ['none'], ...(pooled ? {} : { name: 'millrace-doctor' }) });
      takenUs.push((performance.now() - startMs) * 1000);
    }
    return takenUs.toSorted((a, b) => a - b)[PRICE_READS / 2] ?? 0;
  } finally {
    await pool.end();
  }
}
