/** Running the conformance cases of a file, line by line: of a page table or of a driver, as each line says itself. */
import { InputError } from '../input-error.ts';
import { type CaseFields, findRunner, isDriverCase, runnerNames } from './drivers/index.ts';
import { CodeBook, checkVector, type Mismatch, parseLine, runCase } from './tables/index.ts';

/** What the cases of one file came to. */
export interface FileResult {
  readonly file: string;
  cases: number;
  /** Operations compared. */
  ops: number;
  /** Cases that went otherwise than their vector says. */
  mismatches: number;
  /** The first differences of each of the first such cases. */
  readonly shown: Mismatch[];
}

/** What one case came to. */
interface CaseOutcome {
  readonly ops: number;
  readonly mismatches: readonly Mismatch[];
}

/** What all files came to. */
export interface ConformanceResult {
  readonly files: readonly Omit<FileResult, 'shown'>[];
  readonly cases: number;
  readonly ops: number;
  readonly mismatches: number;
}

export interface ConformanceOptions {
  /** Runs only cases whose name contains this. */
  readonly filter?: string;
  /** How many differing cases are kept for showing. Default 5. */
  readonly keep?: number;
}

/** Runs vectors from any number of files with one correspondence of warnings. */
export class ConformanceRun {
  readonly files: FileResult[] = [];
  readonly #book = new CodeBook();
  readonly #filter: string;
  readonly #keep: number;

  constructor(options: ConformanceOptions = {}) {
    this.#filter = options.filter ?? '';
    this.#keep = options.keep ?? 5;
  }

  /**
   * Runs the cases of one file.
   * @param lines the file's lines, without their ends; empty ones are skipped.
   * @throws InputError for a line that is no case, naming file and line, and for a file without any.
   */
  async runLines(file: string, lines: AsyncIterable<string> | Iterable<string>): Promise<FileResult> {
    const result: FileResult = { file, cases: 0, ops: 0, mismatches: 0, shown: [] };
    let lineNumber = 0;
    let found = 0;
    for await (const line of lines) {
      lineNumber++;
      if (line.trim() === '') continue;
      const json = parseLine(line, file, lineNumber);
      found++;
      const done = isDriverCase(json)
        ? this.#runDriver(json, file, lineNumber)
        : this.#runTable(json, file, lineNumber);
      if (done === null) continue;
      const { ops, mismatches } = done;
      result.cases++;
      result.ops += ops;
      if (mismatches.length === 0) continue;
      result.mismatches++;
      if (result.mismatches <= this.#keep) result.shown.push(...mismatches);
    }
    // A file without cases proves nothing, and must not look as if it did.
    if (found === 0) throw new InputError(file, '', 'no case', 'one conformance case or more');
    this.files.push(result);
    return result;
  }

  #runTable(json: unknown, file: string, lineNumber: number): CaseOutcome | null {
    const vector = checkVector(json, file, lineNumber);
    return vector.name.includes(this.#filter) ? runCase(vector, this.#book) : null;
  }

  #runDriver(line: CaseFields, file: string, lineNumber: number): CaseOutcome | null {
    const position = `line ${lineNumber}`;
    const runner = findRunner(line, file);
    if (runner === null) throw new InputError(file, position, 'a case of no known driver', `one of ${runnerNames()}`);
    return runner.caseName(line).includes(this.#filter) ? runner.run(line, file, position, this.#book) : null;
  }

  /** The sums, as `tablewalk conform --json` prints them. */
  total(): ConformanceResult {
    const sum = (of: (file: FileResult) => number): number => this.files.reduce((all, file) => all + of(file), 0);
    return {
      files: this.files.map(({ file, cases, ops, mismatches }) => ({ file, cases, ops, mismatches })),
      cases: sum((file) => file.cases),
      ops: sum((file) => file.ops),
      mismatches: sum((file) => file.mismatches),
    };
  }
}

/** One difference as lines for a person. */
export function describeMismatch(mismatch: Mismatch, opCount?: number): string[] {
  const { caseName, op, operation, what, expected, actual, details } = mismatch;
  const place = op < 0 || op === opCount ? operation : `operation ${op}: ${operation}`;
  return [
    `${caseName}: ${place}`,
    `  ${what}: vector ${expected}`,
    `  ${' '.repeat(what.length)}  found  ${actual}`,
    ...details.map((detail) => `    ${detail}`),
  ];
}
