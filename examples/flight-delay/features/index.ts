/** The definitions Millrace runs. */
export * from './departures.ts';
