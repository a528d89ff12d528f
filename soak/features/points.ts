/** What a rating is worth. A file of its own: another version's code differs in it, and in nothing else. */
export const pointsOf = (rating: number | null): number | null => (rating === null ? null : rating * 20);
