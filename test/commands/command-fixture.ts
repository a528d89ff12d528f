import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandOptions } from '../../engine/commands/run-command.ts';
import type { TrainingRunOptions } from '../../engine/commands/run-training.ts';

/** Folders of a test: of code, of what runs leave, and scratch. */
export class CommandPlace {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-commands-'));
  readonly roots = join(this.folder, 'code');
  readonly scratch = join(this.folder, 'scratch');
  readonly left = join(this.folder, 'left');

  constructor() {
    for (const path of [this.roots, this.scratch, this.left]) mkdirSync(path);
  }

  /** A folder of code with these files. */
  code(files: Readonly<Record<string, string>>, name: string = randomUUID()): string {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(this.roots, name, path, '..'), { recursive: true });
      writeFileSync(join(this.roots, name, path), text);
      if (path.endsWith('.sh')) chmodSync(join(this.roots, name, path), 0o755);
    }
    return name;
  }

  /** A command of sh, for `runCommand`. */
  command(script: string, more: Partial<CommandOptions> = {}): CommandOptions {
    const cwd = mkdtempSync(join(this.scratch, 'cwd-'));
    return {
      program: 'sh',
      args: ['-c', script],
      cwd,
      environment: { PATH: process.env['PATH'] ?? '' },
      mark: randomUUID(),
      silenceMs: 60_000,
      timeoutMs: 60_000,
      memoryBytes: null,
      logFile: join(this.left, `${randomUUID()}.log`),
      logMostBytes: 2 ** 20,
      ...more,
    };
  }

  /** A training by a Node script, for `runTraining`. */
  training(script: string, more: Partial<TrainingRunOptions> = {}): TrainingRunOptions {
    const folder = this.code({ 'train.mjs': script });
    const left = mkdtempSync(join(this.left, 'run-'));
    return {
      rules: { roots: [this.roots], passed: [] },
      command: [process.execPath.replace(/^.*\//, ''), 'train.mjs'],
      folder,
      environment: {},
      scratch: this.scratch,
      model: 'late',
      set: {
        trainFile: join(left, 'train.parquet'),
        testFile: null,
        manifest: join(left, 'train.parquet.manifest.json'),
      },
      left: {
        model: join(left, 'model'),
        metrics: join(left, 'metrics.json'),
        scores: join(left, 'scores.csv'),
        log: join(left, 'command.log'),
      },
      mostModelBytes: 2 ** 20,
      silenceMs: 60_000,
      timeoutMs: 60_000,
      memoryBytes: null,
      ...more,
    };
  }

  /** What runs left in the scratch folder. */
  get scratched(): string[] {
    return readdirSync(this.scratch);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether a process lives, and is no zombie. */
export function lives(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}
