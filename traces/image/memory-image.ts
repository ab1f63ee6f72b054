import type { WalkMemory } from '../../emulator/index.ts';
import { InputError } from '../input-error.ts';
import { hexText } from '../quantity.ts';

/**
 * A memory image of the page tables of a real system: a folder with `pt.json` (registers and a list of pages) and
 * `pt.pages.bin` (the pages themselves, 4 KiB each, at the offsets that the list gives).
 */

/** The files of an image's folder. */
export const IMAGE_DESCRIPTION = 'pt.json';
export const IMAGE_PAGES = 'pt.pages.bin';

/** Bytes of a page of the image, whatever the granule of the tables in it. */
export const IMAGE_PAGE_SIZE = 4096;
const WORDS_PER_PAGE = IMAGE_PAGE_SIZE / 4;

/** Addresses beyond this are not physical addresses of any Arm system. */
const ADDRESS_LIMIT = 2 ** 52;

/** Where the stream table is, as `pt.json` states it; the registers say the same. */
export interface ImageStreamTable {
  readonly base: number;
  readonly twoLevel: boolean;
  /** StreamID bits that the second level resolves. */
  readonly split: number;
  readonly log2Size: number;
}

/** The pages of an image, read as a device would read them. What is not in the image is a bus error. */
export class MemoryImage implements WalkMemory {
  low = 0;
  high = 0;
  /** The folder, as the user named it. */
  readonly folder: string;
  /** Registers of the SMMU by name, as far as the image has them. */
  readonly registers: ReadonlyMap<string, bigint>;
  /** null for an image without one, which then needs `--ttb0`. */
  readonly streamTable: ImageStreamTable | null;
  /** Physical addresses of the pages, in the order of the list. */
  readonly pages: readonly number[];
  readonly #words: Uint32Array;
  /** Index of a page's first word in `#words`, by page number. */
  readonly #at: ReadonlyMap<number, number>;

  private constructor(folder: string, description: Description, words: Uint32Array, at: Map<number, number>) {
    this.folder = folder;
    this.registers = description.registers;
    this.streamTable = description.streamTable;
    this.pages = description.pages.map((page) => page.pa);
    this.#words = words;
    this.#at = at;
  }

  /**
   * Makes an image of what the two files of its folder hold.
   *
   * @param folder what the image is called in complaints
   * @param text `pt.json`
   * @param bytes `pt.pages.bin`
   * @throws InputError when they are cut short or not what they should be
   */
  static parse(folder: string, text: string, bytes: Uint8Array): MemoryImage {
    const description = readDescription(`${folder}/${IMAGE_DESCRIPTION}`, text);
    const pagesFile = `${folder}/${IMAGE_PAGES}`;
    const at = new Map<number, number>();
    for (const { pa, offset } of description.pages) {
      if (offset + IMAGE_PAGE_SIZE > bytes.length) {
        throw new InputError(
          pagesFile,
          '',
          `${bytes.length} bytes, but page ${hexText(pa)} is listed at byte ${offset}`,
          `a file of at least ${offset + IMAGE_PAGE_SIZE} bytes`,
        );
      }
      at.set(pa / IMAGE_PAGE_SIZE, offset / 4);
    }
    // A copy, because a file's buffer may start at any alignment.
    const words = new Uint32Array(Math.floor(bytes.length / 4));
    new Uint8Array(words.buffer).set(bytes.subarray(0, words.length * 4));
    return new MemoryImage(folder, description, words, at);
  }

  read(pa: number, bytes: number): boolean {
    const page = this.#at.get(Math.floor(pa / IMAGE_PAGE_SIZE));
    if (page === undefined) return false;
    const at = page + ((pa % IMAGE_PAGE_SIZE) >>> 2);
    this.low = this.#words[at] as number;
    this.high = bytes === 8 ? (this.#words[at + 1] as number) : 0;
    return true;
  }

  /** Changes the copy in memory; the file stays as it is. */
  replace(pa: number, bytes: number, low: number, high: number, newLow: number, newHigh: number): boolean {
    if (!this.read(pa, bytes) || this.low !== low >>> 0 || (bytes === 8 && this.high !== high >>> 0)) return false;
    const at = (this.#at.get(Math.floor(pa / IMAGE_PAGE_SIZE)) as number) + ((pa % IMAGE_PAGE_SIZE) >>> 2);
    this.#words[at] = newLow;
    if (bytes === 8) this.#words[at + 1] = newHigh;
    return true;
  }

  /** True when the page of `pa` is in the image. */
  holds(pa: number): boolean {
    return this.#at.has(Math.floor(pa / IMAGE_PAGE_SIZE));
  }

  /** The 1,024 words of the image page at `pa`, to load them into another memory; undefined for a page that is not there. */
  pageWords(pa: number): Uint32Array | undefined {
    const at = this.#at.get(Math.floor(pa / IMAGE_PAGE_SIZE));
    return at === undefined ? undefined : this.#words.subarray(at, at + WORDS_PER_PAGE);
  }

  /** A register of the SMMU; 0 when the image does not have it. */
  register(name: string): bigint {
    return this.registers.get(name) ?? 0n;
  }
}

/** What `pt.json` says, checked. */
interface Description {
  readonly registers: Map<string, bigint>;
  readonly streamTable: ImageStreamTable | null;
  readonly pages: readonly { readonly pa: number; readonly offset: number }[];
}

function readDescription(file: string, text: string): Description {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new InputError(file, '', `no JSON (${error instanceof Error ? error.message : ''})`, 'the JSON of an image');
  }
  if (!isRecord(parsed)) throw new InputError(file, '', 'no JSON object', 'an object with "pages" and "regs"');
  const { regs, strtab, pages } = parsed as { regs?: unknown; strtab?: unknown; pages?: unknown };
  if (!Array.isArray(pages)) throw new InputError(file, 'pages', describe(pages), 'a list of {pa, off}');
  const registers = new Map<string, bigint>();
  if (regs !== undefined && !isRecord(regs)) throw new InputError(file, 'regs', describe(regs), 'an object');
  for (const [name, value] of Object.entries(regs ?? {})) registers.set(name, wide(file, `regs.${name}`, value));
  const seen = new Set<number>();
  return {
    registers,
    streamTable: strtab === undefined || strtab === null ? null : readStreamTable(file, strtab),
    pages: pages.map((page: unknown, index) => {
      const where = `pages[${index}]`;
      if (!isRecord(page)) throw new InputError(file, where, describe(page), 'an object {pa, off}');
      const { pa, off } = page as { pa?: unknown; off?: unknown };
      const address = aligned(file, `${where}.pa`, pa);
      if (seen.has(address)) throw new InputError(file, `${where}.pa`, `${hexText(address)} twice`, 'each page once');
      seen.add(address);
      return { pa: address, offset: off === undefined ? index * IMAGE_PAGE_SIZE : aligned(file, `${where}.off`, off) };
    }),
  };
}

function readStreamTable(file: string, strtab: unknown): ImageStreamTable {
  if (!isRecord(strtab)) throw new InputError(file, 'strtab', describe(strtab), 'an object');
  const { base, fmt, split, log2size } = strtab as {
    base?: unknown;
    fmt?: unknown;
    split?: unknown;
    log2size?: unknown;
  };
  const log2Size = number(file, 'strtab.log2size', log2size);
  if (log2Size > 32) throw new InputError(file, 'strtab.log2size', String(log2Size), '0 to 32');
  return {
    base: number(file, 'strtab.base', base),
    twoLevel: number(file, 'strtab.fmt', fmt) === 1,
    split: number(file, 'strtab.split', split ?? 0),
    log2Size,
  };
}

/** A number of the description: JSON number, or a string such as "0x1000". */
function wide(file: string, where: string, value: unknown): bigint {
  try {
    if (typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))) {
      const parsed = BigInt(value);
      if (parsed >= 0n) return parsed;
    }
  } catch {
    // Not a number in any notation; refused below with what was found.
  }
  throw new InputError(file, where, describe(value), 'a number, or a string such as "0x1000"');
}

function number(file: string, where: string, value: unknown): number {
  const parsed = wide(file, where, value);
  if (parsed >= BigInt(ADDRESS_LIMIT)) throw new InputError(file, where, String(value), 'less than 2^52');
  return Number(parsed);
}

function aligned(file: string, where: string, value: unknown): number {
  const parsed = number(file, where, value);
  if (parsed % IMAGE_PAGE_SIZE !== 0) throw new InputError(file, where, String(value), 'a multiple of 4096');
  return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(value: unknown): string {
  return value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
