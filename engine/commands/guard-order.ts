/** What a guard is told to run: the first line of its standard input, as JSON. */
export interface GuardOrder {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  /** What stands as `MARK_VARIABLE` in the environment of the command, and of all it starts. */
  readonly mark: string;
  /** Of all its processes together; null: no limit. */
  readonly memoryBytes: number | null;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/** By what a command's processes are known, also those that left its process group. */
export const MARK_VARIABLE = 'MILLRACE_COMMAND';

/** What a guard tells over its file descriptor 3, one JSON line each. */
export type GuardReport =
  | { readonly started: number }
  | { readonly notStarted: string; readonly code: string | null }
  | { readonly overMemoryBytes: number }
  | { readonly ended: { readonly exitCode: number | null; readonly signal: string | null } };
