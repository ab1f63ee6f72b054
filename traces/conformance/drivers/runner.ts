/**
 * Vectors of drivers: one case per line, a JSON object with an `id`, the `kernel` whose driver was recorded, and the fields of its
 * kind. A runner knows one kind of case and performs it on our driver.
 */
import * as v from 'valibot';
import { InputError } from '../../input-error.ts';
import type { CodeBook, Mismatch } from '../tables/index.ts';
import { CaseCheck } from './case-check.ts';
import { RegisterPlayer } from './register-player.ts';

/** A line before its kind is known. */
export type CaseFields = Readonly<Record<string, unknown>>;

export interface DriverRunner {
  /** Driver and kind: `panthor/vm_bind`. */
  readonly name: string;
  /** Whether a line is of this kind, by its fields. */
  recognises(line: CaseFields): boolean;
  /** Name of one case, in which `--filter` looks: driver, kind, kernel and number. */
  caseName(line: CaseFields): string;
  /**
   * Performs one case.
   * @param position of the line, for errors
   * @throws InputError when the line is not what its kind should be
   */
  run(line: CaseFields, file: string, position: string, book: CodeBook): DriverCaseResult;
  /** Performs one case on whatever `check` plays it on, such as a device; the check keeps the first difference. */
  play(line: CaseFields, file: string, position: string, check: CaseCheck): void;
}

export interface DriverCaseResult {
  /** Operations compared. */
  readonly ops: number;
  readonly mismatches: readonly Mismatch[];
}

/** A runner of the cases that `schema` describes. `perform` ends at the first difference, by the exception that the check throws. */
export function defineRunner<Schema extends v.GenericSchema>(runner: {
  readonly name: string;
  readonly recognises: (line: CaseFields) => boolean;
  readonly schema: Schema;
  /** Kinds of named events that are passed over, such as messages for people. */
  readonly skip?: readonly string[];
  readonly perform: (one: v.InferOutput<Schema>, check: CaseCheck) => void;
}): DriverRunner {
  const { name, recognises, schema, skip = [], perform } = runner;
  const [family = name] = name.split('/');
  const caseName = (line: CaseFields): string => `${name} ${String(line['kernel'])} id ${String(line['id'])}`;
  const play = (line: CaseFields, file: string, position: string, check: CaseCheck): void => {
    const parsed = v.safeParse(schema, line, { abortEarly: true });
    if (!parsed.success) {
      const issue = parsed.issues[0];
      const path = v.getDotPath(issue);
      const own = issue.type === 'regex' || issue.type === 'custom' || issue.type === 'check';
      const allowed = own ? issue.message : (issue.expected ?? issue.message);
      throw new InputError(file, path === null ? position : `${position}, ${path}`, issue.received, allowed);
    }
    check.run(() => perform(parsed.output, check));
  };
  return {
    name,
    recognises,
    caseName,
    play,
    run(line, file, position, book) {
      // Warnings of drivers that share no source file are kept apart.
      const ofDriver = `${family} ${String(line['kernel'])}`;
      const player = new RegisterPlayer({ skip, agrees: (recorded, code) => book.agree(ofDriver, recorded, code) });
      const check = new CaseCheck(caseName(line), player);
      play(line, file, position, check);
      return { ops: Math.max(check.ops, 1), mismatches: check.mismatch === null ? [] : [check.mismatch] };
    },
  };
}

/** Whether a line is a case of a driver at all. */
export function isDriverCase(line: unknown): line is CaseFields {
  // What was recorded of the hardware alone names no kernel, but the hardware.
  return typeof line === 'object' && line !== null && 'id' in line && ('kernel' in line || 'profile' in line);
}
