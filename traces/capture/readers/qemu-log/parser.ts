import type { CaptureNotes } from '../../events/index.ts';
import { Context, clearCall, EventKind, NameTable, type TraceEvent, UNKNOWN } from '../../events/index.ts';
import { ascii, Char, indexInLine, NOT_A_NUMBER, type TextCursor } from '../text-cursor.ts';
import type { TextLines } from '../text-lines.ts';
import type { LineParser } from '../text-stream.ts';

/** Events of `hw/arm/trace-events` of QEMU 5.2 to 9.x that mean something here. */
const Name = {
  TRANSLATE: 0,
  RANGE: 1,
  RANGE_OLD: 2,
  ASID: 3,
  ALL: 4,
  ALL_NON_SECURE: 5,
  RECORD: 6,
  MISS: 7,
  LEVEL: 8,
  HIT: 9,
  ALL_OF_VMID: 10,
} as const;
const NAMES = new NameTable();
for (const name of [
  'smmuv3_translate_success',
  'smmuv3_range_inval',
  'smmuv3_s1_range_inval',
  'smmuv3_cmdq_tlbi_nh_asid',
  'smmuv3_cmdq_tlbi_nh',
  'smmuv3_cmdq_tlbi_nsnh',
  'smmuv3_record_event',
  'smmu_iotlb_lookup_miss',
  'smmu_ptw_level',
  'smmu_iotlb_lookup_hit',
  'smmuv3_cmdq_tlbi_s12_vmid',
]) {
  NAMES.intern(ascii(name), 0, name.length);
}

/** What the arguments are called. */
const Key = { SID: 0, IOVA: 1, TRANSLATED: 2, PERM: 3, ASID: 4, ADDR: 5, TG: 6, NUM_PAGES: 7, LEAF: 8 } as const;
const KEYS = new NameTable();
for (const key of ['sid', 'iova', 'translated', 'perm', 'asid', 'addr', 'tg', 'num_pages', 'leaf']) {
  KEYS.intern(ascii(key), 0, key.length);
}
const KEY_COUNT = 9;

/** Bytes of a page by the TG of an invalidation command: 0 stands for the page of an invalidation without a range. */
const TG_BYTES = [4096, 4096, 16_384, 65_536];
const SMMU = ascii('smmu');
/** What QEMU (`smmuv3_decode_config`, since 8.1) prints as the ASID of a stream that has stage 2 alone, and of an invalidation of no one ASID. */
const NO_ASID = ascii('-1');
/** What no log of an emulated IOMMU says, and every map and unmap of a trace does. */
const TRACE_MARK = ascii('IOMMU: iova=');

/** A lookup in the IOMMU's TLB. */
export interface Lookup {
  /** -1 in an address space of stage 2, which has none. */
  readonly asid: number;
  readonly hit: boolean;
}

/**
 * Reads QEMU's own log of its SMMU: translations as accesses, invalidation commands, faults. Everything else it tells (walk levels, queue
 * registers, hits and misses of its own cache) is of no interest. A fault's address is that of the lookup before it, since the line has none.
 */
export class QemuLogParser implements LineParser {
  readonly #lines: TextLines;
  readonly #notes: CaptureNotes;
  readonly #values = new Float64Array(KEY_COUNT);
  /** Address of the last lookup. */
  #lookup: number = UNKNOWN;
  #time = 0;
  /** The lookup that the event of the last line ends, or that is under way. */
  #current: Lookup | null = null;
  /** The event of the last line ended its lookup. */
  #over = false;

  constructor(lines: TextLines, notes: CaptureNotes) {
    this.#lines = lines;
    this.#notes = notes;
    notes.stats.form = 'qemu-log';
  }

  /** The lookup in the IOMMU's TLB that led to the last event; null where the log has none. */
  get lookup(): Lookup | null {
    return this.#current;
  }

  parse(event: TraceEvent): boolean {
    const { cursor } = this.#lines;
    const start = cursor.at;
    const thread = this.#prefix(cursor, start);
    const nameAt = cursor.at;
    if (!cursor.take(SMMU)) {
      this.#notes.stats.notEvents++;
      if (indexInLine(cursor.bytes, start, TRACE_MARK) >= 0) this.#notes.stats.foreignLines++;
      return false;
    }
    const { bytes } = cursor;
    let at = cursor.at;
    while ((bytes[at] as number) > Char.SPACE) at++;
    const name = NAMES.find(bytes, nameAt, at);
    cursor.at = at;
    clearCall(event);
    event.time = this.#time;
    event.pid = thread;
    event.cpu = UNKNOWN;
    event.context = Context.UNKNOWN;
    event.line = this.#lines.number;
    event.kind = EventKind.OTHER;
    if (name < 0) return true;
    if (!this.#arguments(cursor) || this.#lines.cut) {
      if (this.#lines.cut) this.#lines.damagedByCut();
      else this.#lines.damaged('a value is no number');
      return false;
    }
    const reason = this.#read(name, event);
    if (reason === '') return true;
    this.#lines.damaged(reason);
    return false;
  }

  /** `14467@1795245982.365884:`; the thread, or -1 for a log without times. */
  #prefix(cursor: TextCursor, start: number): number {
    const thread = cursor.decimal();
    if (thread !== NOT_A_NUMBER && cursor.bytes[cursor.at] === Char.AT) {
      cursor.at++;
      const seconds = cursor.decimal();
      if (seconds !== NOT_A_NUMBER && cursor.bytes[cursor.at] === Char.DOT) {
        cursor.at++;
        const micros = cursor.decimal();
        if (micros !== NOT_A_NUMBER && micros < 1e6 && seconds < 2 ** 33 && cursor.bytes[cursor.at] === Char.COLON) {
          cursor.at++;
          this.#time = (seconds * 1e6 + micros) / 1e6;
          this.#notes.stats.clock = 'seconds';
          return thread;
        }
      }
    }
    cursor.at = start;
    return UNKNOWN;
  }

  /** Puts the numbers behind `key=` into {@link #values}; false if one that matters is none. */
  #arguments(cursor: TextCursor): boolean {
    this.#values.fill(UNKNOWN);
    const { bytes } = cursor;
    for (;;) {
      let at = cursor.at;
      while (bytes[at] === Char.SPACE) at++;
      const start = at;
      let byte = bytes[at] as number;
      while (byte > Char.SPACE && byte !== Char.EQUALS) byte = bytes[++at] as number;
      if (byte === Char.LF || byte === Char.CR) return true;
      cursor.at = at + 1;
      if (byte !== Char.EQUALS) continue;
      const key = KEYS.find(bytes, start, at);
      if (key < 0) continue;
      if (key !== Key.ASID || !cursor.take(NO_ASID)) {
        const value = cursor.number();
        if (value === NOT_A_NUMBER) return false;
        this.#values[key] = value;
      }
      if ((bytes[cursor.at] as number) > Char.SPACE) return false;
    }
  }

  /** Makes an event of the arguments; what is missing, or an empty string. */
  #read(name: number, event: TraceEvent): string {
    const values = this.#values;
    const address = values[Key.ADDR] as number;
    if (this.#over) this.#current = null;
    this.#over = name === Name.TRANSLATE || name === Name.RECORD;
    switch (name) {
      case Name.TRANSLATE:
        event.kind = EventKind.ACCESS;
        event.stream = values[Key.SID] as number;
        event.iova = values[Key.IOVA] as number;
        event.pa = values[Key.TRANSLATED] as number;
        // QEMU's IOMMU_RO and IOMMU_WO are the bits of IOMMU_READ and IOMMU_WRITE.
        event.prot = values[Key.PERM] as number;
        return event.iova < 0 || event.pa < 0 || event.stream < 0 ? 'no sid, iova or translated' : '';
      case Name.RANGE:
      case Name.RANGE_OLD: {
        const pages = values[Key.NUM_PAGES] as number;
        const granule = TG_BYTES[values[Key.TG] as number];
        if (address < 0 || pages < 0 || granule === undefined) return 'no addr, num_pages or tg';
        event.kind = EventKind.INVALIDATE;
        event.asid = values[Key.ASID] as number;
        event.iova = address;
        event.size = pages * granule;
        event.prot = values[Key.LEAF] as number;
        return '';
      }
      case Name.ASID:
        event.kind = EventKind.INVALIDATE;
        event.asid = values[Key.ASID] as number;
        return event.asid < 0 ? 'no asid' : '';
      case Name.ALL:
      case Name.ALL_NON_SECURE:
      case Name.ALL_OF_VMID:
        event.kind = EventKind.INVALIDATE;
        return '';
      case Name.RECORD:
        event.kind = EventKind.FAULT;
        event.stream = values[Key.SID] as number;
        event.iova = this.#lookup;
        return event.stream < 0 ? 'no sid' : '';
      case Name.MISS:
      case Name.HIT:
        this.#lookup = address;
        this.#current = { asid: values[Key.ASID] as number, hit: name === Name.HIT };
        return '';
      default:
        this.#lookup = values[Key.IOVA] as number;
        return '';
    }
  }
}
