/** What is wrong with the bytes of a CSV file, and on which line, from 1; its file is the caller's to name. */
export class CsvFault extends Error {
  readonly line: number;
  readonly remedy: string;

  constructor(line: number, reason: string, remedy: string) {
    super(reason);
    this.name = 'CsvFault';
    this.line = line;
    this.remedy = remedy;
  }
}
