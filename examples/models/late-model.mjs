/** What `decode` makes of an ONNX file, and how features become its inputs. */
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** As train.py has them. */
const NUMERIC = new Set(['int', 'int64', 'double', 'decimal']);

/**
 * A model that answers how likely it is. Its inputs are those of the training set, in their order: the published version says which.
 *
 * @param {Uint8Array} bytes
 * @param {import('millrace/client').ModelAbout} about
 */
export async function lateModel(bytes, about) {
  const session = await InferenceSession.create(bytes);
  const inputs = about.signature.features.filter(({ type }) => NUMERIC.has(type.kind));
  return {
    /** @param {Record<string, { values: Record<string, unknown> }>} read of `client.getService`, by block */
    async probability(read) {
      const row = inputs.map(({ block, feature }) => {
        const value = read[block]?.values[feature];
        // What training took for missing is missing here.
        return value === null || value === undefined ? Number.NaN : Number(value);
      });
      const features = new Tensor('float32', Float32Array.from(row), [1, row.length]);
      const { probabilities } = await session.run({ features });
      return Number(probabilities.data[1]);
    },
  };
}
