/** What `decode` makes of a model's file. */
import { putRow, widthOf } from './inputs.mjs';
import { predict, restored } from './network.mjs';

/** @param {Uint8Array} bytes */
export async function lateModel(bytes) {
  const { inputs, network: kept } = JSON.parse(Buffer.from(bytes).toString());
  const network = await restored(kept);
  const width = widthOf(inputs);
  return {
    /**
     * How likely each flight is late.
     *
     * @param {Record<string, { values: Record<string, unknown> }>[]} reads each of `client.getService`, by block
     */
    probabilities(reads) {
      const rows = new Float32Array(reads.length * width);
      for (const [n, read] of reads.entries())
        putRow(inputs, ({ block, feature }) => numberOf(read[block]?.values[feature]), rows, n * width);
      return predict(network, rows, reads.length);
    },
  };
}

function numberOf(value) {
  return value === null || value === undefined ? Number.NaN : Number(value);
}
