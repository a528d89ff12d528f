import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { isMillraceError, MillraceError } from '../../engine/errors/millrace-error.ts';
import { archiveWriteError } from '../../engine/archive/archive-errors.ts';
import { faultOf, FAULTS } from '../../engine/faults/fault-table.ts';
import { kafkaFailure } from '../../engine/kafka/kafka-failure.ts';
import { namePostgresError } from '../../engine/postgres/postgres-error.ts';

const coded = (code: string, message = `as ${code}`): Error => Object.assign(new Error(message), { code });

/** What a service's error becomes, in two words; `bug` where it keeps its own name. */
function told(named: unknown): string {
  if (!isMillraceError(named)) return 'unnamed';
  return `${named.code}: ${named.waits ? 'wait' : named.retryable ? 'retry' : 'stop'}`;
}

const postgres = (code: string, message?: string): string => told(namePostgresError(coded(code, message), 'db:1/x'));
const kafka = (error: unknown): string => told(kafkaFailure(error, ['k:1'], 'topic t').error);
const kafkaJs = (name: string, more: object = {}): Error => Object.assign(new Error('no'), { name, ...more });
const archive = (error: unknown): string => told(archiveWriteError(error, '/archive/t/0.parquet'));

describe('the table of faults', () => {
  test('reaches every row: none stands behind one that takes all it would match', () => {
    const shadowed: string[] = [];
    for (const table of Object.keys(FAULTS) as (keyof typeof FAULTS)[])
      for (const fault of FAULTS[table])
        for (const symptom of fault.symptoms) {
          if (symptom instanceof RegExp) continue;
          const mark = symptom.replace('*', 'ZZZ');
          if (faultOf([table], { marks: [mark], text: '' }) !== fault) shadowed.push(`${table} ${symptom}`);
        }
    expect(shadowed).toEqual([]);
  });

  test('names no code whose verdict differs between two rows of one service', () => {
    for (const rows of Object.values(FAULTS)) {
      const verdicts = new Map<string, Set<string>>();
      for (const { code, verdict } of rows)
        if (code !== null && verdict !== 'retry') verdicts.set(code, (verdicts.get(code) ?? new Set()).add(verdict));
      expect([...verdicts].filter(([, seen]) => seen.size > 1)).toEqual([]);
    }
  });

  test.each([
    ['25006', 'database-read-only: wait'],
    ['53100', 'database-full: wait'],
    ['53200', 'database-exhausted: wait'],
    ['53300', 'service-unreachable: wait'],
    ['57P01', 'service-unreachable: wait'],
    ['57P05', 'service-unreachable: wait'],
    ['25P03', 'service-unreachable: wait'],
    ['08006', 'service-unreachable: wait'],
    ['40003', 'transaction-conflict: wait'],
    ['40P01', 'transaction-conflict: wait'],
    ['55P03', 'transaction-conflict: wait'],
    ['58030', 'database-failing: wait'],
    ['57014', 'query-timeout: retry'],
    ['28P01', 'database-refused: stop'],
    ['42501', 'database-refused: stop'],
    ['3D000', 'database-refused: stop'],
    ['57P04', 'database-refused: stop'],
    ['XX001', 'database-damaged: stop'],
    ['54000', 'database-limit: stop'],
    ['23505', 'unnamed'],
    ['22P02', 'unnamed'],
    ['42703', 'unnamed'],
    ['ECONNREFUSED', 'service-unreachable: wait'],
    ['ENOTFOUND', 'service-unreachable: wait'],
    ['EMFILE', 'service-unreachable: wait'],
    ['EPROTO', 'service-unreachable: wait'],
    ['CERT_HAS_EXPIRED', 'service-unreachable: wait'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate-refused: stop'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate-refused: stop'],
  ])('Postgres, %s: %s', (code, expected) => expect(postgres(code)).toBe(expected));

  test("the driver's and a pooler's errors without a code of their own are told by their words", () => {
    expect(told(namePostgresError(new Error('Connection terminated unexpectedly'), 'db'))).toBe(
      'service-unreachable: wait',
    );
    expect(told(namePostgresError(new Error('The server does not support SSL connections'), 'db'))).toBe(
      'certificate-refused: stop',
    );
    expect(told(namePostgresError(new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: no password'), 'db'))).toBe(
      'database-refused: stop',
    );
    expect(postgres('08P01', 'unsupported startup parameter in options: extra_float_digits')).toBe(
      'startup-parameter-refused: stop',
    );
    expect(postgres('08P01', 'query_wait_timeout')).toBe('service-unreachable: wait');
    expect(postgres('42P01', 'relation "millrace_catalog.view_version" does not exist')).toBe(
      'database-not-prepared: stop',
    );
  });

  test('several addresses that fail are told by the first that is known; the remedy names what to set', () => {
    const all = new AggregateError([new Error('?'), coded('ECONNREFUSED', 'connect ECONNREFUSED ::1:5432')], '');
    const named = namePostgresError(all, 'localhost:5432/x');
    expect(told(named)).toBe('service-unreachable: wait');
    expect((named as MillraceError).remedy).toContain('DATABASE_URL');
  });

  test("a file's error is not the database's, whose codes it shares", async () => {
    const missing: unknown = await readFile('/nowhere/to/be/found').catch((error: unknown) => error);
    expect(namePostgresError(missing, 'db')).toBe(missing);
    const socket = Object.assign(coded('ENOENT'), { syscall: 'connect', path: '/run/.s.PGSQL.5432' });
    expect(told(namePostgresError(socket, 'db'))).toBe('service-unreachable: wait');
  });

  test('Kafka: a broker that is away is waited for, and what it refuses is not', () => {
    expect(kafka(kafkaJs('KafkaJSConnectionError', { code: 'ECONNREFUSED' }))).toBe('service-unreachable: wait');
    expect(kafka(kafkaJs('KafkaJSConnectionError', { code: 'SELF_SIGNED_CERT_IN_CHAIN' }))).toBe(
      'certificate-refused: stop',
    );
    const retried = kafkaJs('KafkaJSNumberOfRetriesExceeded', { cause: kafkaJs('KafkaJSRequestTimeoutError') });
    expect(kafka(retried)).toBe('service-unreachable: wait');
    const type = (of: string): string => kafka(kafkaJs('KafkaJSProtocolError', { type: of }));
    expect(type('NOT_LEADER_FOR_PARTITION')).toBe('service-unreachable: wait');
    expect(type('UNKNOWN_TOPIC_OR_PARTITION')).toBe('topic-not-found: stop');
    expect(type('TOPIC_AUTHORIZATION_FAILED')).toBe('kafka-not-authorized: stop');
    expect(kafka(kafkaJs('KafkaJSSASLAuthenticationError'))).toBe('kafka-authentication-failed: stop');
    expect(kafka(kafkaJs('KafkaJSNotImplemented'))).toBe('kafka-failed: stop');
  });

  test.each(['ESTALE', 'EIO', 'ENOENT', 'ENOTCONN', 'ETIMEDOUT', 'EROFS', 'EMFILE'])(
    'a folder away, %s: wait',
    (code) => expect(archive(coded(code))).toBe('archive-away: wait'),
  );

  test('a full disk is waited for, a folder that may not be written to is not', () => {
    expect(archive(coded('ENOSPC'))).toBe('archive-full: wait');
    expect(archive(new Error('IO Error: Could not write file "x": No space left on device'))).toBe(
      'archive-full: wait',
    );
    expect(archive(new Error('IO Error: Cannot open file "x": Stale file handle'))).toBe('archive-away: wait');
    expect(archive(new Error('IO Error: Cannot open file "x": Permission denied'))).toBe('archive-not-writable: stop');
    for (const code of ['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST'])
      expect(archive(coded(code))).toBe('archive-not-writable: stop');
    const spill = new MillraceError('spill-folder-full', 'full', { remedy: 'Free it.', waits: true });
    expect(archive(spill)).toBe('archive-full: wait');
  });
});
