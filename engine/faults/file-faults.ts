import type { Fault, NamedFault } from './fault.ts';

/** By errno, and as DuckDB words them. */
const FULL = ['ENOSPC', 'EDQUOT', /ENOSPC|EDQUOT|No space left|Disk quota exceeded/i];
const DENIED = [
  'EACCES',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'ENAMETOOLONG',
  'ELOOP',
  'EINVAL',
  'EFBIG',
  /Permission (denied|Error)|Not a directory|Is a directory|File name too long/i,
];
const AWAY = [
  'ESTALE',
  'EIO',
  'ENOENT',
  'ENOTCONN',
  'ETIMEDOUT',
  'EROFS',
  'ENXIO',
  'ENODEV',
  'ENOLINK',
  'EREMOTEIO',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'EBUSY',
  'EAGAIN',
  'EINTR',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  /^IO Error/i,
];

/** No space is left in the archive. */
export const NO_SPACE: NamedFault = {
  verdict: 'wait',
  code: 'archive-full',
  symptoms: FULL,
  says: 'has no space left',
  remedy:
    'Free space in the archive (MILLRACE_ARCHIVE_DIR) or move it to a larger disk; nothing unwritten counts as archived, and archiving goes on by itself.',
  httpStatus: 507,
};

/** Of the archive's folder and what is written to it. The words follow "the archive". */
export const FILE_FAULTS: readonly Fault[] = [
  NO_SPACE,
  {
    verdict: 'stop',
    code: 'archive-not-writable',
    symptoms: DENIED,
    says: 'cannot be written to',
    remedy:
      'Let the worker write to the archive (MILLRACE_ARCHIVE_DIR): it must be a folder, mounted, and writable by its user.',
    httpStatus: 500,
  },
  {
    verdict: 'wait',
    code: 'archive-away',
    symptoms: AWAY,
    says: 'cannot be reached, or fails',
    remedy:
      'See that the archive (MILLRACE_ARCHIVE_DIR) is mounted and its disk is well; nothing unwritten counts as archived, and archiving goes on by itself.',
    httpStatus: 503,
  },
];

/** No space is left where a training set is written. */
export const OUT_NO_SPACE: NamedFault = {
  verdict: 'wait',
  code: 'out-full',
  symptoms: FULL,
  says: 'has no space left',
  remedy: 'Free space there; the export starts over by itself. Or end it, and choose another path.',
  httpStatus: 507,
};

/** Of the folder that a training set is written to. The words follow "the folder". */
export const OUT_FAULTS: readonly Fault[] = [
  OUT_NO_SPACE,
  {
    verdict: 'stop',
    code: 'out-not-writable',
    symptoms: DENIED,
    says: 'cannot be written to',
    remedy: 'Allow writing to the folder, or choose another path.',
    httpStatus: 400,
  },
  {
    verdict: 'wait',
    code: 'out-away',
    symptoms: AWAY,
    says: 'cannot be reached, or fails',
    remedy:
      'See that the folder is mounted and its disk is well; the export starts over by itself. Or end it, and choose another path.',
    httpStatus: 503,
  },
];
