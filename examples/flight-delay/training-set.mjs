/** Reading training sets of `millrace export`. */
import { readFile } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { columnsOf } from './inputs.mjs';

/**
 * The features of a training set, and the label, column by column.
 *
 * @param {string} path with its manifest beside it
 * @param {string} label the label's column
 * @param {{ manifest?: string, ids?: string }} [beside] where the manifest is; a column of texts that is read, too
 */
export async function readTrainingSet(path, label, { manifest = `${path}.manifest.json`, ids: idColumn } = {}) {
  const columns = columnsOf(JSON.parse(await readFile(manifest, 'utf8')));
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const rows = Number(metadata.num_rows);
  const wanted = [...columns.map(({ column }) => column), label];
  const values = new Map(wanted.map((column) => [column, new Float64Array(rows).fill(Number.NaN)]));
  const ids = [];
  await parquetRead({
    file,
    metadata,
    columns: idColumn === undefined ? wanted : [...wanted, idColumn],
    compressors: { ZSTD: (input) => zstdDecompressSync(input) },
    onChunk: ({ columnName, columnData, rowStart }) => {
      const into = values.get(columnName);
      for (let n = 0; n < columnData.length; n++) {
        const value = columnData[n];
        if (into === undefined) ids[rowStart + n] = value;
        else if (value !== null && value !== undefined) into[rowStart + n] = Number(value);
      }
    },
  });
  const labels = values.get(label);
  if (labels.some(Number.isNaN)) throw new Error(`${path}: a row without ${label}`);
  return { columns, rows, labels, ids, valuesOf: ({ column }) => values.get(column) };
}
