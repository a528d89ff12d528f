/** What belongs to an event, as JSON. Of secrets nothing does. */
export type EventDetails = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
