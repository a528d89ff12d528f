import { HASHED, sensitiveHash } from '../values/sensitive-hash.ts';
import type { ColumnDecoder, CompiledContract, DecodeResult } from './compiled-contract.ts';

/** What a refusal shows of a value: a JSON text, or all up to what is advised on it. */
const RECEIVED = /, received ("(?:[^"\\]|\\.)*"|[^;,]*).*$/s;
const THREW = /( threw )(.*)$/s;
/** A reason that is about no field: the record as it came, or what a row function, which sees them all, made of it. */
const OF_ALL = /^(?:record|where|key|features)\b/;

/**
 * Reasons as they may be kept and shown: what was received of a sensitive field is hashed, and so is what was received, or thrown, where any
 * field may be behind it. Equal values have equal hashes.
 *
 * @example
 * hushReasons(['email: expected a string, received 5'], new Set(['email'])); // ['email: expected a string, received hash:…']
 */
export function hushReasons(reasons: readonly string[], sensitive: ReadonlySet<string>): readonly string[] {
  return reasons.map((reason) => {
    const field = /^[^.:[]*/.exec(reason)?.[0] ?? '';
    return sensitive.has(field) || OF_ALL.test(reason) ? hushedReason(reason) : reason;
  });
}

/** One reason without what was received or thrown. */
export function hushedReason(reason: string): string {
  return reason
    .replace(THREW, (whole, threw: string, what: string) =>
      what.startsWith(HASHED) ? whole : `${threw}${sensitiveHash(what)}`,
    )
    .replace(RECEIVED, (whole, shown: string) =>
      shown.startsWith(HASHED) ? whole : `, received ${sensitiveHash(valueOf(shown))}`,
    );
}

/** A text as it was received, without the quotes it is shown in. */
function valueOf(shown: string): unknown {
  if (!shown.startsWith('"')) return shown;
  const text: unknown = JSON.parse(shown);
  return text;
}

/** The same contract, whose reasons are hushed; where nothing is sensitive, itself. */
export function hushedContract(contract: CompiledContract, sensitive: ReadonlySet<string>): CompiledContract {
  if (sensitive.size === 0) return contract;
  const result = (decoded: DecodeResult): DecodeResult =>
    decoded.ok ? decoded : { ok: false, reasons: hushReasons(decoded.reasons, sensitive) };
  const column = (decode: ColumnDecoder): ColumnDecoder => {
    return (value, reasons) => {
      const before = reasons.length;
      const row = decode(value, reasons);
      if (reasons.length !== before) {
        const own = hushReasons(reasons.splice(before), sensitive);
        reasons.push(...own);
      }
      return row;
    };
  };
  return {
    fields: contract.fields,
    texts: contract.texts,
    decodeJson: (text) => result(contract.decodeJson(text)),
    decodeValue: (value) => result(contract.decodeValue(value)),
    columnDecoder: (field, type) => column(contract.columnDecoder(field, type)),
    textDecoder: (field) => column(contract.textDecoder(field)),
  };
}
