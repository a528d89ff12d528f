/** The soak's definitions: ten views of different shapes over two sources. */
export * from './customers.ts';
export * from './flights.ts';
export * from './payments.ts';
export * from './shops.ts';
