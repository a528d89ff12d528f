import type { ApplicationFailure } from '@temporalio/workflow';
import { failure } from './failure.ts';

/** What a workflow was started with: checked field by field, so that a person in the start form is told what to correct. */
export type Given = Readonly<Record<string, unknown>>;

export function invalid(message: string): ApplicationFailure {
  return failure('invalid-input', message, 'Correct the JSON input and start the workflow again.');
}

export function show(value: unknown): string {
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? typeof value);
}

/** The one JSON object with no fields but these. Throws `invalid-input`. */
export function objectOf(input: unknown, fields: readonly string[], example: string): Given {
  if (!isRecord(input)) throw invalid(`expected one JSON object like ${example}, received ${show(input)}`);
  const unknown = Object.keys(input).find((name) => !fields.includes(name));
  if (unknown !== undefined) throw invalid(`unknown field "${unknown}"; known: ${fields.join(', ')}`);
  return input;
}

/** A non-empty string. Throws `invalid-input`. */
export function textOf(given: Given, name: string): string {
  const value = given[name];
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`"${name}" must be a non-empty string, received ${show(value)}`);
}

/** A string, or undefined where it is not given. Throws `invalid-input`. */
export function optionalTextOf(given: Given, name: string): string | undefined {
  return given[name] === undefined || given[name] === null ? undefined : textOf(given, name);
}

/** True, false, or undefined where it is not given. Throws `invalid-input`. */
export function optionalFlagOf(given: Given, name: string): boolean | undefined {
  const value = given[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw invalid(`"${name}" must be true or false, received ${show(value)}`);
}

/** A whole number, or null where it is not given. Throws `invalid-input`. */
export function optionalWholeOf(given: Given, name: string, least: number, what = `"${name}"`): number | null {
  const value = given[name];
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw invalid(`${what} must be a whole number of at least ${least}, received ${show(value)}`);
}

/** A number above 0 and below 1, or undefined where it is not given. Throws `invalid-input`. */
export function optionalShareOf(given: Given, name: string): number | undefined {
  const value = given[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && value > 0 && value < 1) return value;
  throw invalid(`"${name}" must be a number above 0 and below 1, received ${show(value)}`);
}

export function isRecord(value: unknown): value is Given {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
