/** The definitions Millrace runs; add a file and list what it exports. */
export * from './flights.ts';
