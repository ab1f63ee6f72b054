import type { CaptureNotes } from '../../events/index.ts';
import {
  clearCall,
  DIRECTION_WORDS,
  type EventKind,
  MAP_MEANING,
  MEANINGS,
  type Meaning,
  NameTable,
  Role,
  Shape,
  type TraceEvent,
  UNKNOWN,
  UNMAP_MEANING,
  whyImpossible,
  whyNoRange,
} from '../../events/index.ts';
import { ascii, Char, fourBytes, NOT_A_NUMBER, skipPast, type TextCursor } from '../text-cursor.ts';

const KNOWN_NAMES = tableOf(MEANINGS.map(({ name }) => name));
const KINDS = Uint8Array.from(MEANINGS, ({ kind }) => kind);

const ROLES_BY_FIELD: Readonly<Record<string, Role>> = Object.assign({}, ...MEANINGS.map(({ fields }) => fields));
const FIELD_NAMES = tableOf(Object.keys(ROLES_BY_FIELD));
const FIELD_ROLES = Uint8Array.from(Object.values(ROLES_BY_FIELD));

function tableOf(names: readonly string[]): NameTable {
  const table = new NameTable();
  for (const name of names) table.intern(ascii(name), 0, name.length);
  return table;
}

// The usual line, four bytes at a time.
const MAP_ = fourBytes('map:');
const UNMA = fourBytes('unma');
const IOMM = fourBytes('IOMM');
const U__I = fourBytes('U: i');
const OVA_ = fourBytes('ova=');
const DASH_0 = fourBytes(' - 0');
const _PAD = fourBytes(' pad');
const DDR_ = fourBytes('ddr=');
const _SIZ = fourBytes(' siz');
const IZE_ = fourBytes('ize=');
const _UNM = fourBytes(' unm');
const APPE = fourBytes('appe');
const D_SI = fourBytes('d_si');

const IOMMU = ascii('IOMMU:');
const DMA_ = ascii('DMA_');
const DIRECTIONS = DIRECTION_WORDS.map((word) => ascii(word));
const UPPER_I = 0x49;

/** Reads what stands behind the event name of a text line into an event. One per capture, since it numbers domains and devices. */
export class FtraceFields {
  /** Why the last {@link read} failed. */
  reason = '';
  /** End of the range as the line printed it, or {@link UNKNOWN}. */
  end: number = UNKNOWN;
  readonly #notes: CaptureNotes;

  constructor(notes: CaptureNotes) {
    this.#notes = notes;
  }

  /**
   * Place in `MEANINGS` of the event name at the cursor, and the cursor moved behind it and its colon; -1, with the cursor anywhere, if the
   * name is none of interest.
   */
  name(cursor: TextCursor): number {
    const bytes = cursor.bytes;
    let start = cursor.at;
    if (cursor.isWord(start, MAP_)) {
      cursor.at = start + 4;
      return MAP_MEANING;
    }
    if (cursor.isWord(start, UNMA) && bytes[start + 4] === Char.P && bytes[start + 5] === Char.COLON) {
      cursor.at = start + 6;
      return UNMAP_MEANING;
    }
    for (;;) {
      let at = start;
      let byte = bytes[at] as number;
      // A name ends at its colon; perf trace opens a parenthesis instead.
      while (byte !== Char.COLON && byte > Char.SPACE && byte !== Char.OPEN) byte = bytes[++at] as number;
      if (byte !== Char.COLON && byte !== Char.OPEN) return -1;
      if (byte === Char.COLON && (bytes[at + 1] as number) > Char.SPACE && bytes[at + 1] !== UPPER_I) {
        start = at + 1; // what stood before was the system: "iommu:map"
        continue;
      }
      cursor.at = at + 1;
      return KNOWN_NAMES.find(bytes, start, at);
    }
  }

  /** Reads the fields of an event with this meaning; false, and {@link reason} set, if they are damaged. */
  read(place: number, cursor: TextCursor, event: TraceEvent): boolean {
    event.kind = KINDS[place] as EventKind;
    clearCall(event);
    this.end = UNKNOWN;
    if (place <= UNMAP_MEANING) {
      const start = cursor.at;
      if (this.#plain(cursor, event)) return this.#ends(whyNoRange(event, this.end));
      cursor.at = start;
      clearCall(event);
      this.end = UNKNOWN;
    }
    const meaning = MEANINGS[place] as Meaning;
    event.request = meaning.request;
    cursor.skipSpaces();
    if (cursor.bytes[cursor.at] === UPPER_I) cursor.take(IOMMU);
    if (meaning.shape === Shape.FAULT) {
      // The driver's name stands in front of the device's.
      skipWord(cursor);
      cursor.skipSpaces();
      event.device = this.#device(cursor);
    }
    const reason = this.#pairs(cursor, event, meaning.shape === Shape.DMA);
    return this.#ends(reason === '' ? whyImpossible(meaning, event, this.end) : reason);
  }

  #ends(reason: string): boolean {
    this.reason = reason;
    return reason === '';
  }

  /** The usual form of a map or unmap, where every byte is known; false, with fields half set, if the line is not exactly that. */
  #plain(cursor: TextCursor, event: TraceEvent): boolean {
    cursor.skipSpaces();
    let at = cursor.at;
    if (!cursor.isWord(at, IOMM) || !cursor.isWord(at + 4, U__I) || !cursor.isWord(at + 8, OVA_)) return false;
    if (!this.#prefix(cursor, at + 12)) return false;
    event.iova = cursor.hex16();
    at = cursor.at;
    if (event.iova < 0 || !cursor.isWord(at, DASH_0) || cursor.bytes[at + 4] !== Char.X) return false;
    cursor.at = at + 5;
    this.end = cursor.hex16();
    if (this.end < 0) return false;
    const isMap = event.kind === 0;
    if (isMap) {
      at = cursor.at;
      if (!cursor.isWord(at, _PAD) || !cursor.isWord(at + 3, DDR_) || !this.#prefix(cursor, at + 7)) return false;
      event.pa = cursor.hex16();
      if (event.pa < 0) return false;
    }
    at = cursor.at;
    if (!cursor.isWord(at, _SIZ) || !cursor.isWord(at + 2, IZE_)) return false;
    cursor.at = at + 6;
    event.size = cursor.decimal();
    if (!isMap) {
      at = cursor.at;
      if (!cursor.isWord(at, _UNM) || !cursor.isWord(at + 4, APPE) || !cursor.isWord(at + 8, D_SI)) return false;
      if (!cursor.isWord(at + 11, IZE_)) return false;
      cursor.at = at + 15;
      event.unmappedSize = cursor.decimal();
      if (event.unmappedSize < 0) return false;
    }
    const byte = cursor.bytes[cursor.at];
    return event.size >= 0 && (byte === Char.LF || byte === Char.CR);
  }

  #prefix(cursor: TextCursor, at: number): boolean {
    cursor.at = at + 2;
    return cursor.bytes[at] === Char.ZERO && cursor.bytes[at + 1] === Char.X;
  }

  /**
   * `key=value` pairs as ftrace prints them, `key: value,` as perf trace does, in any order, with `(decimal)` notes skipped. Unknown keys are
   * passed over.
   * @param deviceFirst the first word without a key is the device
   * @returns what is wrong, or an empty string
   */
  #pairs(cursor: TextCursor, event: TraceEvent, deviceFirst: boolean): string {
    const bytes = cursor.bytes;
    for (;;) {
      let byte = bytes[cursor.at] as number;
      while (byte === Char.SPACE || byte === Char.COMMA || byte === Char.TAB) byte = bytes[++cursor.at] as number;
      if (byte === Char.LF || byte === Char.CR || byte === Char.CLOSE) return '';
      if (byte === Char.OPEN) {
        if (!skipPast(cursor, Char.CLOSE)) return '';
        continue;
      }
      const start = cursor.at;
      let at = start;
      while (isNameByte(byte)) byte = bytes[++at] as number;
      const separator = byte;
      const field =
        separator === Char.EQUALS || separator === Char.COLON ? FIELD_NAMES.find(bytes, start, at) : NOT_A_NUMBER;
      if (field < 0) {
        if (deviceFirst && event.device === UNKNOWN && separator !== Char.EQUALS) event.device = this.#device(cursor);
        else skipWord(cursor);
        continue;
      }
      cursor.at = at + 1;
      if (separator === Char.COLON) cursor.skipSpaces();
      const role = FIELD_ROLES[field] as Role;
      if (!this.#value(role, cursor, event, separator)) return `${FIELD_NAMES.name(field)} is no number`;
      if (role === Role.IOVA && !this.#iovaEnd(cursor)) return 'the end of the range is no number';
      // What stands directly behind a value must end it: "size=40x6" is damage, not 40.
      const next = bytes[cursor.at] as number;
      if (next > Char.SPACE && next !== Char.COMMA && next !== Char.CLOSE && next !== Char.OPEN) {
        if (role <= Role.DOMAIN) return 'a value ends in rubbish';
        skipWord(cursor);
      }
    }
  }

  /** Reads the value of a field; false if it has to be a number and is none. */
  #value(role: Role, cursor: TextCursor, event: TraceEvent, separator: number): boolean {
    switch (role) {
      case Role.IOVA:
        // The DMA events print addresses as hexadecimal digits without a prefix.
        event.iova = event.request !== UNKNOWN && separator === Char.EQUALS ? cursor.hexadecimal() : cursor.number();
        return event.iova !== NOT_A_NUMBER;
      case Role.PA:
        event.pa = cursor.number();
        return event.pa !== NOT_A_NUMBER;
      case Role.SIZE:
        event.size = cursor.number();
        return event.size !== NOT_A_NUMBER;
      case Role.UNMAPPED_SIZE:
        event.unmappedSize = cursor.number();
        return event.unmappedSize !== NOT_A_NUMBER;
      case Role.PROT:
        event.prot = cursor.number();
        return event.prot !== NOT_A_NUMBER;
      case Role.DOMAIN:
        if (!cursor.wideNumber()) return false;
        event.domain = this.#notes.domains.intern(cursor.high, cursor.low);
        return true;
      case Role.DEVICE:
        event.device = this.#device(cursor);
        return true;
      case Role.GROUP:
        event.group = cursor.number();
        return true;
      case Role.DIRECTION:
        event.direction = direction(cursor);
        return true;
      case Role.IOVAS:
        // The segments of one request are one run of IOVAs, so the first address and the sum of sizes say it all.
        if (isOpening(cursor.bytes[cursor.at] as number)) cursor.at++;
        event.iova = cursor.number();
        return true;
      case Role.SIZES:
        if (isOpening(cursor.bytes[cursor.at] as number)) cursor.at++;
        event.size = sumOfList(cursor);
        return true;
    }
  }

  /** The `- 0x0000000100000000` that newer kernels print behind an iova. */
  #iovaEnd(cursor: TextCursor): boolean {
    const bytes = cursor.bytes;
    if (bytes[cursor.at] !== Char.SPACE || bytes[cursor.at + 1] !== Char.MINUS) return true;
    cursor.at += 2;
    cursor.skipSpaces();
    this.end = cursor.number();
    return this.end !== NOT_A_NUMBER;
  }

  /** A device name, quoted or not; it ends at a blank, a quote or a comma. */
  #device(cursor: TextCursor): number {
    const bytes = cursor.bytes;
    let start = cursor.at;
    if (bytes[start] === Char.QUOTE) start++;
    let at = start;
    let byte = bytes[at] as number;
    while (byte > Char.SPACE && byte !== Char.QUOTE && byte !== Char.COMMA && byte !== Char.CLOSE)
      byte = bytes[++at] as number;
    cursor.at = byte === Char.QUOTE ? at + 1 : at;
    if (at > start) return this.#notes.devices.intern(bytes, start, at);
    // Never stand still, but never leave the line either.
    if (byte !== Char.LF && byte !== Char.CR) cursor.at = at + 1;
    return UNKNOWN;
  }
}

function isNameByte(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f ||
    (byte >= Char.ZERO && byte <= Char.NINE) ||
    (byte >= 0x41 && byte <= 0x5a)
  );
}

/** `FROM_DEVICE`, `DMA_FROM_DEVICE`, or its number. */
function direction(cursor: TextCursor): number {
  const byte = cursor.bytes[cursor.at] as number;
  if (byte >= Char.ZERO && byte <= Char.NINE) return cursor.number();
  cursor.take(DMA_);
  for (const [index, word] of DIRECTIONS.entries()) if (cursor.take(word)) return index;
  skipWord(cursor);
  return UNKNOWN;
}

function isOpening(byte: number): boolean {
  return byte === Char.OPEN_BRACE || byte === Char.OPEN_BRACKET;
}

/** Adds `0x1000,0x200}` up. */
function sumOfList(cursor: TextCursor): number {
  let sum = 0;
  for (;;) {
    const value = cursor.number();
    if (value === NOT_A_NUMBER) return sum;
    sum += value;
    if (cursor.bytes[cursor.at] !== Char.COMMA) return sum;
    cursor.at++;
  }
}

/** Moves to the blank behind the word here. */
function skipWord(cursor: TextCursor): void {
  const bytes = cursor.bytes;
  let at = cursor.at;
  while ((bytes[at] as number) > Char.SPACE) at++;
  // A stray control byte is no blank: step over it, but never over the end of the line.
  if (at === cursor.at && bytes[at] !== Char.LF && bytes[at] !== Char.CR) at++;
  cursor.at = at;
}
