import type { ColumnDecoder } from '../../contract/compiled-contract.ts';
import { describeReceived } from '../../values/describe-received.ts';
import type { FieldType } from '../../values/field-type.ts';

const numbers = new Set<FieldType['kind']>(['int', 'int64', 'decimal', 'double']);

/** Reads numbers whose decimal sign is a comma; a point in one is refused, it may group thousands. Other types are left as they are. */
export function withDecimalComma(type: FieldType, decode: ColumnDecoder): ColumnDecoder {
  if (!numbers.has(type.kind)) return decode;
  return (raw, reasons) => {
    if (typeof raw !== 'string') return decode(raw, reasons);
    const before = reasons.length;
    // A text that is no number in any dialect stands for one with a point.
    const value = decode(raw.includes('.') ? '.' : raw.replace(',', '.'), reasons);
    for (let index = before; index < reasons.length; index++) {
      reasons[index] = (reasons[index] as string).replace(
        // What is hashed already stays so.
        /received (?!hash:).*$/s,
        () => `received ${describeReceived(raw)}, where the decimal sign is declared to be a comma`,
      );
    }
    return value;
  };
}
