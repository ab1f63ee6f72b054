/** What the exit code of every command means. */
export const ExitCode = {
  OK: 0,
  /** The command ran and found what it looks for: mismatches, findings, a deadlock. */
  FOUND: 1,
  /** A wrong option, configuration or file. One line on standard error says which. */
  BAD_INPUT: 2,
  /** Interrupted with Ctrl-C, after printing what was done so far (128 + SIGINT). */
  INTERRUPTED: 130,
  /** Told to end (SIGTERM), after printing what was done so far (128 + SIGTERM). */
  TERMINATED: 143,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Sets the code and lets the process end by itself, so that nothing still in a pipe is cut off. */
export function exitWith(code: ExitCode): void {
  process.exitCode = code;
}

/** Ends the process once standard output has everything, whatever else is still under way. */
export function endWith(code: ExitCode): void {
  process.exitCode = code;
  process.stdout.write('', () => process.exit(code));
}
