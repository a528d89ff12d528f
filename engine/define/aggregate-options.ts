import { describeReceived } from '../values/describe-received.ts';
import type { ReportFault } from './definition-fault.ts';

/** A number that an aggregate is given: how messages name it, its bound, and where it stands. */
export interface WholeOption {
  readonly name: string;
  readonly path: string;
  readonly most: number;
  readonly report: ReportFault;
  readonly example: string;
}

/** Whether an option of an aggregate is a whole number from 1 to its bound; reports it where not. */
export function checkWhole(value: unknown, { name, path, most, report, example }: WholeOption): value is number {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return true;
  report(
    'wrong-aggregate-option',
    `${path}.${name}`,
    `expected a whole number from 1 to ${most}, received ${describeReceived(value)}`,
    `Give it as a number, e.g. ${example}.`,
  );
  return false;
}

/** Whether an option of an aggregate is true or false; reports it where not. */
export function checkFlag(value: unknown, name: string, path: string, report: ReportFault): value is boolean {
  if (typeof value === 'boolean') return true;
  report(
    'wrong-aggregate-option',
    `${path}.${name}`,
    `expected true or false, received ${describeReceived(value)}`,
    `Write { ${name}: true }, or leave it out.`,
  );
  return false;
}
