/** Turns a column's raw value into a row value, or pushes reasons (see `CompiledContract.columnDecoder`). */
export type Decode = (raw: unknown, reasons: string[]) => unknown;

/** Small integers, the common ones, from `-SMALL_FROM` to below `SMALL_SIZE - SMALL_FROM`. */
const SMALL_FROM = 4096;
const SMALL_SIZE = 16_384;
const TEXTS = 4096;

/**
 * A decoder that remembers what it made of values that come again: the small integers, the last time, short texts. A decoder's result is
 * a function of its value; the checks declared on the field are too (a contract with code of its own is refused).
 */
export function rememberedDecode(decode: Decode, type: string): Decode {
  if (/^U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)$/.test(type)) return rememberSmallIntegers(decode);
  if (/^(?:TIMESTAMP|DATE)/.test(type)) return rememberLast(decode);
  return type === 'VARCHAR' ? rememberTexts(decode) : decode;
}

function rememberSmallIntegers(decode: Decode): Decode {
  const known = new Array<unknown>(SMALL_SIZE).fill(undefined);
  return (raw, reasons) => {
    if (typeof raw !== 'number') return decode(raw, reasons);
    const at = raw + SMALL_FROM;
    if (!(at >= 0 && at < SMALL_SIZE)) return decode(raw, reasons);
    const before = known[at];
    if (before !== undefined) return before;
    const value = decode(raw, reasons);
    if (reasons.length === 0) known[at] = value;
    return value;
  };
}

function rememberLast(decode: Decode): Decode {
  let lastRaw: unknown;
  let lastValue: unknown;
  return (raw, reasons) => {
    if (raw === lastRaw && raw !== undefined) return lastValue;
    const value = decode(raw, reasons);
    if (reasons.length === 0 && typeof value !== 'object') {
      lastRaw = raw;
      lastValue = value;
    }
    return value;
  };
}

function rememberTexts(decode: Decode): Decode {
  const known = new Map<unknown, unknown>();
  let misses = 0;
  return (raw, reasons) => {
    // All different, as ids are: looking them up would only cost.
    if (misses >= TEXTS) return decode(raw, reasons);
    const before = known.get(raw);
    if (before !== undefined) {
      if (misses > 0) misses--;
      return before;
    }
    misses++;
    const value = decode(raw, reasons);
    if (reasons.length === 0 && known.size < TEXTS && typeof value !== 'object') known.set(raw, value);
    return value;
  };
}
