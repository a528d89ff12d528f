/** Everything exported here is a definition that Millrace runs. */
export * from './orders.ts';
