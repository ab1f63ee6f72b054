import { constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteSource, Platform, RandomAccess } from '../capture/index.ts';
import { SUPPORTED } from '../capture/index.ts';
import { InputError } from '../input-error.ts';
import { gunzip } from './gunzip.ts';
import { reasonOf } from './whole-file.ts';

/** Bytes read from a file at a time. */
const BLOCK = 262_144;
/** Milliseconds from one look at a file that has nothing yet to the next. */
const NOTHING_YET = 20;

/** What Node does with a source: zlib on its own thread, and a file without a name for what has to be read in any order. */
const NODE: Platform = { gunzip, spool };

/** A file of the file system. Its kind and size may be anything: tracefs and procfs say 0, a pipe has none. */
class FileSource implements ByteSource {
  readonly name: string;
  readonly platform = NODE;

  constructor(path: string) {
    this.name = path;
  }

  async check(): Promise<number> {
    let info: Awaited<ReturnType<typeof stat>>;
    try {
      info = await stat(this.name);
    } catch (error) {
      throw this.#refusal(error);
    }
    if (info.isDirectory()) throw new InputError(this.name, '', 'a directory', SUPPORTED);
    return info.isFile() ? info.size : 0;
  }

  async *blocks(): AsyncGenerator<Uint8Array> {
    yield* (await this.#isPipe()) ? this.#piped() : this.#read();
  }

  /** The bytes, in two buffers that take turns: one is read while the other is worked on. */
  async *#read(): AsyncGenerator<Uint8Array> {
    const file = await this.#open();
    try {
      let front = new Uint8Array(BLOCK);
      let back = new Uint8Array(BLOCK);
      let pending = readSome(file, front);
      for (;;) {
        const bytesRead = await pending;
        if (bytesRead === 0) return;
        const ready = front.subarray(0, bytesRead);
        [front, back] = [back, front];
        pending = readSome(file, front);
        // Should the reader stop here, the read under way must not become an unhandled rejection.
        pending.catch(() => undefined);
        yield ready;
      }
    } catch (error) {
      throw error instanceof InputError ? error : this.#refusal(error);
    } finally {
      await file.close();
    }
  }

  /** A named pipe: waits for its writers as for standard input, on no thread that would have to return before the process can end. */
  async *#piped(): AsyncGenerator<Uint8Array> {
    try {
      const fd = openSync(this.name, constants.O_RDONLY | constants.O_NONBLOCK);
      yield* new Socket({ fd, readable: true, writable: false }) as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw error instanceof InputError ? error : this.#refusal(error);
    }
  }

  async #isPipe(): Promise<boolean> {
    try {
      return (await stat(this.name)).isFIFO();
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  async random(): Promise<RandomAccess | null> {
    const size = await this.check();
    return size === 0 ? null : new FileAccess(await this.#open(), size);
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.name, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #refusal(error: unknown): InputError {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return new InputError(this.name, '', 'no such file', SUPPORTED);
    if (code === 'EACCES' || code === 'EPERM') {
      return new InputError(this.name, '', 'a file that may not be read', SUPPORTED);
    }
    return new InputError(this.name, '', `a file that cannot be read (${reasonOf(error)})`, SUPPORTED);
  }
}

/**
 * Reads what there is, and waits while there is nothing yet (`trace_pipe`) without a thread that waits in the kernel: the process could not
 * end before that returns.
 */
async function readSome(file: FileHandle, into: Uint8Array): Promise<number> {
  for (;;) {
    try {
      return (await file.read(into, 0, BLOCK, null)).bytesRead;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise((resolve) => setTimeout(resolve, NOTHING_YET));
    }
  }
}

/** Bytes that come once. */
class StreamSource implements ByteSource {
  readonly name = '-';
  readonly platform = NODE;
  readonly #stream: AsyncIterable<Uint8Array>;

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#stream = stream;
  }

  check(): Promise<number> {
    return Promise.resolve(0);
  }

  async *blocks(): AsyncGenerator<Uint8Array> {
    yield* this.#stream;
  }

  random(): Promise<null> {
    return Promise.resolve(null);
  }
}

class FileAccess implements RandomAccess {
  readonly size: number;
  readonly #file: FileHandle;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await this.#file.read(bytes, at, bytes.length - at, offset + at);
      // The file has become shorter.
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return at === bytes.length ? bytes : bytes.subarray(0, at);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Copies a stream to a file in the folder for temporary files, which nobody else sees and which is gone when it is closed. */
async function spool(blocks: AsyncIterable<Uint8Array>): Promise<RandomAccess> {
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-spool-'));
  let file: FileHandle;
  try {
    file = await open(join(folder, 'capture'), 'wx+', 0o600);
  } finally {
    // An open file outlives its name.
    rmSync(folder, { recursive: true, force: true });
  }
  let size = 0;
  try {
    for await (const bytes of blocks) {
      let at = 0;
      while (at < bytes.length) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, size + at);
        at += bytesWritten;
      }
      size += bytes.length;
    }
  } catch (error) {
    await file.close();
    if (error instanceof InputError) throw error;
    throw new InputError(
      tmpdir(),
      '',
      `no room for a copy of the capture (${reasonOf(error)})`,
      'space for the unpacked capture, or TMPDIR set to a folder that has it',
    );
  }
  return new FileAccess(file, size);
}

/**
 * Captures by name.
 * @param paths files, or `-` for standard input
 * @param stdin what `-` reads; default the process's standard input
 */
export function fileSources(
  paths: readonly string[],
  stdin: AsyncIterable<Uint8Array> = process.stdin,
): readonly ByteSource[] {
  return paths.map((path) => (path === '-' ? new StreamSource(stdin) : new FileSource(path)));
}
