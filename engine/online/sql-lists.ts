import type { SlotLayout } from '../define/view-layout.ts';
import { internalBug } from '../errors/millrace-error.ts';
import { columnFormat } from '../postgres/column-types.ts';
import type { ScalarType } from '../values/field-type.ts';
import type { SlotPlace } from './sql-partials.ts';
import { CORRUPT, SIGNED, sqlValue, TEXT, UNSIGNED, zigzag } from './sql-values.ts';

/** What the lists of all slots are read with. */
export const LIST_VARIABLES =
  'items bigint; list_at bigint; item_us bigint; before_us bigint; item_part bigint; before_part bigint; item_place bigint; before_place bigint; before_id bytea; item_number numeric; before_number numeric; same boolean;';

/** The variables of a list of values: those of a tile, the one just read, the one before it. */
export function listVariables(name: string, input: ScalarType): string {
  const { held } = sqlValue(input);
  return `${name} ${held}[]; ${name}_x ${held}; ${name}_before ${held};`;
}

/** The variable that gathers a list over tiles. */
export function gatheredList(name: string, input: ScalarType): string {
  return `${name} ${sqlValue(input).held}[] := '{}';`;
}

function inputOf({ partial, input }: SlotLayout): ScalarType {
  if (input === null) throw internalBug(`a ${partial} slot without an input`);
  return input;
}

function sizeOf({ partial, size }: SlotLayout): number {
  if (size === undefined) throw internalBug(`a ${partial} slot without a size`);
  return size;
}

/** Reads the events of a `firstN` or `lastN` of a tile, and leaves their values in the array `name`; refuses what `listed-event.ts` refuses. */
export function listedStatements({ slot, tieBreak, hopUs }: SlotPlace, name: string): string[] {
  const value = sqlValue(inputOf(slot));
  const x = `${name}_x`;
  const time =
    hopUs === null
      ? [
          ...SIGNED,
          `item_us := ${zigzag('v')};`,
          `IF list_at > 1 AND item_us < before_us THEN ${CORRUPT} END IF;`,
          'v := item_us;',
        ]
      : [
          ...UNSIGNED,
          'item_us := before_us + v;',
          `IF item_us >= ${hopUs} THEN ${CORRUPT} END IF;`,
          `v := tile * ${hopUs} + item_us;`,
        ];
  const byPosition = [
    ...SIGNED,
    `item_part := ${zigzag('v')};`,
    ...UNSIGNED,
    'item_place := v;',
    `IF same AND (item_part < before_part OR item_part = before_part AND item_place < before_place) THEN ${CORRUPT} END IF;`,
    'same := same AND item_part = before_part AND item_place = before_place;',
    'before_part := item_part; before_place := item_place;',
  ];
  const byInteger = [
    ...UNSIGNED,
    ...TEXT,
    `IF convert_from(z, 'UTF8') !~ '^(0|-?[1-9][0-9]*)$' THEN ${CORRUPT} END IF;`,
    "item_number := convert_from(z, 'UTF8')::numeric;",
    `IF same AND item_number < before_number THEN ${CORRUPT} END IF;`,
    'same := same AND item_number = before_number;',
    'before_number := item_number;',
  ];
  const byText = [
    ...UNSIGNED,
    ...TEXT,
    `IF same AND z < before_id THEN ${CORRUPT} END IF;`,
    'same := same AND z = before_id;',
    'before_id := z;',
  ];
  return [
    ...UNSIGNED,
    `IF v > ${sizeOf(slot)} THEN ${CORRUPT} END IF;`,
    `items := v; list_at := 1; before_us := 0; ${name} := '{}';`,
    'WHILE list_at <= items LOOP',
    ...value.statements,
    `IF NOT present THEN ${CORRUPT} END IF;`,
    `${x} := ${value.read};`,
    ...time,
    `IF v > newest OR v < ${Number.MIN_SAFE_INTEGER} THEN ${CORRUPT} END IF;`,
    'same := list_at > 1 AND item_us = before_us;',
    'before_us := item_us;',
    ...(tieBreak === 'offset' ? byPosition : tieBreak === 'id' ? byText : byInteger),
    `IF same AND ${x} < ${name}_before THEN ${CORRUPT} END IF;`,
    `${name}_before := ${x};`,
    ...(slot.distinct === true ? [`IF ${x} = ANY(${name}) THEN ${CORRUPT} END IF;`] : []),
    `${name} := array_append(${name}, ${x});`,
    'list_at := list_at + 1;',
    'END LOOP;',
  ];
}

/** Takes the list `name` of a tile into the one of the tiles before it, `into`. */
export function gatherStatement(slot: SlotLayout, name: string, into: string): string {
  const size = sizeOf(slot);
  const x = `${name}_x`;
  const isFirst = slot.partial === 'firstN';
  const lastOnes = `IF cardinality(${into}) > ${size} THEN ${into} := ${into}[cardinality(${into}) - ${size - 1}:]; END IF;`;
  if (slot.distinct === true) {
    const take = isFirst
      ? `IF cardinality(${into}) < ${size} AND NOT ${x} = ANY(${into}) THEN ${into} := array_append(${into}, ${x}); END IF;`
      : `${into} := array_append(array_remove(${into}, ${x}), ${x});`;
    return `FOREACH ${x} IN ARRAY ${name} LOOP ${take} END LOOP;${isFirst ? '' : ` ${lastOnes}`}`;
  }
  return isFirst
    ? `IF cardinality(${into}) < ${size} THEN ${into} := (${into} || ${name})[1:${size}]; END IF;`
    : `${into} := ${into} || ${name}; ${lastOnes}`;
}

/** The SQL array of a held one. */
export function listResult(input: ScalarType, name: string): string {
  return `ARRAY(SELECT (${sqlValue(input).result('u.x')})::${columnFormat(input).castName} FROM unnest(${name}) WITH ORDINALITY u(x, n) ORDER BY u.n)`;
}
