import { refusal } from '../engine/values/convert.ts';
import { formatDateTime } from '../engine/values/iso-time.ts';
import { type TimeRule, timeReading, timeRule } from '../engine/training/label-time.ts';
import type { RawValues, SpineColumn } from '../engine/training/spine-columns.ts';
import { SHOWN_COLUMNS } from './value-samples.ts';

const INTRODUCTION = `## The label time of a spine

A label that is read at another instant than was meant sees too much or too little, so nothing is guessed: a time without a zone needs \`timeZone\` (\`--time-zone\`), \`UTC\` or the name of a zone of the IANA database, and
is refused where a clock there showed it twice or never; a date needs \`timeAt\` (\`--time-at\`), \`start\` for the first instant of its day, \`end\` for the first of the day after, in \`timeZone\` or else UTC. Join keys that are
times are read by \`timeZone\` as well. The manifest has both.
`;

const RULES: readonly (readonly [said: string, TimeRule])[] = [
  ['nothing said', timeRule(null, null)],
  ['`--time-zone Europe/Berlin`', timeRule('Europe/Berlin', null)],
  ['`--time-at end`', timeRule(null, 'end')],
  ['both', timeRule('Europe/Berlin', 'end')],
];

const TEXTS = [
  '2024-02-29T12:00:00Z',
  '2024-02-29T12:00:00.123456+05:30',
  '2024-02-29 12:00:00+01',
  '2024-02-29T12:00:00',
  '2024-02-29 12:00',
  '2024-10-27T02:30:00',
  '2024-03-31T02:30:00',
  '2024-02-29',
  '2024-02-30',
  '2024-02-29T12:00:00.1234567Z',
  '29.02.2024',
  '1709208000',
];

const JSON_VALUES = [
  '"2024-02-29T12:00:00Z"',
  '"2024-02-29 12:00:00Z"',
  '"2024-02-29T12:00:00"',
  '"2024-02-29"',
  '1709208000',
];
const TIME_COLUMNS = /^(?:TIMESTAMP|DATE|BIGINT)/;

/** The section of `docs/values.md` on label times. */
export function labelTimes(): string {
  const ofColumns = SHOWN_COLUMNS.filter(({ type }) => TIME_COLUMNS.test(type) && type !== 'TIMESTAMPTZ_NS').flatMap(
    ({ type, values }) =>
      values.slice(0, 1).map(([raw, shown]): Row => [`${type} ${shown}`, columnOf('typed', type), raw]),
  );
  return [
    INTRODUCTION,
    table(
      'CSV',
      TEXTS.map((text): Row => [text, columnOf('text', 'VARCHAR'), text]),
    ),
    table(
      'JSON',
      JSON_VALUES.map((json): Row => [json, columnOf('json', 'VARCHAR'), JSON.parse(json) as unknown]),
    ),
    table('Parquet', ofColumns),
  ].join('\n');
}

type Row = readonly [shown: string, column: SpineColumn, raw: unknown];

function columnOf(door: RawValues['door'], type: string): SpineColumn {
  return { name: 'event_timestamp', type, output: '', raw: { door, expression: '', type } };
}

function table(door: string, rows: readonly Row[]): string {
  const head = `| ${door} | ${RULES.map(([said]) => said).join(' | ')} |`;
  const lines = rows.map(
    ([shown, column, raw]) => `| \`${shown}\` | ${RULES.map(([, rule]) => verdict(column, raw, rule)).join(' | ')} |`,
  );
  return [head, `|---|${RULES.map(() => '---|').join('')}`, ...lines, ''].join('\n');
}

/** The instant, or what is wrong, without what was expected and received, which is always the same. */
function verdict(column: SpineColumn, raw: unknown, rule: TimeRule): string {
  const found = timeReading(column, rule, true);
  if ('message' in found) return found.message;
  const value = found.reading.convert(raw);
  if (typeof value === 'number') return `**${formatDateTime(value)}**`;
  const [, advice] = refusal(found.reading, raw).split(/; (.*)/s);
  return advice ?? 'refused';
}
