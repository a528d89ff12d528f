/**
 * Stands among the retry policy's types of failures that are not tried again, in activities whose workflow waits by itself for what passes: to
 * them an activity says at once what it waits for. Earlier releases' workflows leave that to the policy.
 */
export const WAITED_BY_WORKFLOW = 'waited-by-workflow';
