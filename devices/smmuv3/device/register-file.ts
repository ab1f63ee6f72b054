import { type Field, getField, PAGE_1, type Register } from '../spec/index.ts';

/** Bytes of each page that hold registers of the model; the rest reads as zero. */
const PAGE_BYTES = 0x100;
const PAGE_WORDS = PAGE_BYTES / 4;

/** Storage of the registers of both pages. What a write does beyond storing is the device's business. */
export class RegisterFile {
  readonly #words = new Uint32Array(2 * PAGE_WORDS);

  get(register: Register): number {
    return this.getAt(register.offset);
  }

  set(register: Register, value: number): void {
    this.setAt(register.offset, value);
  }

  /** The 32 bits at a byte offset; 0 where no register is. */
  getAt(offset: number): number {
    const at = slot(offset);
    return at < 0 ? 0 : (this.#words[at] as number);
  }

  setAt(offset: number, value: number): void {
    const at = slot(offset);
    if (at >= 0) this.#words[at] = value;
  }

  /** A field of a 64-bit register. */
  field64(register: Register, of: Field): number {
    return getField(this.#words, slot(register.offset), of);
  }
}

function slot(offset: number): number {
  if (offset >= 0 && offset < PAGE_BYTES) return offset >>> 2;
  const inPage1 = offset - PAGE_1;
  return inPage1 >= 0 && inPage1 < PAGE_BYTES ? PAGE_WORDS + (inPage1 >>> 2) : -1;
}
