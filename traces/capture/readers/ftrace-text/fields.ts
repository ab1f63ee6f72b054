import { EventKind, type TraceEvent, UNKNOWN } from '../../event.ts';
import { NameTable, PointerTable } from '../../names.ts';
import { ascii, Char, fourBytes, NOT_A_NUMBER, type TextCursor } from './text-cursor.ts';

/** What a line's event name makes of the line. */
export const LineShape = {
  /** `map`, `dom_map`: a map call. */
  MAP: 0,
  UNMAP: 1,
  /** `dom_map`, `dom_unmap`, `dom_attach`: kprobes at the start of the call, with the domain. */
  DOM_MAP: 2,
  DOM_UNMAP: 3,
  DOM_ATTACH: 4,
  /** The group events of the iommu tracepoints. */
  GROUP: 5,
  DMA: 6,
  FAULT: 7,
} as const;

interface Known {
  readonly shape: (typeof LineShape)[keyof typeof LineShape];
  readonly kind: EventKind;
}

/** Events of interest by name: `include/trace/events/iommu.h` and `dma.h` of Linux, and the kprobes of the group `iommudom`. */
const KNOWN: readonly (readonly [string, Known])[] = [
  ['map', { shape: LineShape.MAP, kind: EventKind.MAP }],
  ['unmap', { shape: LineShape.UNMAP, kind: EventKind.UNMAP }],
  ['dom_map', { shape: LineShape.DOM_MAP, kind: EventKind.MAP }],
  ['dom_unmap', { shape: LineShape.DOM_UNMAP, kind: EventKind.UNMAP }],
  ['dom_attach', { shape: LineShape.DOM_ATTACH, kind: EventKind.ATTACH }],
  ['attach_device_to_domain', { shape: LineShape.GROUP, kind: EventKind.ATTACH }],
  ['detach_device_from_domain', { shape: LineShape.GROUP, kind: EventKind.DETACH }],
  ['add_device_to_group', { shape: LineShape.GROUP, kind: EventKind.ADD_DEVICE }],
  ['remove_device_from_group', { shape: LineShape.GROUP, kind: EventKind.REMOVE_DEVICE }],
  ['io_page_fault', { shape: LineShape.FAULT, kind: EventKind.FAULT }],
  ...[
    'dma_map_page',
    'dma_map_phys',
    'dma_map_resource',
    'dma_map_sg',
    'dma_alloc',
    'dma_alloc_pages',
    'dma_alloc_sgt',
  ].map((name) => [name, { shape: LineShape.DMA, kind: EventKind.DMA_MAP }] as const),
  ...['dma_unmap_page', 'dma_unmap_phys', 'dma_unmap_resource', 'dma_unmap_sg'].map(
    (name) => [name, { shape: LineShape.DMA, kind: EventKind.DMA_UNMAP }] as const,
  ),
  ...['dma_free', 'dma_free_pages', 'dma_free_sgt'].map(
    (name) => [name, { shape: LineShape.DMA, kind: EventKind.DMA_FREE }] as const,
  ),
];

const KNOWN_NAMES = new NameTable();
for (const [name] of KNOWN) KNOWN_NAMES.intern(ascii(name), 0, name.length);
const SHAPES = Uint8Array.from(KNOWN, ([, known]) => known.shape);
const KINDS = Uint8Array.from(KNOWN, ([, known]) => known.kind);
const MAP_NAME = 0;
const UNMAP_NAME = 1;

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
const IOVA = ascii('iova');
const PADDR = ascii('paddr');
const PROT = ascii('prot');
const SIZE = ascii('size');
const UNMAPPED_SIZE = ascii('unmapped_size');
const DOMAIN = ascii('domain');
const DEVICE = ascii('device');
const DEV = ascii('dev');
const GROUP_ID = ascii('groupID');
const GID = ascii('gid');
const DMA_ADDR = ascii('dma_addr=');
const DMA_ADDRS = ascii('dma_addrs={');
const SIZES = ascii('sizes={');

/** Addresses beyond this are not exact in a double, and beyond every SMMU. */
const ADDRESS_LIMIT = 2 ** 52;

/** Reads what stands behind the event name into an event. One per reader, since it numbers domains and devices. */
export class FtraceFields {
  readonly devices: NameTable;
  readonly domains = new PointerTable();
  /** Why the last {@link read} failed. */
  reason = '';
  /** End of the range as the line printed it, or {@link UNKNOWN}. */
  end: number = UNKNOWN;

  constructor(devices: NameTable) {
    this.devices = devices;
  }

  /**
   * Number of the event name at the cursor for {@link shape} and {@link read}, and the cursor moved behind it and its colon;
   * -1, with the cursor anywhere, if the name is none of interest.
   */
  name(cursor: TextCursor): number {
    const bytes = cursor.bytes;
    let start = cursor.at;
    if (cursor.isWord(start, MAP_)) {
      cursor.at = start + 4;
      return MAP_NAME;
    }
    if (cursor.isWord(start, UNMA) && bytes[start + 4] === Char.P && bytes[start + 5] === Char.COLON) {
      cursor.at = start + 6;
      return UNMAP_NAME;
    }
    for (;;) {
      let at = start;
      let byte = bytes[at] as number;
      // A name ends at its colon; perf trace opens a parenthesis instead.
      while (byte !== Char.COLON && byte > Char.SPACE && byte !== Char.OPEN) byte = bytes[++at] as number;
      if (byte !== Char.COLON && byte !== Char.OPEN) return -1;
      if (byte === Char.COLON && (bytes[at + 1] as number) > Char.SPACE && bytes[at + 1] !== 0x49) {
        start = at + 1; // what stood before was the system: "iommu:map"
        continue;
      }
      cursor.at = at + 1;
      return KNOWN_NAMES.find(bytes, start, at);
    }
  }

  shape(name: number): number {
    return SHAPES[name] as number;
  }

  /** Reads the fields of an event with this name; false, and {@link reason} set, if they are damaged. */
  read(name: number, cursor: TextCursor, event: TraceEvent): boolean {
    event.kind = KINDS[name] as EventKind;
    event.iova = UNKNOWN;
    event.pa = UNKNOWN;
    event.size = UNKNOWN;
    event.runEnd = UNKNOWN;
    event.unmappedSize = UNKNOWN;
    event.prot = UNKNOWN;
    event.domain = UNKNOWN;
    event.device = UNKNOWN;
    event.group = UNKNOWN;
    event.count = UNKNOWN;
    this.end = UNKNOWN;
    this.reason = '';
    if (name === MAP_NAME || name === UNMAP_NAME) {
      const start = cursor.at;
      if (this.#plain(cursor, event)) return this.#checkRange(event);
      cursor.at = start;
      event.iova = UNKNOWN;
      event.pa = UNKNOWN;
      event.size = UNKNOWN;
      this.end = UNKNOWN;
      return this.#pairs(cursor, event) && this.#checkRange(event);
    }
    switch (SHAPES[name]) {
      case LineShape.DOM_MAP:
      case LineShape.DOM_UNMAP:
        if (!this.#pairs(cursor, event) || !this.#checkRange(event)) return false;
        return event.domain !== UNKNOWN || this.#fail('no domain');
      case LineShape.DOM_ATTACH:
        if (!this.#pairs(cursor, event)) return false;
        return event.domain !== UNKNOWN || this.#fail('no domain');
      case LineShape.GROUP:
        if (!this.#pairs(cursor, event)) return false;
        return event.device !== UNKNOWN || this.#fail('no device');
      case LineShape.FAULT:
        return this.#fault(cursor, event);
      default:
        return this.#dma(cursor, event);
    }
  }

  #fail(reason: string): boolean {
    this.reason = reason;
    return false;
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
    const isMap = event.kind === EventKind.MAP;
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
   * `key=value` pairs as ftrace prints them, `key: value,` as perf trace does, in any order, with `(decimal)` notes and the
   * `- end` of an iova skipped or kept. Unknown keys are passed over.
   */
  #pairs(cursor: TextCursor, event: TraceEvent): boolean {
    const bytes = cursor.bytes;
    cursor.skipSpaces();
    if (bytes[cursor.at] === 0x49) cursor.take(IOMMU);
    for (;;) {
      let byte = bytes[cursor.at] as number;
      while (byte === Char.SPACE || byte === Char.COMMA || byte === Char.TAB) byte = bytes[++cursor.at] as number;
      switch (byte) {
        case Char.LF:
        case Char.CR:
        case Char.CLOSE:
          return true;
        case Char.OPEN:
          skipGroup(cursor);
          break;
        case 0x69: // i
          if (!this.#key(cursor, IOVA)) {
            skipWord(cursor);
            break;
          }
          event.iova = cursor.number();
          if (event.iova === NOT_A_NUMBER) return this.#fail('iova is no number');
          if (!this.#iovaEnd(cursor)) return false;
          break;
        case Char.P:
          if (this.#key(cursor, PADDR)) {
            event.pa = cursor.number();
            if (event.pa === NOT_A_NUMBER) return this.#fail('paddr is no number');
          } else if (this.#key(cursor, PROT)) {
            event.prot = cursor.number();
            if (event.prot === NOT_A_NUMBER) return this.#fail('prot is no number');
          } else skipWord(cursor);
          break;
        case Char.S:
          if (!this.#key(cursor, SIZE)) {
            skipWord(cursor);
            break;
          }
          event.size = cursor.number();
          if (event.size === NOT_A_NUMBER) return this.#fail('size is no number');
          break;
        case Char.U:
          if (!this.#key(cursor, UNMAPPED_SIZE)) {
            skipWord(cursor);
            break;
          }
          event.unmappedSize = cursor.number();
          if (event.unmappedSize === NOT_A_NUMBER) return this.#fail('unmapped_size is no number');
          break;
        case Char.D:
          if (this.#key(cursor, DOMAIN)) {
            if (cursor.number() === NOT_A_NUMBER) return this.#fail('domain is no number');
            event.domain = this.domains.intern(cursor.high, cursor.low);
          } else if (this.#key(cursor, DEVICE) || this.#key(cursor, DEV)) {
            event.device = this.#device(cursor);
          } else skipWord(cursor);
          break;
        case 0x67: // g
          if (this.#key(cursor, GROUP_ID) || this.#key(cursor, GID)) event.group = cursor.number();
          else skipWord(cursor);
          break;
        default:
          skipWord(cursor);
      }
      // What stands directly behind a value must end it: "size=40x6" is damage, not 40.
      const next = bytes[cursor.at] as number;
      if (next > Char.SPACE && next !== Char.COMMA && next !== Char.CLOSE && next !== Char.OPEN) {
        if (byte === 0x69 || byte === Char.P || byte === Char.S || byte === Char.U)
          return this.#fail('a value ends in rubbish');
        skipWord(cursor);
      }
    }
  }

  /** Takes `key=` or `key: `. */
  #key(cursor: TextCursor, key: Uint8Array): boolean {
    const start = cursor.at;
    if (cursor.take(key)) {
      const byte = cursor.bytes[cursor.at];
      if (byte === Char.EQUALS || byte === Char.COLON) {
        cursor.at++;
        if (byte === Char.COLON) cursor.skipSpaces();
        return true;
      }
    }
    cursor.at = start;
    return false;
  }

  /** The `- 0x0000000100000000` that newer kernels print behind an iova. */
  #iovaEnd(cursor: TextCursor): boolean {
    const bytes = cursor.bytes;
    if (bytes[cursor.at] !== Char.SPACE || bytes[cursor.at + 1] !== Char.MINUS) return true;
    cursor.at += 2;
    cursor.skipSpaces();
    this.end = cursor.number();
    return this.end !== NOT_A_NUMBER || this.#fail('the end of the range is no number');
  }

  #checkRange(event: TraceEvent): boolean {
    const { iova, size } = event;
    if (iova === UNKNOWN) return this.#fail('no iova');
    if (size === UNKNOWN) return this.#fail('no size');
    if (event.kind === EventKind.MAP && event.pa === UNKNOWN) return this.#fail('no paddr');
    if (size === 0) return this.#fail('size is 0');
    if (iova + size > ADDRESS_LIMIT) return this.#fail('the range reaches beyond 52 bits');
    if (event.pa + size > ADDRESS_LIMIT) return this.#fail('paddr reaches beyond 52 bits');
    if (this.end !== UNKNOWN && this.end !== iova + size) return this.#fail('the end of the range is not iova + size');
    // It may exceed size: unmapping a part of a block can take the whole block.
    if (event.unmappedSize > ADDRESS_LIMIT) return this.#fail('unmapped_size reaches beyond 52 bits');
    return true;
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
    return at > start ? this.devices.intern(bytes, start, at) : UNKNOWN;
  }

  /** `IOMMU:DRIVER DEVICE iova=0x... flags=0x...` */
  #fault(cursor: TextCursor, event: TraceEvent): boolean {
    cursor.skipSpaces();
    if (!cursor.take(IOMMU)) return this.#fail('no IOMMU: in front');
    cursor.skipSpaces();
    skipWord(cursor);
    cursor.skipSpaces();
    event.device = this.#device(cursor);
    if (event.device === UNKNOWN) return this.#fail('no device');
    if (!this.#pairs(cursor, event)) return false;
    return event.iova !== UNKNOWN || this.#fail('no iova');
  }

  /** `DEVICE dir=... dma_addr=HEX size=DECIMAL ...`, or with `dma_addrs={...} sizes={...}` for a scatter list. */
  #dma(cursor: TextCursor, event: TraceEvent): boolean {
    const bytes = cursor.bytes;
    cursor.skipSpaces();
    event.device = this.#device(cursor);
    if (event.device === UNKNOWN) return this.#fail('no device');
    for (;;) {
      cursor.skipSpaces();
      const byte = bytes[cursor.at] as number;
      if (byte <= Char.CR) return true;
      if (byte === Char.D && cursor.take(DMA_ADDR)) {
        event.iova = cursor.hex();
        if (event.iova === NOT_A_NUMBER) return this.#fail('dma_addr is no number');
      } else if (byte === Char.D && cursor.take(DMA_ADDRS)) {
        // The segments of one request are one run of IOVAs, so the first address and the sum of sizes say it all.
        event.iova = cursor.number();
      } else if (byte === Char.S && this.#key(cursor, SIZE)) {
        event.size = cursor.decimal();
        if (event.size === NOT_A_NUMBER) return this.#fail('size is no number');
      } else if (byte === Char.S && cursor.take(SIZES)) {
        event.size = sumOfList(cursor);
      }
      skipWord(cursor);
    }
  }
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

/** Moves behind the parenthesis that opens here, or to the end of the line. */
function skipGroup(cursor: TextCursor): void {
  const bytes = cursor.bytes;
  let at = cursor.at;
  while (bytes[at] !== Char.CLOSE && bytes[at] !== Char.LF) at++;
  cursor.at = bytes[at] === Char.LF ? at : at + 1;
}
