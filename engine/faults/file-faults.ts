import type { Fault, NamedFault } from './fault.ts';

/** No space is left where files are written. */
export const NO_SPACE: NamedFault = {
  verdict: 'wait',
  code: 'archive-full',
  symptoms: ['ENOSPC', 'EDQUOT', /ENOSPC|EDQUOT|No space left|Disk quota exceeded/i],
  says: 'has no space left',
  remedy:
    'Free space in the archive (MILLRACE_ARCHIVE_DIR) or move it to a larger disk; nothing unwritten counts as archived, and archiving goes on by itself.',
  httpStatus: 507,
};

/** By errno, and as DuckDB words them. Of the archive's folder and what is written to it. The words follow "<what> at <path>". */
export const FILE_FAULTS: readonly Fault[] = [
  NO_SPACE,
  {
    verdict: 'stop',
    code: 'archive-not-writable',
    symptoms: [
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
    ],
    says: 'cannot be written to',
    remedy:
      'Let the worker write to the archive (MILLRACE_ARCHIVE_DIR): it must be a folder, mounted, and writable by its user.',
    httpStatus: 500,
  },
  {
    verdict: 'wait',
    code: 'archive-away',
    symptoms: [
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
    ],
    says: 'cannot be reached, or fails',
    remedy:
      'See that the archive (MILLRACE_ARCHIVE_DIR) is mounted and its disk is well; nothing unwritten counts as archived, and archiving goes on by itself.',
    httpStatus: 503,
  },
];
