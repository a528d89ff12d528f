/** TensorFlow.js without native code: one backend, in plain JavaScript, gives the same numbers on every machine. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';

// It would tell everybody who runs it in Node of its native build.
tf.env().set('IS_TEST', true);

/**
 * A network that answers one probability: of one layer it is a logistic regression, with `hidden` units between it can tell more.
 *
 * @param {number} width of its inputs
 * @param {number} hidden 0 for none
 * @param {number} seed
 */
export function newNetwork(width, hidden, seed) {
  const start = (n) => layers.initializers.glorotUniform({ seed: seed + n });
  const last = { units: 1, activation: 'sigmoid', kernelInitializer: start(1) };
  return layers.sequential({
    layers:
      hidden === 0
        ? [layers.layers.dense({ ...last, inputShape: [width] })]
        : [
            layers.layers.dense({
              units: hidden,
              activation: 'relu',
              inputShape: [width],
              kernelInitializer: start(0),
            }),
            layers.layers.dense(last),
          ],
  });
}

/**
 * @param {layers.Sequential} network
 * @param {Float32Array} rows
 * @param {Float32Array} labels
 * @param {{ epochs: number, batch: number, rate: number }} how
 */
export async function fit(network, rows, labels, { epochs, batch, rate }) {
  const count = labels.length;
  const [x, y] = [tf.tensor2d(rows, [count, rows.length / count]), tf.tensor2d(labels, [count, 1])];
  network.compile({ optimizer: tf.train.adam(rate), loss: 'binaryCrossentropy' });
  await network.fit(x, y, {
    epochs,
    batchSize: batch,
    shuffle: false,
    verbose: 0,
    callbacks: {
      onEpochEnd: (epoch, logs) =>
        process.stdout.write(`epoch ${epoch + 1} of ${epochs}: log loss ${logs.loss.toFixed(5)}\n`),
    },
  });
  tf.dispose([x, y]);
}

/**
 * @param {layers.Sequential} network
 * @param {Float32Array} rows
 * @param {number} count
 * @returns {Float32Array}
 */
export function predict(network, rows, count) {
  return tf.tidy(() =>
    network.predict(tf.tensor2d(rows, [count, rows.length / count]), { batchSize: 4096 }).dataSync(),
  );
}

/** The network as JSON can have it. */
export async function saved(network) {
  let kept;
  await network.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const bytes = tf.io.CompositeArrayBuffer.join(weightData);
      kept = { modelTopology, weightSpecs, weights: Buffer.from(bytes).toString('base64') };
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return kept;
}

/** What `saved` gave, as a network. */
export async function restored({ modelTopology, weightSpecs, weights }) {
  const bytes = Buffer.from(weights, 'base64');
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return await layers.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
}
