import { randomBytes } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { durationMicros } from '../../engine/define/duration.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { insertToken, revokeToken, type StoredToken, tokens } from '../../engine/postgres/api-tokens.ts';
import { appendEvent } from '../../engine/postgres/audit-events.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { systemClock } from '../../engine/values/clock.ts';
import { formatDateTime } from '../../engine/values/iso-time.ts';
import { readScope } from '../../serving/access/scope.ts';
import { hashOf, idOf, TOKEN_RANDOM_BYTES, tokenOf } from '../../serving/access/token-text.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, isoMicros } from '../output.ts';
import { neededServices } from '../services.ts';

interface CreateOptions extends CommonOptions {
  readonly scope: readonly string[];
  /** How long from now, in µs; null: for ever. */
  readonly expires: number | null;
  readonly entitiesPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

const EXPIRES_US = 90 * 86_400_000_000;

/** `millrace token create|list|revoke`: who may ask the API. */
export function addTokenCommand(program: Command): void {
  const command = program.command('token').description('tokens for the HTTP API: made, listed and revoked');
  addCreate(command);
  addList(command);
  addRevoke(command);
}

function addCreate(parent: Command): void {
  const command = parent
    .command('create')
    .argument('<name>', 'whose it is, e.g. checkout-service')
    .description('make a token; it is shown this once, and only its hash is kept')
    .requiredOption(
      '--scope <scope...>',
      'what it may: read:NAME (a service or a view), read:* (all), write:NAME (decisions or outcomes), write:*, log, alerts, admin',
    )
    .addOption(
      new Option('--expires <duration>', 'for how long it opens, e.g. 12h, 30d; or never')
        .argParser(expiresOf)
        .default(EXPIRES_US, '90d'),
    )
    .option('--entities-per-second <n>', 'look-ups a second (default: MILLRACE_API_ENTITIES_PER_S)', rateOf)
    .option('--bytes-per-second <n>', 'bytes of requests a second (default: MILLRACE_API_BYTES_PER_S)', rateOf);
  withCommonOptions(command).action(async (name: string, options: CreateOptions) => {
    const { env, output } = contextOf(options);
    const scopes = options.scope.map((text) => (readScope(text), text));
    const nowUs = systemClock.nowUs();
    const token = tokenOf(randomBytes(TOKEN_RANDOM_BYTES));
    const hash = hashOf(token);
    const expiresAtUs = options.expires === null ? null : nowUs + options.expires;
    const id = idOf(hash);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const actor = actorName();
      await withTransaction(pool, async (client) => {
        await insertToken(client, {
          id,
          name,
          hash: Buffer.from(hash, 'hex'),
          scopes,
          entitiesPerS: options.entitiesPerSecond ?? null,
          bytesPerS: options.bytesPerSecond ?? null,
          createdBy: actor,
          createdAtUs: nowUs,
          expiresAtUs,
        });
        const until = expiresAtUs === null ? null : formatDateTime(expiresAtUs);
        const input = { scopes, expires: until };
        await appendEvent(client, { actor, action: 'token create', subject: name, input, result: { id } });
      });
    } finally {
      await pool.end();
    }
    const expires = expiresAtUs === null ? null : formatDateTime(expiresAtUs);
    if (output.isJson) return output.json({ id, name, token, scopes, expires_at: expires });
    output.line(token);
    output.note(`token ${id} of ${name}: ${scopes.join(', ')}; ${expires === null ? 'for ever' : `until ${expires}`}`);
    output.note('It is shown this once. Send it as "Authorization: Bearer TOKEN".');
  });
}

function addList(parent: Command): void {
  const command = parent
    .command('list')
    .description('all tokens: what they may, and when they were used')
    .option('--all', 'also those that are revoked or expired');
  withCommonOptions(command).action(async (options: CommonOptions & { all?: boolean }) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const nowUs = systemClock.nowUs();
      const found = await tokens(pool, options.all === true ? undefined : nowUs);
      if (output.isJson) return output.json(found.map((token) => jsonOf(token, nowUs)));
      if (found.length === 0)
        return output.line('no tokens; make one with: millrace token create NAME --scope read:VIEW');
      output.table(
        ['id', 'name', 'state', 'scopes', 'look-ups/s', 'bytes/s', 'made', 'by', 'expires', 'last used'],
        found.map((token) => [
          token.id,
          token.name,
          stateOf(token, nowUs),
          token.scopes.join(', '),
          count(token.entitiesPerS),
          count(token.bytesPerS),
          minute(token.createdAtUs),
          token.createdBy,
          minute(token.expiresAtUs) ?? 'never',
          minute(token.lastUsedAtUs) ?? 'never',
        ]),
      );
    } finally {
      await pool.end();
    }
  });
}

function addRevoke(parent: Command): void {
  const command = parent
    .command('revoke')
    .argument('<name>', 'its name or id')
    .description('let a token open nothing any more, within 5 s everywhere');
  withCommonOptions(command).action(async (name: string, options: CommonOptions) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl']);
    const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
    try {
      const revoked = await withTransaction(pool, async (client) => {
        const ids = await revokeToken(client, name, systemClock.nowUs());
        if (ids.length === 0) {
          throw new MillraceError('unknown-token', `no token in use has the name or id "${name}"`, {
            remedy: '"millrace token list" has those that are.',
            httpStatus: 404,
          });
        }
        const event = {
          actor: actorName(),
          action: 'token revoke',
          subject: name,
          input: {},
          result: { revoked: ids },
        };
        await appendEvent(client, event);
        return ids;
      });
      if (output.isJson) return output.json({ revoked });
      output.line(`revoked: ${revoked.join(', ')}; servers notice within 5 s`);
    } finally {
      await pool.end();
    }
  });
}

function stateOf({ revokedAtUs, expiresAtUs }: StoredToken, nowUs: number): 'in use' | 'revoked' | 'expired' {
  if (revokedAtUs !== null) return 'revoked';
  return expiresAtUs !== null && expiresAtUs <= nowUs ? 'expired' : 'in use';
}

function jsonOf(token: StoredToken, nowUs: number): object {
  const time = (atUs: number | null): string | null => (atUs === null ? null : isoMicros(atUs));
  return {
    id: token.id,
    name: token.name,
    state: stateOf(token, nowUs),
    scopes: token.scopes,
    entities_per_second: token.entitiesPerS,
    bytes_per_second: token.bytesPerS,
    created_at: time(token.createdAtUs),
    created_by: token.createdBy,
    expires_at: time(token.expiresAtUs),
    revoked_at: time(token.revokedAtUs),
    last_used_at: time(token.lastUsedAtUs),
  };
}

function minute(atUs: number | null): string | null {
  return atUs === null ? null : isoMicros(atUs).slice(0, 16).replace('T', ' ');
}

function expiresOf(text: string): number | null {
  if (text === 'never') return null;
  const micros = durationMicros(text);
  if (micros === undefined) throw new InvalidArgumentError('expected a duration like 12h or 30d, or "never"');
  return micros;
}

function rateOf(text: string): number {
  if (!/^[1-9]\d{0,11}$/.test(text)) throw new InvalidArgumentError('expected a whole number of at least 1');
  return Number(text);
}
