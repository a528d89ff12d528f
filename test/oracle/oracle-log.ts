/** The naive oracle of a source's log: what becomes of every record, written from design §5 and docs/architecture.md alone. */

/** A source, as plain functions of an already parsed row of any type. */
export interface OracleSource<Row> {
  readonly eventTimeUs: (row: Row) => number;
  /** `null`: the source declares no event id. */
  readonly eventId: ((row: Row) => string) | null;
  readonly isValid: (row: Row) => boolean;
  /** History counts before it, the topic from it on; `null`: no bound. */
  readonly untilUs: number | null;
  readonly horizonUs: number;
  readonly maxAheadUs: number;
}

/** A topic record; `row: null` is a tombstone. Records of one partition are given in offset order. */
export interface OracleRecord<Row> {
  readonly partition: number;
  readonly offset: number;
  readonly timestampUs: number;
  readonly row: Row | null;
}

export type OracleOutcome = 'event' | 'undeduped' | 'tombstone' | 'invalid' | 'outside-until' | 'duplicate';

/** What became of one record or history row; its event fields are null where it was not valid. */
export interface OracleStep<Row> {
  readonly outcome: OracleOutcome;
  readonly row: Row | null;
  readonly eventTimeUs: number | null;
  readonly id: string | null;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Every history row (in order of position, partition -1) and every topic record (in the order given), with its outcome.
 * The valid events of the log are those with outcome `event`.
 *
 * @param history rows in (file path, row) order; a row's offset is its index
 */
export function oracleLog<Row>(
  source: OracleSource<Row>,
  history: readonly Row[],
  topic: readonly OracleRecord<Row>[],
): OracleStep<Row>[] {
  const valid = (row: Row) => source.isValid(row);
  const before = (row: Row) => source.untilUs === null || source.eventTimeUs(row) < source.untilUs;
  const idOf = (row: Row) => source.eventId?.(row) ?? null;

  const reaching = history
    .map((row, offset) => ({ row, offset }))
    .filter(({ row }) => valid(row) && before(row))
    .toSorted((a, b) => source.eventTimeUs(a.row) - source.eventTimeUs(b.row) || a.offset - b.offset);
  const claims = new Map<string, number>();
  const repeats = new Set<number>();
  for (const { row, offset } of reaching) {
    const id = idOf(row);
    const claimed = id === null ? undefined : claims.get(id);
    if (claimed !== undefined && source.eventTimeUs(row) <= claimed + source.horizonUs) repeats.add(offset);
    else if (id !== null) claims.set(id, source.eventTimeUs(row));
  }
  const historySteps = history.map((row, offset): OracleStep<Row> => {
    const stopped = !valid(row) ? 'invalid' : !before(row) ? 'outside-until' : null;
    return step(source, stopped ?? (repeats.has(offset) ? 'duplicate' : 'event'), row, -1, offset);
  });

  const historyNewest = Math.max(...reaching.map(({ row }) => source.eventTimeUs(row)), Number.NEGATIVE_INFINITY);
  const historyIds = [...claims];
  const partitions = new Map<number, { watermarkUs: number; firstUs: Map<string | null, number | null> }>();
  const topicSteps = topic.map(({ partition, offset, timestampUs, row }): OracleStep<Row> => {
    if (!partitions.has(partition))
      partitions.set(partition, {
        watermarkUs: historyNewest,
        firstUs: new Map<string | null, number | null>(historyIds),
      });
    if (row === null) return step(source, 'tombstone', row, partition, offset);
    if (!valid(row) || source.eventTimeUs(row) > timestampUs + source.maxAheadUs) {
      return step(source, 'invalid', row, partition, offset);
    }
    if (source.untilUs !== null && source.eventTimeUs(row) < source.untilUs) {
      return step(source, 'outside-until', row, partition, offset);
    }
    const known = partitions.get(partition)!;
    const watermarkUs = known.watermarkUs;
    known.watermarkUs = Math.max(watermarkUs, source.eventTimeUs(row));
    const id = idOf(row);
    const first = known.firstUs.get(id);
    if (id !== null && first !== undefined && known.watermarkUs <= first! + source.horizonUs) {
      return step(source, 'duplicate', row, partition, offset);
    }
    known.firstUs.set(id, source.eventTimeUs(row));
    const isOld = id !== null && source.eventTimeUs(row) < watermarkUs - source.horizonUs;
    return step(source, isOld ? 'undeduped' : 'event', row, partition, offset);
  });
  return [...historySteps, ...topicSteps];
}

function step<Row>(
  source: OracleSource<Row>,
  outcome: OracleOutcome,
  row: Row | null,
  partition: number,
  offset: number,
): OracleStep<Row> {
  const known = row !== null && source.isValid(row);
  return {
    outcome,
    row,
    eventTimeUs: known ? source.eventTimeUs(row) : null,
    id: known ? (source.eventId?.(row) ?? null) : null,
    partition,
    offset,
  };
}

/** A view over a log: `where`, then the join key (`null` where any part is). */
export interface OracleView<Row> {
  readonly where: (row: Row) => boolean;
  readonly key: (row: Row) => string | null;
}

/** The valid events of a log as a view sees them: by entity, in log order, and what stopped on the way. */
export function oracleView<Row>(
  view: OracleView<Row>,
  log: readonly OracleStep<Row>[],
): { filtered: number; nullKey: number; entities: Map<string, OracleStep<Row>[]> } {
  const events = log.filter(({ outcome }) => outcome === 'event' || outcome === 'undeduped');
  const kept = events.filter(({ row }) => view.where(row!));
  const keyed = kept.filter(({ row }) => view.key(row!) !== null);
  return {
    filtered: events.length - kept.length,
    nullKey: kept.length - keyed.length,
    entities: Map.groupBy(keyed, ({ row }) => view.key(row!)!),
  };
}
