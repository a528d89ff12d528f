import { createHash } from 'node:crypto';
import { appendFile, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CompiledSource } from '../../engine/define/compiled-view.ts';
import { FileHashes } from '../../engine/history/file-hashes.ts';
import { fixedPart } from '../../engine/history/file-names.ts';
import type { HistoryFile, NamedFile } from '../../engine/history/history-files.ts';
import { type HistoryListings, listingOf, listingsOfProcess } from '../../engine/history/history-listing.ts';
import { scanHistory } from '../../engine/history/history-scan.ts';
import { filesNotIn, namedHistory, presentHistory } from '../../engine/history/named-history.ts';
import { type Clock, systemClock } from '../../engine/values/clock.ts';
import { AT, HistoryCase, sourceOf } from './history-case.ts';

const history = new HistoryCase();
const T = '2001-01-01T00:00:00Z';
const seed = Date.now() % 2 ** 31;
/** To it, every file was written long ago. */
const LATER: Clock = { ...systemClock, nowUs: () => systemClock.nowUs() + 3_600_000_000 };

interface Kind {
  readonly ending: string;
  /** Text of the same length for ids of the same length. */
  readonly rows: (ids: readonly string[]) => string;
}

const kinds: readonly Kind[] = [
  {
    ending: 'parquet',
    rows: (ids) =>
      `SELECT id, TIMESTAMPTZ '2001-01-01 00:00:00+00' AS "at" FROM (VALUES ${ids.map((id) => `('${id}')`).join(', ')}) v(id)`,
  },
  { ending: 'csv', rows: (ids) => `id,at\n${ids.map((id) => `${id},${T}\n`).join('')}` },
  { ending: 'jsonl', rows: (ids) => ids.map((id) => `${JSON.stringify({ id, at: T })}\n`).join('') },
];

function sourceIn(folder: string, ending: string): CompiledSource {
  const path = join(folder, `**/*.${ending}`);
  return sourceOf({ ...AT, country: AT.id }, { path, disjoint: true, partitions: ['country'] });
}

async function scanned(
  source: CompiledSource,
  files?: readonly NamedFile[],
  listings: HistoryListings = listingsOfProcess(systemClock),
): Promise<{ rows: unknown[]; files: readonly HistoryFile[] }> {
  const scan = scanHistory({
    source,
    ...(files === undefined ? {} : { reads: { of: 'version 1', files } }),
    order: 'any',
    duckdb: history.duckdb,
    listings,
    onInvalid: (_position, file, reasons) => {
      throw new Error(`${file}: ${reasons.join('; ')}`);
    },
  });
  const rows: { position: number; row: unknown }[] = [];
  for await (const batch of scan) for (const { row, offset } of batch) rows.push({ position: offset, row: { ...row } });
  return { rows: rows.sort((a, b) => a.position - b.position), files: scan.figures.files };
}

describe.each(kinds)('a history of $ending files', ({ ending, rows }) => {
  const three = (): Promise<string> =>
    history.files({
      [`country=NL/2001/b.${ending}`]: rows(['b1', 'b2']),
      [`country=NL/c.${ending}`]: rows(['c1']),
      [`country=DE/a.${ending}`]: rows(['a1', 'a2', 'a3']),
    });

  it('is read again as it was, wherever it lies now, whatever was added', async () => {
    const folder = await three();
    const before = await scanned(sourceIn(folder, ending));
    expect(before.rows).toHaveLength(6);
    expect(before.files.map(({ name, rows }) => [name, rows])).toEqual([
      [`country=DE/a.${ending}`, 3],
      [`country=NL/2001/b.${ending}`, 2],
      [`country=NL/c.${ending}`, 1],
    ]);
    // As the database keeps it.
    const named = JSON.parse(JSON.stringify(before.files)) as HistoryFile[];
    const moved = join(history.folder, `moved (${ending})`, 'deeper');
    const added = await history.files({ [`country=DE/0.${ending}`]: rows(['new']) });
    await rm(join(history.folder, `moved (${ending})`), { recursive: true, force: true });
    const parent = await history.files({});
    await rename(parent, join(history.folder, `moved (${ending})`));
    await rename(folder, moved);
    await rename(join(added, `country=DE/0.${ending}`), join(moved, `country=DE/0.${ending}`));
    const source = sourceIn(moved, ending);
    expect((await scanned(source, named)).rows).toEqual(before.rows);
    expect((await scanned(source)).rows).toHaveLength(7);
    expect(await filesNotIn(source, named)).toBe(1);
    // What was noted before there were names and hashes is found by its ending.
    const former = named.map(({ path, sizeBytes, rows: count }) => ({ path, sizeBytes, rows: count }));
    expect((await scanned(source, former)).rows).toEqual(before.rows);
    expect(await filesNotIn(source, former)).toBe(1);
    expect(await filesNotIn(sourceIn(join(history.folder, 'elsewhere'), ending), named)).toBeNull();
  });

  it('is refused by name where a file is gone, cut short, longer, or holds as many other bytes', async () => {
    const folder = await three();
    const source = sourceIn(folder, ending);
    const { files } = await scanned(source);
    const path = join(folder, `country=NL/c.${ending}`);
    const held = await readFile(path);
    const sha256 = createHash('sha256').update(held).digest('hex');
    const refused = (message: RegExp) =>
      expect(scanned(source, files)).rejects.toMatchObject({
        code: 'history-changed',
        retryable: false,
        message: expect.stringMatching(message),
      });
    await rm(path);
    await refused(/version 1 .*country=NL\/c\.\w+ is gone: expected at .*country=NL\/c/);
    await writeFile(path, held);
    await truncate(path, held.length - 1);
    await refused(new RegExp(`c\\.${ending} had ${held.length} bytes and has ${held.length - 1}$`));
    await writeFile(path, held);
    await appendFile(path, '\n');
    await refused(new RegExp(`c\\.${ending} had ${held.length} bytes and has ${held.length + 1}$`));
    const other = Buffer.from(held.toString('latin1').replaceAll('c1', 'c2'), 'latin1');
    expect(other.equals(held)).toBe(false);
    await writeFile(path, other);
    await refused(new RegExp(`c\\.${ending} had sha256 ${sha256} and has `));
    await writeFile(path, held);
    expect((await scanned(source, files)).files).toMatchObject(files.map(({ name, rows }) => ({ name, rows })));
  });
});

describe('what a file holds', () => {
  it('is read once while its size, times and inode stay, and again where they do not', async () => {
    const folder = await history.files({ 'a.jsonl': 'one', 'b.jsonl': 'two' });
    const path = join(folder, 'a.jsonl');
    const hashes = new FileHashes(LATER);
    const first = await hashes.identify(path);
    expect(first).toMatchObject({ sizeBytes: 3, sha256: createHash('sha256').update('one').digest('hex') });
    expect(await hashes.identify(path)).toEqual(first);
    expect(hashes.bytesRead).toBe(3);
    // Another process takes over what this one has read.
    const other = new FileHashes(LATER);
    other.trust(path, { stamp: first.stamp!, sha256: first.sha256 });
    expect(await other.identify(path)).toEqual(first);
    expect(other.bytesRead).toBe(0);
    await rename(join(folder, 'b.jsonl'), path);
    expect(await other.identify(path)).toMatchObject({ sha256: createHash('sha256').update('two').digest('hex') });
    expect(other.bytesRead).toBe(3);
  });

  it('is read again where it was written so lately that it may be written again under the same times', async () => {
    const folder = await history.files({ 'a.jsonl': 'one' });
    const hashes = new FileHashes({ ...systemClock, nowUs: () => 0 });
    for (const bytes of [3, 6]) {
      expect(await hashes.identify(join(folder, 'a.jsonl'))).toMatchObject({ stamp: undefined });
      expect(hashes.bytesRead).toBe(bytes);
    }
  });

  it('is asked of a version without reading a file that is as it was when the version was built', async () => {
    const folder = await history.files({ 'country=NL/a.csv': `id,at\na,${T}\n` });
    const source = sourceIn(folder, 'csv');
    const { files } = await presentHistory(source, new FileHashes(LATER));
    const audit = new FileHashes(LATER);
    const again = await namedHistory(source, { of: 'version 1', files }, audit);
    expect(again.files).toEqual(files);
    expect(audit.bytesRead).toBe(0);
  });
});

describe('a listing', () => {
  const file = { name: 'a.csv', sizeBytes: 3 };

  it('is its names, sizes and hashes, and was first read when its names and sizes were', async () => {
    let nowUs = 1;
    const listings = listingsOfProcess({ ...systemClock, nowUs: () => nowUs });
    const former = listingOf('orders', [file]);
    // To the byte what releases before this one stored.
    expect(former.digest).toBe(createHash('sha256').update('[{"name":"a.csv","sizeBytes":3}]').digest('hex'));
    expect(await listings.firstReadAtUs(former)).toBe(1);
    nowUs = 2;
    const known = listingOf('orders', [{ ...file, sha256: 'aa' }]);
    expect(known.digest).not.toBe(former.digest);
    expect(await listings.firstReadAtUs(known)).toBe(1);
    const unheard = listingOf('orders', [{ ...file, sizeBytes: 4, sha256: 'bb' }]);
    expect(await listings.firstReadAtUs(unheard)).toBe(2);
    nowUs = 3;
    // As many bytes, and other ones: another listing, with a time of its own.
    expect(await listings.firstReadAtUs(listingOf('orders', [{ ...file, sizeBytes: 4, sha256: 'cc' }]))).toBe(3);
    expect(await listings.firstReadAtUs(unheard)).toBe(2);
  });

  it(`has its files in one order wherever they lie (seed ${seed})`, () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[/\0]/.test(text));
    const names = fc.uniqueArray(fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')));
    const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
    fc.assert(
      fc.property(names, fc.constantFrom('/', '/data/x/', '/é (copy)/'), (all, base) => {
        const paths = all.map((one) => `${base}${one}`).sort(byBytes);
        expect(paths.map((path) => path.slice(base.length))).toEqual(all.toSorted(byBytes));
      }),
      { seed },
    );
  });

  it('counts names from where the glob begins, and parentheses are no glob', () => {
    expect(fixedPart('/home/project (copy)/data/*.csv')).toBe('/home/project (copy)/data');
    expect(fixedPart('/data/+(a|b)/x.csv')).toBe('/data');
    expect(fixedPart('/data/{a,b}/x.csv')).toBe('/data');
    expect(fixedPart('/data/x.csv')).toBe('/data');
  });
});
