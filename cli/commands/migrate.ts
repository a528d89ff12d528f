import type { Command } from 'commander';
import { appendEvent } from '../../engine/postgres/audit-events.ts';
import { aheadOf, migrateToLatest, pendingMigrations } from '../../engine/postgres/migrate.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { applyRoles, roleStatements } from '../../engine/postgres/roles.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { neededServices } from '../services.ts';

interface MigrateOptions extends CommonOptions {
  readonly dryRun?: boolean | undefined;
  /** Commander's negatable option: true unless `--no-roles` was given. */
  readonly roles: boolean;
}

/** `millrace migrate`: the database brought up to date, its roles and their rights. */
export function addMigrateCommand(program: Command): void {
  const command = program
    .command('migrate')
    .description('bring the database up to date: tables, roles and their rights (as its owner; docs/deploy.md)')
    .option('--dry-run', 'say what would be done, and print the statements for roles and rights')
    .option('--no-roles', 'leave roles and rights as they are');
  withCommonOptions(command).action(async (options: MigrateOptions) => {
    const { env, output } = contextOf(options);
    const { databaseUrl } = await neededServices(env, ['databaseUrl'], 'any');
    const pool = createPool(databaseUrl, {
      max: 1,
      applicationName: 'millrace-migrate',
      installation: env.installation,
    });
    try {
      if (options.dryRun === true) {
        const ahead = await aheadOf(pool);
        if (ahead !== null) throw ahead;
        const pending = await pendingMigrations(pool);
        const statements = options.roles ? await roleStatements(pool) : [];
        if (output.isJson) return output.json({ pending, statements });
        output.line(pending.length === 0 ? 'no migrations to run' : `would run ${pending.join(', ')}`);
        for (const statement of statements) output.line(`${statement};`);
        if (pending.length > 0 && options.roles) output.note('What the migrations make is given its owner after them.');
        return;
      }
      const ran = await migrateToLatest(pool);
      if (ran.length > 0)
        await appendEvent(pool, { actor: actorName(), action: 'migrate', subject: null, input: {}, result: { ran } });
      const statements = options.roles ? await withTransaction(pool, (client) => applyRoles(client)) : [];
      if (output.isJson) return output.json({ ran, statements });
      output.line(ran.length === 0 ? 'the tables are up to date' : `ran ${ran.join(', ')}`);
      if (options.roles) output.line(`roles and rights: ${statements.length} statements`);
    } finally {
      await pool.end();
    }
  });
}
