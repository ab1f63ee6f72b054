import { InputError } from '../../../input-error.ts';
import type { RandomAccess } from '../../sources/index.ts';

/** Bytes fetched at a time. */
const BLOCK = 65_536;
const TWO_TO_32 = 2 ** 32;

/** Reads the numbers and strings of a file one behind the other. */
export class BinaryReader {
  /** Offset in the file of what is read next. */
  at = 0;
  littleEndian = true;
  readonly #file: string;
  readonly #access: RandomAccess;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  /** Offset in the file of the first byte of {@link #bytes}. */
  #base = 0;

  constructor(file: string, access: RandomAccess) {
    this.#file = file;
    this.#access = access;
  }

  get size(): number {
    return this.#access.size;
  }

  async u8(): Promise<number> {
    const at = await this.#need(1);
    return this.#view.getUint8(at);
  }

  async u16(): Promise<number> {
    const at = await this.#need(2);
    return this.#view.getUint16(at, this.littleEndian);
  }

  async u32(): Promise<number> {
    const at = await this.#need(4);
    return this.#view.getUint32(at, this.littleEndian);
  }

  /** A 64-bit number. @throws InputError beyond 2^53, which no offset or size of a file is */
  async u64(): Promise<number> {
    const at = await this.#need(8);
    const first = this.#view.getUint32(at, this.littleEndian);
    const second = this.#view.getUint32(at + 4, this.littleEndian);
    const value = this.littleEndian ? second * TWO_TO_32 + first : first * TWO_TO_32 + second;
    return value <= Number.MAX_SAFE_INTEGER ? value : this.fail(`the size or offset 0x${value.toString(16)}`);
  }

  /** A string that ends with a zero byte. */
  async text(): Promise<string> {
    let text = '';
    for (let byte = await this.u8(); byte !== 0; byte = await this.u8()) {
      text += String.fromCharCode(byte);
      if (text.length > BLOCK) this.fail('a string without end');
    }
    return text;
  }

  /** A copy of the next `length` bytes. */
  async bytes(length: number): Promise<Uint8Array> {
    if (length > this.size - this.at) this.fail(`${length} bytes promised, ${Math.max(0, this.size - this.at)} left`);
    const bytes = (await this.#access.read(this.at, length)).slice();
    if (bytes.length < length) this.fail('an end of the file that was further away before');
    this.at += length;
    return bytes;
  }

  /** Text of a given length, without the zero bytes at its end. */
  async string(length: number): Promise<string> {
    return new TextDecoder('latin1').decode(await this.bytes(length)).replace(/\0+$/, '');
  }

  /** Goes `length` bytes ahead. */
  skip(length: number): void {
    this.at += length;
  }

  /** @throws InputError at the place where the reader stands */
  fail(found: string): never {
    throw new InputError(this.#file, `byte ${this.at}`, found, 'a whole trace.dat, as trace-cmd writes it');
  }

  /** Place of the next `length` bytes in the view, having gone past them. */
  async #need(length: number): Promise<number> {
    const offset = this.at - this.#base;
    if (offset >= 0 && offset + length <= this.#bytes.length) {
      this.at += length;
      return offset;
    }
    const bytes = await this.#access.read(this.at, BLOCK);
    if (bytes.length < length) this.fail('the end of the file');
    this.#bytes = new Uint8Array(bytes);
    this.#view = new DataView(this.#bytes.buffer);
    this.#base = this.at;
    this.at += length;
    return 0;
  }
}
