import { type Command, InvalidArgumentError } from 'commander';
import type pg from 'pg';
import { loadDefinitions } from '../../engine/define/load-definitions.ts';
import { pairsOwner } from '../../engine/pairs/pairs-options.ts';
import { wasJoined } from '../../engine/pairs/pairs-status.ts';
import { acceptInvalid } from '../../engine/postgres/accepted-invalid.ts';
import { appendEvent } from '../../engine/postgres/audit-events.ts';
import { deadLetters } from '../../engine/postgres/dead-letters.ts';
import { MillraceError } from '../../engine/errors/millrace-error.ts';
import { keptSizes } from '../../engine/postgres/kept-sizes.ts';
import { createPool } from '../../engine/postgres/pool.ts';
import { withTransaction } from '../../engine/postgres/transaction.ts';
import { versions } from '../../engine/postgres/view-versions.ts';
import { actorName } from '../actor.ts';
import { type CommonOptions, contextOf, withCommonOptions } from '../command-context.ts';
import { count, isoMicros } from '../output.ts';
import { neededServices } from '../services.ts';
import { lettersShownBy, type Payload, REVEALED } from '../shown-letters.ts';

const SHOWN_CHARS = 60;
/** What a table needs of a payload, and what JSON has of it unless it is asked for more. */
const TABLE_BYTES = 4 * SHOWN_CHARS;
const JSON_BYTES = 65_536;

/** `millrace dead-letters VIEW`, `millrace dead-letters accept SOURCE`. */
export function addDeadLettersCommand(program: Command): void {
  const command = program
    .command('dead-letters')
    .argument('<view>', 'or pairs:LABELSET, what could not be joined')
    .description('the newest records that broke the contract, with every reason')
    .option('--limit <n>', 'at most this many', limitOf, 20)
    .option('--payload-bytes <n>', 'with --json: at most so many bytes of each payload', limitOf, JSON_BYTES)
    .option('--reveal', 'show sensitive values, which are hashed else');
  addAcceptCommand(command);
  withCommonOptions(command).action(
    async (view: string, options: CommonOptions & { limit: number; payloadBytes: number; reveal?: true }) => {
      const { env, output, features } = contextOf(options);
      const { databaseUrl } = await neededServices(env, ['databaseUrl']);
      const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
      try {
        const isRevealed = options.reveal === true;
        const shown = isRevealed ? REVEALED : await lettersShownBy(features, (line) => output.note(line));
        // Of a record that is cut off nobody knows the fields.
        const bytes = output.isJson ? options.payloadBytes : isRevealed ? TABLE_BYTES : JSON_BYTES;
        const letters = (await deadLetters(pool, view, options.limit, bytes)).map((letter) => ({
          view: letter.view,
          version: letter.version,
          source: letter.source,
          topic: letter.topic,
          partition: letter.partition,
          offset: letter.offset,
          file: letter.file,
          reasons: shown.reasons(letter.source, letter.reasons),
          ...shown.payload(letter.source, payloadOf(letter.payload)),
          payloadBytes: letter.payloadBytes,
          at: isoMicros(letter.createdAtUs),
        }));
        // A misspelt view has none, either: that must not look like good news.
        if (letters.length === 0 && !(await isKnown(pool, view))) {
          throw new MillraceError('unknown-view', unknownText(view), {
            remedy:
              labelSetOf(view) === null
                ? `Correct the name ("millrace plan" lists the views), or start it: millrace start ${view}`
                : `Correct the name ("millrace list label-sets" has them), or start its joining: millrace pairs ${labelSetOf(view)}`,
            httpStatus: 404,
          });
        }
        if (output.isJson) return output.json(letters);
        const gone = (await keptSizes(pool, view)).filter(
          ({ kind, droppedRows }) => kind === 'dead-letters' && droppedRows > 0,
        );
        for (const { version, droppedRows, firstDroppedAtUs } of gone)
          output.line(
            `${view}: of version ${version} the ${count(droppedRows)} oldest were dropped, since ${isoMicros(firstDroppedAtUs ?? 0)}`,
          );
        if (letters.length === 0) return output.line(`${view}: no dead letters`);
        output.table(
          ['at', 'version', 'where', 'reasons', 'payload'],
          letters.map((letter) => [
            letter.at.slice(0, 19),
            letter.version,
            letter.file === null
              ? `${letter.topic}/${letter.partition}@${letter.offset}`
              : `${letter.file} row ${letter.offset}`,
            letter.reasons.join('\n'),
            short(letter.payload),
          ]),
        );
      } finally {
        await pool.end();
      }
    },
  );
}

/** `late` of `pairs:late`, the name of what could not be joined; null of a view. */
function labelSetOf(name: string): string | null {
  const prefix = pairsOwner('');
  return name.startsWith(prefix) ? name.slice(prefix.length) : null;
}

async function isKnown(pool: pg.Pool, name: string): Promise<boolean> {
  const labelSet = labelSetOf(name);
  return labelSet === null ? (await versions(pool, name)).length > 0 : await wasJoined(pool, labelSet);
}

function unknownText(name: string): string {
  const labelSet = labelSetOf(name);
  return labelSet === null
    ? `no version of a view "${name}" was ever built`
    : `pairs of a label set "${labelSet}" were never joined`;
}

/** A payload as text, and where text does not hold its very bytes in base64, too. */
function payloadOf(payload: Uint8Array | null): Payload {
  if (payload === null) return { payload: null };
  const bytes = Buffer.from(payload);
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes)
    ? { payload: text }
    : { payload: text, payloadBase64: bytes.toString('base64') };
}

/** `millrace dead-letters accept SOURCE --partition P --until OFFSET`. */
function addAcceptCommand(deadLetters: Command): void {
  const command = deadLetters
    .command('accept')
    .argument('<source>')
    .description('let no backfill, stream or export of a source stop again at the invalid records before an offset')
    .requiredOption('--partition <p>', 'a partition of its topic; -1 (or "history"): its history', partitionOf)
    .requiredOption('--until <offset>', 'the first offset that is not accepted; of a history the position', limitOf);
  withCommonOptions(command).action(
    async (source: string, options: { partition: number; until: number }, self: Command) => {
      // `--json` and `--features` are the parent's, too, and taken by it wherever they stand.
      const { env, features, output } = contextOf(self.optsWithGlobals<CommonOptions>());
      const { databaseUrl } = await neededServices(env, ['databaseUrl']);
      const { sources } = await loadDefinitions(features);
      if (!sources.has(source)) throw unknownSource(source, [...sources.keys()]);
      const pool = createPool(databaseUrl, { max: 1, applicationName: 'millrace-cli', installation: env.installation });
      try {
        const until = await withTransaction(pool, async (client) => {
          const accepted = await acceptInvalid(client, source, options.partition, options.until);
          const input = { partition: options.partition, until: options.until };
          const result = { until: accepted };
          await appendEvent(client, {
            actor: actorName(),
            action: 'dead-letters accept',
            subject: source,
            input,
            result,
          });
          return accepted;
        });
        if (output.isJson) return output.json({ source, partition: options.partition, until });
        const where = options.partition < 0 ? 'its history' : `partition ${options.partition}`;
        output.line(`${source}: invalid records of ${where} before ${until} are accepted; retry what stopped at them`);
      } finally {
        await pool.end();
      }
    },
  );
}

function unknownSource(source: string, known: readonly string[]): MillraceError {
  return new MillraceError('unknown-source', `no source "${source}" is defined`, {
    remedy: `Name one of: ${known.join(', ')}.`,
    httpStatus: 404,
  });
}

function partitionOf(text: string): number {
  if (text === 'history') return -1;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < -1)
    throw new InvalidArgumentError('expected a partition, -1 or "history"');
  return value;
}

/** A payload may be anything: control characters would act on the terminal. */
function short(payload: string | null): string {
  const text = JSON.stringify(payload ?? null).slice(1, -1);
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

function limitOf(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number of at least 1');
  return value;
}
