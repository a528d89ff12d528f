import { copyFile, open } from 'node:fs/promises';
import { invariant } from '../../errors/millrace-error.ts';
import { CompactReader, THRIFT } from './compact-reader.ts';

/** Fields of Parquet's footer: FileMetaData.schema, SchemaElement.logicalType, LogicalType.TIMESTAMP, its isAdjustedToUTC and unit, TimeUnit.NANOS. */
const SCHEMA = 2;
const LOGICAL_TYPE = 10;
const TIMESTAMP = 8;
const IS_UTC = 1;
const UNIT = 2;
const NANOS = 3;

/** The length of the footer and `PAR1`, at the end of the file. */
const TAIL_BYTES = 8;

/**
 * Copies a Parquet file, its nanoseconds in UTC without the mark of UTC: DuckDB cuts such to microseconds as it reads them, and reads others as
 * they are. The values are the same bytes.
 */
export async function withoutUtcNanoseconds(path: string, copy: string): Promise<void> {
  await copyFile(path, copy);
  const file = await open(copy, 'r+');
  try {
    const { size } = await file.stat();
    const tail = Buffer.alloc(TAIL_BYTES);
    await file.read(tail, 0, TAIL_BYTES, size - TAIL_BYTES);
    const length = tail.readUInt32LE(0);
    const start = size - TAIL_BYTES - length;
    const footer = Buffer.alloc(length);
    await file.read(footer, 0, length, start);
    for (const at of utcNanoseconds(footer)) {
      await file.write(Buffer.from([(footer[at]! & 0xf0) | THRIFT.no]), 0, 1, start + at);
    }
  } finally {
    await file.close();
  }
}

/** Where in a footer the marks of UTC of timestamps in nanoseconds stand. */
export function utcNanoseconds(footer: Buffer): number[] {
  const found: number[] = [];
  const reader = new CompactReader(footer);
  inStruct(reader, (id, type) => {
    if (id !== SCHEMA || type !== THRIFT.list) return false;
    const head = reader.list();
    for (let item = 0; item < (head?.count ?? 0); item++) {
      inStruct(reader, (field) => {
        if (field !== LOGICAL_TYPE) return false;
        inStruct(reader, (kind) => {
          if (kind !== TIMESTAMP) return false;
          let mark: number | null = null;
          let isNanos = false;
          inStruct(reader, (part, value, at) => {
            if (part === IS_UTC && value === THRIFT.yes) mark = at;
            if (part !== UNIT) return false;
            inStruct(reader, (unit) => {
              isNanos = unit === NANOS;
              return false;
            });
            return true;
          });
          if (mark !== null && isNanos) found.push(mark);
          return true;
        });
        return true;
      });
    }
    return true;
  });
  return found;
}

/** Goes through a struct's fields; `take` says whether it has read the value. DuckDB has read the footer before. */
function inStruct(reader: CompactReader, take: (id: number, type: number, at: number) => boolean): void {
  let id = 0;
  for (;;) {
    const field = reader.field(id);
    if (field === null) return;
    invariant(field !== undefined, 'a Parquet footer ends within a struct');
    id = field.id;
    const isSound = take(id, field.type, field.at) || reader.skip(field.type);
    invariant(isSound, `a Parquet footer has a field of type ${field.type}`);
  }
}
