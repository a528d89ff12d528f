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
 * @param {string} [manifest] where the manifest is
 */
export async function readTrainingSet(path, label, manifest = `${path}.manifest.json`) {
  const columns = columnsOf(JSON.parse(await readFile(manifest, 'utf8')));
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const rows = Number(metadata.num_rows);
  const wanted = [...columns.map(({ column }) => column), label];
  const values = new Map(wanted.map((column) => [column, new Float64Array(rows).fill(Number.NaN)]));
  await parquetRead({
    file,
    metadata,
    columns: wanted,
    compressors: { ZSTD: (input) => zstdDecompressSync(input) },
    onChunk: ({ columnName, columnData, rowStart }) => {
      const into = values.get(columnName);
      for (let n = 0; n < columnData.length; n++)
        if (columnData[n] !== null && columnData[n] !== undefined) into[rowStart + n] = Number(columnData[n]);
    },
  });
  const labels = values.get(label);
  if (labels.some(Number.isNaN)) throw new Error(`${path}: a row without ${label}`);
  return { columns, rows, labels, valuesOf: ({ column }) => values.get(column) };
}
