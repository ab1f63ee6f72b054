import { type FileHandle, open, stat } from 'node:fs/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import { fileKind, SUPPORTED } from '../capture/file-kind.ts';
import { InputError } from '../input-error.ts';

/** Bytes read from a file at a time. */
const BLOCK = 262_144;

/** Compressed bytes decompressed at a time: data packed a thousandfold stays small, and little is lost where damage begins. */
const GZIP_BLOCK = 8192;

/** How far a capture is read, in bytes of the file as it is stored. */
export interface Progress {
  read: number;
  /** 0 when unknown (standard input). */
  total: number;
}

/** One block of text, or the reason why the text ends before its time. */
export interface Block {
  readonly bytes: Uint8Array;
  /** Empty, or why nothing can follow: "the gzip data ends early". */
  readonly damage: string;
}

/** @throws InputError if `path` cannot be a capture: missing, not readable, a directory, empty. @returns its size in bytes. */
export async function checkFile(path: string): Promise<number> {
  let info: Awaited<ReturnType<typeof stat>>;
  try {
    info = await stat(path);
  } catch (error) {
    throw new InputError(path, '', describeOpenError(error), SUPPORTED);
  }
  if (info.isDirectory()) throw new InputError(path, '', 'a directory', SUPPORTED);
  if (info.isFile() && info.size === 0) throw new InputError(path, '', 'an empty file', SUPPORTED);
  return info.isFile() ? info.size : 0;
}

function describeOpenError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'a file that may not be read';
  return `a file that cannot be opened (${String(code ?? error)})`;
}

/** The bytes of a file, in two buffers that take turns: one is read while the other is worked on. */
async function* fileBytes(path: string): AsyncGenerator<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new InputError(path, '', describeOpenError(error), SUPPORTED);
  }
  try {
    let front = new Uint8Array(BLOCK);
    let back = new Uint8Array(BLOCK);
    let pending = file.read(front, 0, BLOCK, null);
    for (;;) {
      const { bytesRead } = await pending;
      if (bytesRead === 0) return;
      const ready = front.subarray(0, bytesRead);
      [front, back] = [back, front];
      pending = file.read(front, 0, BLOCK, null);
      // Should the reader stop here, the read under way must not become an unhandled rejection.
      pending.catch(() => undefined);
      yield ready;
    }
  } finally {
    await file.close();
  }
}

/**
 * The text of a capture, block by block, decompressed where needed; what kind of file it is shows in its bytes, not in its name.
 * A block is valid until the next one is asked for.
 *
 * @param path a file, or `-` for `stdin`.
 * @throws InputError if it is no text.
 */
export async function* captureBlocks(
  path: string,
  stdin: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Block> {
  const raw = counted(path === '-' ? stdin : fileBytes(path), progress);
  const first = await raw.next();
  if (first.done === true) throw new InputError(path, '', 'nothing on standard input', SUPPORTED);
  try {
    const kind = fileKind(first.value);
    if (kind.kind === 'unsupported') throw notText(path, kind.name, kind.advice);
    if (kind.kind === 'gzip') yield* gunzipped(path, first.value, raw);
    else {
      yield { bytes: first.value, damage: '' };
      for await (const bytes of raw) yield { bytes, damage: '' };
    }
  } finally {
    await raw.return(undefined);
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, progress: Progress): AsyncGenerator<Uint8Array, undefined> {
  for await (const chunk of source) {
    progress.read += chunk.length;
    if (chunk.length > 0) yield chunk;
  }
  return undefined;
}

/** Decompresses ahead: while one block is worked on, the next is in the works on another thread. */
async function* gunzipped(path: string, first: Uint8Array, raw: AsyncGenerator<Uint8Array>): AsyncGenerator<Block> {
  const gunzip = new Decompressor();
  let ready: Uint8Array[] = [];
  let began = false;
  try {
    for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = (await raw.next()).value) {
      for (let at = 0; at < chunk.length && gunzip.failure === ''; at += GZIP_BLOCK) {
        const writing = gunzip.write(chunk.subarray(at, at + GZIP_BLOCK));
        for (const bytes of ready) yield { bytes, damage: '' };
        await writing;
        ready = gunzip.take();
        const [text] = ready;
        if (!began && text !== undefined) {
          began = true;
          const kind = fileKind(text);
          if (kind.kind !== 'text') throw notText(path, `${kind.name}, gzip-compressed`, kind.advice);
        }
      }
      if (gunzip.failure !== '') break;
    }
    await gunzip.end();
    for (const bytes of [...ready, ...gunzip.take()]) yield { bytes, damage: '' };
    if (gunzip.failure !== '') yield { bytes: new Uint8Array(0), damage: gunzip.failure };
  } finally {
    gunzip.close();
  }
}

function notText(path: string, name: string, advice: string): InputError {
  return new InputError(path, '', advice === '' ? name : `${name} (${advice})`, SUPPORTED);
}

/** Gunzips what it is given, and keeps what came out before an error. */
class Decompressor {
  /** Empty, or what is wrong with the data. */
  failure = '';
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: BLOCK });
  #output: Uint8Array[] = [];

  constructor() {
    this.#gunzip.on('data', (bytes: Uint8Array) => this.#output.push(bytes));
    this.#gunzip.on('error', (error: Error) => {
      this.failure =
        error.message === 'unexpected end of file'
          ? 'the gzip data ends early'
          : `damaged gzip data (${error.message})`;
    });
  }

  /** Resolves when the chunk is decompressed, or has proved damaged. */
  write(chunk: Uint8Array): Promise<void> {
    if (this.failure !== '') return Promise.resolve();
    return this.#settled((done) => this.#gunzip.write(chunk, done));
  }

  /** Resolves when all output is out. */
  end(): Promise<void> {
    if (this.failure !== '') return Promise.resolve();
    return this.#settled((done) => {
      this.#gunzip.once('end', done);
      this.#gunzip.end();
    });
  }

  /** What came out since the last call. */
  take(): Uint8Array[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  close(): void {
    this.#gunzip.destroy();
  }

  #settled(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#gunzip.off('close', done);
        this.#gunzip.off('error', done);
        resolve();
      };
      // A stream that fails calls no write callback back, but closes.
      this.#gunzip.once('close', done);
      this.#gunzip.once('error', done);
      start(done);
    });
  }
}
