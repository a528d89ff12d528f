const WORKFLOW_ID_PREFIX = 'feature:';

/** The one id a view's lifecycle may have: uniqueness of the owner rests on it. */
export function featureWorkflowId(view: string): string {
  return `${WORKFLOW_ID_PREFIX}${view}`;
}

/** The view a lifecycle's workflow id speaks of, or null for other ids. */
export function viewOfWorkflowId(workflowId: string): string | null {
  return workflowId.startsWith(WORKFLOW_ID_PREFIX) ? workflowId.slice(WORKFLOW_ID_PREFIX.length) : null;
}
