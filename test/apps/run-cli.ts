import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';

export interface CliResult {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line to its end in a process of its own, in a pipe, as a script would. @param folder where it is started; default here */
export function tablewalkProcess(
  args: readonly string[],
  input: string | Buffer = '',
  folder = process.cwd(),
): CliResult {
  const run = spawnSync(process.execPath, [inject('cli'), ...args], {
    input,
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 256 * 2 ** 20,
    env: { ...process.env, NO_COLOR: '1' },
  });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

/** One command at a time: all write to the standard output of this process. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs the bundled command line in this process, which spares its start. Signals, standard input and the way in which a process ends want
 * {@link tablewalkProcess}.
 */
export function tablewalk(args: readonly string[]): Promise<CliResult> {
  const run = last.then(() => runHere(args));
  last = run.catch(() => {});
  return run;
}

async function runHere(args: readonly string[]): Promise<CliResult> {
  const { exitCode, exit, env } = process;
  const noColor = env['NO_COLOR'];
  env['NO_COLOR'] = '1';
  process.exitCode = undefined;
  // A command that ends at once sets the code first; what it has left to do is nothing.
  process.exit = (() => {}) as typeof process.exit;
  const stdout = new Caught(process.stdout);
  const stderr = new Caught(process.stderr);
  try {
    const program: { runProgram(args: readonly string[]): Promise<void> } = await import(
      pathToFileURL(inject('program')).href
    );
    await program.runProgram(args);
    return { code: process.exitCode ?? 0, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    stdout.release();
    stderr.release();
    process.exitCode = exitCode;
    process.exit = exit;
    if (noColor === undefined) delete env['NO_COLOR'];
    else env['NO_COLOR'] = noColor;
  }
}

/** What is written to a stream of this process, in place of the stream. */
class Caught {
  readonly #stream: NodeJS.WriteStream;
  readonly #write: NodeJS.WriteStream['write'];
  readonly #parts: Buffer[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#write = stream.write;
    stream.write = (
      data: string | Uint8Array,
      encoding?: BufferEncoding | ((error?: Error | null) => void),
      done?: (error?: Error | null) => void,
    ): boolean => {
      this.#parts.push(
        typeof data === 'string'
          ? Buffer.from(data, typeof encoding === 'string' ? encoding : 'utf8')
          : Buffer.from(data),
      );
      const then = typeof encoding === 'function' ? encoding : done;
      if (then !== undefined) queueMicrotask(() => then());
      return true;
    };
  }

  text(): string {
    return Buffer.concat(this.#parts).toString();
  }

  release(): void {
    this.#stream.write = this.#write;
  }
}
