import { createGunzip, type Gunzip } from 'node:zlib';
import type { Block } from '../capture/index.ts';

/** Decompressed bytes in a block. */
const BLOCK = 262_144;
/** Compressed bytes decompressed at a time: data packed a thousandfold stays small, and little is lost where damage begins. */
const GZIP_BLOCK = 8192;

/**
 * Decompresses gzip data of one member or several, with or without zero bytes between and behind them (tapes and some tools pad so). It works
 * ahead: while one block is worked on, the next is in the works on another thread.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  let member: Member | null = new Member();
  let ready: Uint8Array[] = [];
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; ) {
        if (member === null) {
          at = firstNonZero(chunk, at);
          if (at === chunk.length) break;
          member = new Member();
        }
        const part = chunk.subarray(at, at + GZIP_BLOCK);
        const writing = member.write(part);
        for (const bytes of ready) yield { bytes, damage: '' };
        ready = [];
        const taken = await writing;
        ready = member.take();
        at += taken;
        if (member.failure !== '') {
          yield* blocksOf(ready);
          yield { bytes: new Uint8Array(0), damage: member.failure };
          return;
        }
        if (member.ended) {
          member.close();
          member = null;
        }
      }
    }
    if (member !== null) {
      await member.end();
      ready.push(...member.take());
    }
    yield* blocksOf(ready);
    if (member !== null && member.failure !== '') yield { bytes: new Uint8Array(0), damage: member.failure };
  } finally {
    member?.close();
  }
}

function* blocksOf(all: readonly Uint8Array[]): Generator<Block> {
  for (const bytes of all) yield { bytes, damage: '' };
}

function firstNonZero(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] === 0) at++;
  return at;
}

/** Gunzips what it is given until the data ends, and keeps what came out before an error. */
class Member {
  /** Empty, or what is wrong with the data. */
  failure = '';
  /** The data proper is over; what follows is padding or another member. */
  ended = false;
  readonly #gunzip: Gunzip = createGunzip({ chunkSize: BLOCK });
  #output: Uint8Array[] = [];
  #given = 0;

  constructor() {
    this.#gunzip.on('data', (bytes: Uint8Array) => this.#output.push(bytes));
    this.#gunzip.on('end', () => {
      this.ended = true;
    });
    this.#gunzip.on('error', (error: Error) => {
      this.failure =
        error.message === 'unexpected end of file'
          ? 'the gzip data ends early'
          : `damaged gzip data (${error.message})`;
    });
  }

  /** Resolves when the chunk is decompressed, or has proved damaged: with how many of its bytes were taken. */
  async write(chunk: Uint8Array): Promise<number> {
    await this.#settled((done) => this.#gunzip.write(chunk, done));
    if (this.failure !== '') return chunk.length;
    const taken = this.#gunzip.bytesWritten - this.#given;
    this.#given = this.#gunzip.bytesWritten;
    // Not all is taken only where the data ends.
    if (taken < chunk.length) this.ended = true;
    return taken;
  }

  /** Resolves when all output is out. */
  end(): Promise<void> {
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
