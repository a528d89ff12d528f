import type { CompiledContract, DecodeResult, Row } from './compiled-contract.ts';

/** A rule over several fields of a decoded row: what it breaks is pushed as a reason, which begins with the field. Never throws. */
export type RowCheck = (row: Row, reasons: string[]) => void;

/**
 * The same contract, whose rows are held to a rule besides: one that breaks it is refused as one whose field is wrong. Columns of a history are not
 * rows, and are not held to it: a contract with a rule is for records alone.
 *
 * @example
 * checkedContract(contract, (row, reasons) => void (row['a'] === row['b'] && reasons.push('a: expected another one than b')));
 */
export function checkedContract(contract: CompiledContract, check: RowCheck): CompiledContract {
  const checked = (decoded: DecodeResult): DecodeResult => {
    if (!decoded.ok) return decoded;
    const reasons: string[] = [];
    check(decoded.row, reasons);
    return reasons.length === 0 ? decoded : { ok: false, reasons };
  };
  return {
    ...contract,
    decodeJson: (text) => checked(contract.decodeJson(text)),
    decodeValue: (value) => checked(contract.decodeValue(value)),
  };
}
