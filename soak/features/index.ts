/** The soak's definitions: twelve views of different shapes, over two sources and over what an application decides. */
export * from './customers.ts';
export * from './flights.ts';
export * from './offers.ts';
export * from './payments.ts';
export * from './shops.ts';
