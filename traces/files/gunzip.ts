import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import type { Block } from '../capture/index.ts';
import { GZIP_TRAILER, GzipHeader } from './gzip-frame.ts';

/** Decompressed bytes in a block. */
const BLOCK = 262_144;
/** Compressed bytes decompressed at a time: data packed a thousandfold stays small, and little is lost where damage begins. */
const GZIP_BLOCK = 8192;

/**
 * Decompresses gzip data of one member or several, with or without zero bytes between and behind them (tapes and some tools pad so). Other bytes
 * behind a member end it, as gzip does it; all before them comes out, which zlib's own gunzip does not grant. It works ahead: while one block is
 * worked on, the next is in the works on another thread.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  let member: Member | null = new Member(false);
  let ready: Uint8Array[] = [];
  try {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; ) {
        if (member === null) {
          at = firstNonZero(chunk, at);
          if (at === chunk.length) break;
          member = new Member(true);
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

/** One member: gives what its data hold, and keeps what came out before an error. */
class Member {
  /** Empty, or what is wrong with the data. */
  failure = '';
  /** The member is over; what follows is padding or another one. */
  ended = false;
  readonly #later: boolean;
  readonly #header = new GzipHeader();
  readonly #inflate: InflateRaw = createInflateRaw({ chunkSize: BLOCK });
  #output: Uint8Array[] = [];
  #given = 0;
  #dataEnded = false;
  #crc = 0;
  #length = 0;
  readonly #trailer = new Uint8Array(GZIP_TRAILER);
  #inTrailer = 0;

  /** @param later whether others were before it: then bytes that begin none are not its damage */
  constructor(later: boolean) {
    this.#later = later;
    this.#inflate.on('data', (bytes: Uint8Array) => {
      this.#output.push(bytes);
      this.#crc = crc32(bytes, this.#crc);
      this.#length = (this.#length + bytes.length) >>> 0;
    });
    this.#inflate.on('end', () => {
      this.#dataEnded = true;
    });
    this.#inflate.on('error', (error: Error) => {
      this.failure =
        error.message === 'unexpected end of file'
          ? 'the gzip data ends early'
          : `damaged gzip data (${error.message})`;
    });
  }

  /** Resolves when the chunk is decompressed, or has proved damaged: with how many of its bytes were taken. */
  async write(chunk: Uint8Array): Promise<number> {
    let at = 0;
    while (!this.#header.done && at < chunk.length) {
      this.#header.take(chunk[at++] as number);
      if (!this.#header.wrong) continue;
      this.failure = this.#later
        ? 'bytes behind the gzip data that are none'
        : 'damaged gzip data (incorrect header check)';
      return chunk.length;
    }
    if (!this.#dataEnded && at < chunk.length) {
      const data = chunk.subarray(at);
      await this.#settled((done) => this.#inflate.write(data, done));
      if (this.failure !== '') return chunk.length;
      const taken = this.#inflate.bytesWritten - this.#given;
      this.#given = this.#inflate.bytesWritten;
      // Not all is taken only where the data ends.
      if (taken < data.length) this.#dataEnded = true;
      at += taken;
    }
    while (this.#dataEnded && !this.ended && at < chunk.length) {
      this.#trailer[this.#inTrailer++] = chunk[at++] as number;
      if (this.#inTrailer === GZIP_TRAILER) this.#checkTrailer();
    }
    return at;
  }

  /** Resolves when all output is out. */
  async end(): Promise<void> {
    if (this.ended || this.failure !== '') return;
    if (this.#header.done && !this.#dataEnded) {
      await this.#settled((done) => {
        this.#inflate.once('end', done);
        this.#inflate.end();
      });
    }
    if (this.failure === '') this.failure = 'the gzip data ends early';
  }

  /** What came out since the last call. */
  take(): Uint8Array[] {
    const output = this.#output;
    this.#output = [];
    return output;
  }

  close(): void {
    this.#inflate.destroy();
  }

  #checkTrailer(): void {
    this.ended = true;
    const view = new DataView(this.#trailer.buffer);
    if (view.getUint32(0, true) !== this.#crc) this.failure = 'damaged gzip data (incorrect data check)';
    else if (view.getUint32(4, true) !== this.#length) this.failure = 'damaged gzip data (incorrect length check)';
  }

  #settled(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#inflate.off('close', done);
        this.#inflate.off('error', done);
        resolve();
      };
      // A stream that fails calls no write callback back, but closes.
      this.#inflate.once('close', done);
      this.#inflate.once('error', done);
      start(done);
    });
  }
}
