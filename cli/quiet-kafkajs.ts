/**
 * kafkajs asks for timers in the past, which Node 24 warns of (tulios/kafkajs#1751): harmless, and not for the user of a command line.
 * Import it before anything that uses Kafka.
 */
const emitWarning = process.emitWarning.bind(process);

process.emitWarning = (warning: string | Error, ...more: unknown[]): void => {
  const [options] = more;
  const type = typeof options === 'object' && options !== null && 'type' in options ? options.type : options;
  if (type !== 'TimeoutNegativeWarning') Reflect.apply(emitWarning, process, [warning, ...more]);
};
process.env['KAFKAJS_NO_PARTITIONER_WARNING'] = '1';
