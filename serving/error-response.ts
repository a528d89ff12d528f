import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { HTTPException } from 'hono/http-exception';
import { isMillraceError, MillraceError } from '../engine/errors/millrace-error.ts';

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** An error as HTTP tells it. Faults of our own keep their message to the log. */
export function errorResponse(error: unknown): { readonly status: ContentfulStatusCode; readonly body: ErrorBody } {
  const named = nameError(error);
  const { code, message, remedy } = named;
  return { status: named.httpStatus as ContentfulStatusCode, body: { code, message, remedy } };
}

function nameError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error;
  if (error instanceof HTTPException && error.status < 500) {
    return new MillraceError('invalid-request', error.message === '' ? 'the request cannot be read' : error.message, {
      remedy: 'See /openapi.json.',
      httpStatus: error.status,
    });
  }
  return new MillraceError('internal-bug', 'the request failed for a reason of our own', {
    remedy: 'This is a bug in Millrace: report it with what the log says.',
    httpStatus: 500,
  });
}

/** The error for a body that does not follow the schema. */
export function invalidRequest(
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): MillraceError {
  const lines = issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
  );
  return new MillraceError('invalid-request', lines.join('; '), { remedy: 'See /openapi.json.' });
}
