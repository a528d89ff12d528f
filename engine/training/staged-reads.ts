import { BIGINT, INTEGER, VARCHAR } from 'duckdb';
import type { ServiceBlock } from '../define/compiled-view.ts';
import { RowAppender } from '../duckdb/row-appender.ts';
import type { ServedRead } from '../served/served-read.ts';
import { FeatureStaging } from './feature-staging.ts';
import type { StagedLog } from './match-reads.ts';
import type { ReadContext } from './reading.ts';
import { type ReadShape, ServedDefinitions } from './served-definitions.ts';
import { poolOf } from './served-plan.ts';

/** The logged reads of one block, waiting to be matched: their values in one table, what they are of in another. */
export class StagedReads implements StagedLog {
  readonly block: ServiceBlock;
  readonly definitions: ServedDefinitions;
  /** `row_number` (the read's number), `f0`, … per feature, then seq and as_of. */
  readonly values: FeatureStaging;
  /** number, request_id, entity_text, shape, found, the errors as they were logged, and the commit: version, fingerprint, seq, commit_id. */
  readonly metaTable: string;
  readonly names: readonly string[];
  readonly width: number;
  readonly #meta: RowAppender;
  #count = 0;

  private constructor(
    block: ServiceBlock,
    definitions: ServedDefinitions,
    values: FeatureStaging,
    metaTable: string,
    meta: RowAppender,
  ) {
    this.block = block;
    this.definitions = definitions;
    this.values = values;
    this.metaTable = metaTable;
    this.names = block.view.layout.features.map(({ name }) => name);
    this.width = this.names.length + 2;
    this.#meta = meta;
  }

  static async open(context: ReadContext, block: ServiceBlock): Promise<StagedReads> {
    const { duckdb } = context;
    const { view } = block;
    const definitions = await ServedDefinitions.load(poolOf(context), view);
    const results = view.layout.features.map((feature) => feature.result);
    const values = await FeatureStaging.create(duckdb, duckdb.newName('served_values'), [
      ...results,
      { kind: 'int' },
      { kind: 'timestamp' },
    ]);
    const metaTable = duckdb.newName('served_reads');
    await duckdb.run(
      `CREATE TABLE ${metaTable} (number BIGINT, request_id VARCHAR, entity_text VARCHAR, shape INTEGER, found INTEGER, errors VARCHAR, version INTEGER, fingerprint VARCHAR, seq BIGINT, commit_id BIGINT)`,
    );
    const meta = await RowAppender.open(duckdb, metaTable, [
      BIGINT,
      VARCHAR,
      VARCHAR,
      INTEGER,
      INTEGER,
      VARCHAR,
      INTEGER,
      VARCHAR,
      BIGINT,
      BIGINT,
    ]);
    return new StagedReads(block, definitions, values, metaTable, meta);
  }

  get shapes(): readonly ReadShape[] {
    return this.definitions.shapes;
  }

  add(read: ServedRead): void {
    const { entityText, cells, shape } = this.definitions.read(read);
    const number = this.#count++;
    this.values.append(number, [...cells, read.seq, read.asOfUs]);
    this.#meta.append(
      BigInt(number),
      read.requestId,
      entityText,
      shape.number,
      read.found ? 1 : 0,
      read.errorsJson,
      read.version,
      read.fingerprint,
      read.found && read.seq !== null ? BigInt(read.seq) : null,
      read.commitId,
    );
  }

  close(): void {
    this.values.close();
    this.#meta.close();
  }
}
