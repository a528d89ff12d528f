import { isMillraceError, MillraceError } from '../errors/millrace-error.ts';
import { isNamed } from '../faults/fault.ts';
import { faultError, faultOf, symptomsOf } from '../faults/fault-table.ts';
import { NO_SPACE } from '../faults/file-faults.ts';
import { topicRecreated } from '../topic/topic-errors.ts';

/**
 * Names what went wrong while a file of the archive was written, as `engine/faults` has it: `archive-full` and `archive-away` (both are waited
 * for), `archive-not-writable`. Other errors are returned as they are.
 */
export function archiveWriteError(cause: unknown, path: string): unknown {
  if (!(cause instanceof Error)) return cause;
  const isSpill = isMillraceError(cause) && cause.code === 'spill-folder-full';
  if (isMillraceError(cause) && !isSpill) return cause;
  const fault = isSpill ? NO_SPACE : faultOf(['files'], symptomsOf(cause));
  if (fault === null || !isNamed(fault)) return cause;
  return faultError(fault, {
    message: `cannot write ${path}: the archive ${fault.says}: ${cause.message}`,
    variable: 'MILLRACE_ARCHIVE_DIR',
    details: { path },
    cause,
  });
}

/** What of the archive could not be read, for the message. */
export interface ArchivePlace {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  /** Exclusive. */
  readonly untilOffset: number;
}

const placeText = ({ topic, partition, fromOffset, untilOffset }: ArchivePlace): string =>
  `${topic}, partition ${partition}, offsets ${fromOffset} to ${untilOffset - 1}`;

export function fileMissing(path: string, what: string, details: Readonly<Record<string, unknown>>): MillraceError {
  return new MillraceError('archive-file-missing', `${path} is not there; it holds ${what}`, {
    remedy: `Put the file back from a copy, or check that the archive's folder (MILLRACE_ARCHIVE_DIR) is mounted; its records are nowhere else.`,
    httpStatus: 500,
    details: { path, ...details },
  });
}

export function fileDamaged(
  path: string,
  what: string,
  why: string,
  details: Readonly<Record<string, unknown>>,
): MillraceError {
  return new MillraceError(
    'archive-file-damaged',
    `${path} was changed after it was written (${why}); it holds ${what}`,
    {
      remedy: 'Put the file back from a copy: nothing is read from a file that is not the one that was written.',
      httpStatus: 500,
      details: { path, ...details },
    },
  );
}

/** What a file of archived records holds, as its errors say it. */
export function archivedPart(place: ArchivePlace): { what: string; details: Readonly<Record<string, unknown>> } {
  return { what: placeText(place), details: { ...place } };
}

export function logHole(place: ArchivePlace, reason: string | null): MillraceError {
  const why =
    reason === 'before-archiving'
      ? 'they were gone when archiving began'
      : reason === 'retention'
        ? 'retention deleted them before they were archived'
        : 'the topic holds them no more, and they were not archived';
  return new MillraceError('log-hole', `${placeText(place)}: ${why}`, {
    remedy: `Start at offset ${place.untilOffset} or later (a new backfill does), with a history that has the events before; lengthen the topic's retention so that the archiver keeps up.`,
    httpStatus: 409,
    details: { ...place, reason },
  });
}

/** What to do about a topic that is not the one that is archived. */
export const RECREATED_REMEDY =
  'What was archived stays as it is and is not mixed with the new topic: archive that under another topic name, or another source name.';

/** The error for a topic that is not the one that is archived. */
export function archivedTopicRecreated(what: string): MillraceError {
  return topicRecreated(what, { remedy: RECREATED_REMEDY });
}

/** Whether a failed file operation says that the file or its folder is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
