import { MillraceError } from '../errors/millrace-error.ts';
import { DUCKDB_FAULTS } from './duckdb-faults.ts';
import type { Fault, NamedFault } from './fault.ts';
import { FILE_FAULTS, OUT_FAULTS } from './file-faults.ts';
import { KAFKA_FAULTS } from './kafka-faults.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { POSTGRES_FAULTS } from './postgres-faults.ts';
import { TEMPORAL_FAULTS } from './temporal-faults.ts';

/** All rows, by who gives the error. A service that is reached over the network has the network's, too. */
export const FAULTS = {
  postgres: POSTGRES_FAULTS,
  kafka: KAFKA_FAULTS,
  temporal: TEMPORAL_FAULTS,
  network: NETWORK_FAULTS,
  files: FILE_FAULTS,
  outputs: OUT_FAULTS,
  duckdb: DUCKDB_FAULTS,
} as const satisfies Readonly<Record<string, readonly Fault[]>>;

/** What an error shows of itself. */
export interface Symptoms {
  /** Codes, names and types, most telling first. */
  readonly marks: readonly string[];
  readonly text: string;
}

/** The row of the first table that knows the error; null where none does. */
export function faultOf(tables: readonly (keyof typeof FAULTS)[], symptoms: Symptoms): Fault | null {
  for (const table of tables) {
    const rows: readonly Fault[] = FAULTS[table];
    const row = rows.find((fault) => fault.symptoms.some((symptom) => shows(symptoms, symptom)));
    if (row !== undefined) return row;
  }
  return null;
}

function shows({ marks, text }: Symptoms, symptom: string | RegExp): boolean {
  if (symptom instanceof RegExp) return symptom.test(text);
  if (!symptom.endsWith('*')) return marks.includes(symptom);
  const beginning = symptom.slice(0, -1);
  return marks.some((mark) => mark.startsWith(beginning));
}

/** The symptoms of any error: `code`, `type` and `name` where they are texts, and its message. */
export function symptomsOf(error: unknown): Symptoms {
  if (typeof error !== 'object' || error === null) return { marks: [], text: String(error) };
  const marks = ['code', 'type', 'name'].flatMap((field) => {
    const mark: unknown = Reflect.get(error, field);
    return typeof mark === 'string' ? [mark] : [];
  });
  return { marks, text: error instanceof Error ? error.message : '' };
}

/** Where a fault came up, and what the error is to say of it. */
export interface FaultPlace {
  readonly message: string;
  /** The variable that says where the service is, as remedies name it. */
  readonly variable: string;
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  readonly cause: unknown;
}

/** The error of a row that has a code. */
export function faultError(fault: NamedFault, place: FaultPlace): MillraceError {
  const { verdict, code, httpStatus } = fault;
  return new MillraceError(code, place.message, {
    remedy: fault.remedy.replace('{address}', place.variable),
    retryable: verdict === 'wait' || verdict === 'retry',
    waits: verdict === 'wait',
    httpStatus,
    details: place.details,
    cause: place.cause,
  });
}
