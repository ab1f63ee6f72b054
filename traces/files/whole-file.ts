import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ConfigError } from '../../formats/index.ts';
import { finished, removeUnlessFinished } from './unfinished.ts';

/** Text that is gathered before it is written, in UTF-16 units. */
const CHUNK = 65_536;
/** Milliseconds to wait when a pipe that does not block is full. */
const PIPE_WAIT = 1;

/**
 * A result file that appears whole or not at all: it is written beside its place and renamed onto it by {@link commit}, so that a full disk, an
 * error or a signal leaves what was there before. Devices, pipes and `/dev/stdout` are written directly, since they cannot be renamed onto.
 *
 *     const file = new WholeFile('--leaves', 'out.jsonl', [capture]);
 *     try {
 *       file.write(line);
 *       file.commit();
 *     } finally {
 *       file.abandon(); // does nothing after commit
 *     }
 */
export class WholeFile {
  readonly #option: string;
  /** The file as the user named it. */
  readonly #path: string;
  /** Where it is written: beside the target, or the device itself. */
  readonly #writing: string;
  /** What the finished file is renamed to; null for a device. */
  readonly #target: string | null;
  #descriptor: number;
  #text = '';

  /**
   * @param option the option that names the file, for error messages
   * @param path where the result belongs
   * @param inputs files of the same run, none of which may be overwritten; `-` is passed over
   * @throws ConfigError naming the option if the file cannot be written or is an input
   */
  constructor(option: string, path: string, inputs: readonly string[] = []) {
    this.#option = option;
    this.#path = path;
    checkOutput(option, path, inputs);
    const info = existing(path);
    if (info !== null && !info.isFile()) {
      this.#target = null;
      this.#writing = path;
      this.#descriptor = this.#guard(() => openSync(path, 'w'));
      return;
    }
    // A link stays a link: what it points to is replaced.
    this.#target = info === null ? path : realpathSync(path);
    this.#writing = join(dirname(this.#target), `.${basename(this.#target)}.${process.pid}.part`);
    const mode = info === null ? 0o666 : info.mode & 0o777;
    this.#descriptor = this.#guard(() => openSync(this.#writing, 'w', mode));
    removeUnlessFinished(this.#writing);
  }

  /** Adds text or bytes. @throws ConfigError if they cannot be written */
  write(part: string | Uint8Array): void {
    if (typeof part === 'string') {
      this.#text += part;
      if (this.#text.length >= CHUNK) this.#flush();
      return;
    }
    this.#flush();
    this.#guard(() => writeWhole(this.#descriptor, part));
  }

  /** Puts the finished file in its place. @throws ConfigError if that cannot be done; what was there is then unharmed */
  commit(): void {
    this.#flush();
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    this.#guard(() => {
      try {
        // A full disk may show only now; behind this, the name points to whole data or to the old file.
        if (this.#target !== null) fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      if (this.#target !== null) renameSync(this.#writing, this.#target);
    });
    finished(this.#writing);
  }

  /** Drops what was written, unless it is committed. */
  abandon(): void {
    this.#text = '';
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
    if (finished(this.#writing)) rmSync(this.#writing, { force: true });
  }

  #flush(): void {
    if (this.#text === '') return;
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = '';
    this.#guard(() => writeWhole(this.#descriptor, bytes));
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.abandon();
      throw new ConfigError(this.#option, this.#path, `a file that can be written (${reasonOf(error)})`);
    }
  }
}

/** Writes a whole result at once; see {@link WholeFile}. @throws ConfigError naming the option */
export function writeWholeFile(
  option: string,
  path: string,
  content: string | Uint8Array,
  inputs: readonly string[] = [],
): void {
  const file = new WholeFile(option, path, inputs);
  try {
    file.write(content);
    file.commit();
  } finally {
    file.abandon();
  }
}

/**
 * Writes all of `bytes`, however little the system takes at a time.
 * @param descriptor an open file, or 1 and 2 for the process's own outputs
 */
function writeWhole(descriptor: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at, bytes.length - at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(SLEEP, 0, 0, PIPE_WAIT);
    }
  }
}

/**
 * A long run must not end with a file that cannot be written, nor begin with one that destroys what it reads.
 * @param path undefined and `-` (standard output) are fine
 * @throws ConfigError naming the option
 */
export function checkOutput(option: string, path: string | undefined, inputs: readonly string[] = []): void {
  if (path === undefined || path === '-') return;
  if (path === '') throw new ConfigError(option, path, 'the name of a file');
  const info = existing(path);
  if (info === null) {
    accessible(option, path, dirname(path));
    return;
  }
  if (info.isDirectory()) throw new ConfigError(option, path, 'a file, not a directory');
  accessible(option, path, path);
  if (!info.isFile()) return;
  accessible(option, path, dirname(realpathSync(path)));
  for (const input of inputs) {
    const read = input === '-' ? standardInput() : existing(input);
    if (read?.isFile() && read.dev === info.dev && read.ino === info.ino) {
      throw new ConfigError(option, path, `a file other than the input ${input}`);
    }
  }
}

/**
 * Checks every output of a run as {@link checkOutput} does, and that no two are one file.
 * @param outputs pairs of an option and the file it names
 * @throws ConfigError naming the option
 */
export function checkOutputs(
  outputs: readonly (readonly [option: string, path: string | undefined])[],
  inputs: readonly string[] = [],
): void {
  const taken = new Map<string, string>();
  for (const [option, path] of outputs) {
    checkOutput(option, path, inputs);
    if (path === undefined) continue;
    const info = path === '-' ? null : existing(path);
    if (info !== null && !info.isFile()) continue;
    const place = path === '-' ? '-' : placeOf(path);
    const other = taken.get(place);
    if (other !== undefined) throw new ConfigError(option, path, `another place than ${other} has`);
    taken.set(place, option);
  }
}

/** Why the system refused, as a phrase for people. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? (code === '' ? String(error) : code);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EPIPE: 'the reader of the pipe has gone',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'no such folder',
  ENOTDIR: 'a part of the path is no folder',
  EISDIR: 'a directory',
  EFBIG: 'the file grows beyond what is allowed',
  EIO: 'the device reports an error',
};

const SLEEP = new Int32Array(new SharedArrayBuffer(4));

function existing(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function standardInput(): Stats | null {
  try {
    return fstatSync(0);
  } catch {
    return null;
  }
}

function accessible(option: string, path: string, place: string): void {
  try {
    accessSync(place, constants.W_OK);
  } catch (error) {
    throw new ConfigError(option, path, `a file that can be written (${reasonOf(error)})`);
  }
}

/** One name for one place, whether or not there is a file yet. */
function placeOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return join(realpathSync(dirname(path)), basename(path));
  }
}
