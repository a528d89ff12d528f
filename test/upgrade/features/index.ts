/** The definitions of the upgrade fixture: one view in each state that an upgrade has to take over. */
export * from './orders.ts';
export * from './rides.ts';
export * from './visits.ts';
