import type { History } from '@temporalio/common/lib/proto-utils.js';

/**
 * Histories as JSON text: bytes as `{"$bytes": base64}`, 64-bit integers as `{"$long": decimal}`, all else as it is;
 * stack traces, which name folders of the machine, are left out. The SDK's own
 * converter works only where its packages share one copy of protobufjs, which npm does not promise.
 */
export function textOfHistory(history: History): string {
  return JSON.stringify(plain(history), null, 1);
}

/** The history of a text, as the SDK's replayer takes it. */
export function historyOfText(text: string): unknown {
  return JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$bytes' in value) return Buffer.from(String(value.$bytes), 'base64');
    return '$long' in value ? Number(value.$long) : value;
  });
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('low' in value && 'high' in value) return { $long: (value as { toString(): string }).toString() };
  const entries = Object.entries(value).filter(
    ([name, member]) => member !== null && member !== undefined && name !== 'stackTrace',
  );
  return Object.fromEntries(entries.map(([name, member]) => [name, plain(member)]));
}
