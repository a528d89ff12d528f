import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { internalBug } from '../../engine/errors/millrace-error.ts';
import { forkProgram } from '../forked-program.ts';
import type { Said, SaidResponse, SaidSuggestion } from './said.ts';

/** What the application is started with. */
export interface ApplicationConfig {
  readonly databaseUrl: string;
  readonly brokers: readonly string[];
  readonly decisionsPerSecond: number;
  readonly seed: number;
  /** Where it writes down what it says, a JSON object a line. */
  readonly journalPath: string;
}

/** What it says every now and then. */
export interface ApplicationReport {
  readonly decisions: number;
  readonly outcomes: number;
  /** Decisions whose features could not be read. */
  readonly unread: number;
  /** Of decisions and outcomes: acknowledged, and given up. */
  readonly sent: number;
  readonly dropped: number;
  readonly done: boolean;
}

/** The application and what it has said. */
export class ApplicationProcess {
  readonly #child: ChildProcess;
  readonly #journalPath: string;
  readonly #exited: Promise<number | null>;
  #latest: ApplicationReport = { decisions: 0, outcomes: 0, unread: 0, sent: 0, dropped: 0, done: false };

  private constructor(child: ChildProcess, journalPath: string) {
    this.#child = child;
    this.#journalPath = journalPath;
    this.#exited = new Promise((resolve) => child.once('exit', resolve));
    child.on('message', (report: ApplicationReport) => {
      this.#latest = report;
    });
  }

  /** Resolves when it has begun. */
  static async start(config: ApplicationConfig): Promise<ApplicationProcess> {
    const child = forkProgram(new URL('./application.ts', import.meta.url), config);
    const application = new ApplicationProcess(child, config.journalPath);
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(internalBug(`the soak's application ended with code ${code}`)));
    });
    return application;
  }

  get latest(): ApplicationReport {
    return this.#latest;
  }

  /** Lets it say what is still to come, and waits until all of it is acknowledged. */
  async stop(): Promise<ApplicationReport> {
    if (this.#child.connected) this.#child.send({ stop: true });
    const code = await this.#exited;
    if (code !== 0 || !this.#latest.done) throw internalBug(`the soak's application ended with code ${code}`);
    return this.#latest;
  }

  /** All that it has said, once it has stopped. */
  async said(): Promise<Said> {
    const lines = (await readFile(this.#journalPath, 'utf8')).split('\n').filter((line) => line !== '');
    const all = lines.map((line) => JSON.parse(line) as SaidSuggestion | SaidResponse);
    return {
      decisions: all.filter((one) => one.says === 'decision'),
      outcomes: all.filter((one) => one.says === 'outcome'),
    };
  }

  /** Ends it at once, whatever it is at. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
