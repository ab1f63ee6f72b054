import {
  EventId,
  featuresOf,
  STREAM_ABORTED,
  STRTAB_BASE,
  STRTAB_BASE_CFG,
  type StreamContext,
  StreamContexts,
  tableBase,
} from '../../devices/index.ts';
import { FaultClass, Permission, type TranslationRegime, Walker, type WalkMemory } from '../../emulator/index.ts';
import { getField } from '../../formats/index.ts';
import { InputError } from '../input-error.ts';
import { IMAGE_PAGE_SIZE, type ImageStreamTable } from './memory-image.ts';

/** What the lookup says of an entry that was never filled in. */
const ENTRY_INVALID = 'V is 0';

/** Memory with the registers that say where its stream table is. */
export interface StreamTableImage extends WalkMemory {
  /** What it is called in complaints. */
  readonly folder: string;
  /** Registers of the SMMU by name. */
  readonly registers: ReadonlyMap<string, bigint>;
  /** Addresses of the pages that there are, of {@link IMAGE_PAGE_SIZE} bytes; absent where all memory is. */
  readonly pages?: readonly number[];
  /** Where the stream table is, when no register says it. */
  readonly streamTable: ImageStreamTable | null;
  /** A register of the SMMU; 0 when there is none of that name. */
  register(name: string): bigint;
}

/** One stream of an image that has a translation. */
export interface ImageStream {
  readonly sid: number;
  /** SubstreamID, or -1 for traffic without one. */
  readonly ssid: number;
  readonly regime: TranslationRegime;
  readonly context: StreamContext;
}

/** Why a stream has no translation. */
export interface RefusedStream {
  readonly sid: number;
  /** Event number of IHI 0070 section 7.3, or STREAM_ABORTED. */
  readonly event: number;
  readonly reason: string;
}

/** Bytes of a stream table entry, as of a context descriptor, and of a first-level descriptor of either's table. */
const STE_BYTES = 64;
const L1_BYTES = 8;
const ENTRIES_PER_PAGE = IMAGE_PAGE_SIZE / STE_BYTES;

/** StreamID bits that every image may use, whatever its IDR1 says. */
const LEAST_STREAM_BITS = 16;

/** The streams of an image: its stream table and context descriptors, read through the SMMUv3's own lookup. */
export class ImageStreams {
  readonly #contexts: StreamContexts;
  readonly #walker: Walker;
  /** Pages of the image by rising address; null where all memory is there. */
  readonly #pages: readonly number[] | null;

  /**
   * @param lenient takes stream table entries and context descriptors as gem5 takes them, without the architecture's checks
   * @throws InputError for an image without a stream table
   */
  constructor(image: StreamTableImage, lenient = false) {
    const idr = (n: number): number => Number(image.register(`IDR${n}`) & 0xffff_ffffn);
    this.#contexts = new StreamContexts(image, featuresOf([idr(0), idr(1), idr(2), idr(3), idr(4), idr(5)]));
    this.#contexts.table = streamTableOf(image);
    const { log2Size } = this.#contexts.table;
    // gem5 says that StreamIDs have no bits, and has eight streams all the same.
    const most = Math.max(this.#contexts.features.streamBits, LEAST_STREAM_BITS);
    if (log2Size > most) {
      throw new InputError(
        image.folder,
        'pt.json, STRTAB_BASE_CFG',
        `LOG2SIZE ${log2Size}`,
        `at most ${most} StreamID bits (IDR1.SIDSIZE)`,
      );
    }
    this.#contexts.lenient = lenient;
    this.#walker = new Walker(image);
    this.#pages = image.pages === undefined ? null : [...image.pages].sort((a, b) => a - b);
  }

  /** Highest StreamID, plus one. */
  get count(): number {
    return 2 ** this.#contexts.table.log2Size;
  }

  /** The translation of a stream, or why it has none. */
  stream(sid: number, ssid = -1): ImageStream | RefusedStream {
    const found = this.#contexts.lookUp(sid, ssid, (ipa, stage2) => {
      if (!this.#walker.translateStage2(stage2, ipa, Permission.READ, FaultClass.CONTEXT)) return -1;
      return this.#walker.stage2.outputAddress;
    });
    if (typeof found === 'number') return { sid, event: found, reason: this.#contexts.refusal ?? 'stage 2 refused it' };
    const context = this.#contexts.known(sid, ssid);
    if (context === undefined) return { sid, event: EventId.C_BAD_STE, reason: 'not found' };
    return { sid, ssid, regime: found, context };
  }

  /** Every stream that stage 1 or stage 2 translates, by StreamID; substreams behind their stream. */
  *translated(): Generator<ImageStream> {
    for (const found of this.survey()) if (!('event' in found)) yield found;
  }

  /**
   * Every stream that is translated, and every one that is configured in a way that the SMMU refuses. Streams that do not exist, or
   * are set to bypass or to abort, are left out. What the image has no page of is told once for each gap: a table may have room for
   * 2^32 streams where an image has a few pages.
   */
  *survey(): Generator<ImageStream | RefusedStream> {
    const { table } = this.#contexts;
    const chunk = table.twoLevel ? 2 ** table.split : 1;
    for (let sid = 0; sid < this.count; sid++) {
      const found = this.stream(sid);
      if ('event' in found) {
        if (found.event === EventId.F_STE_FETCH) sid = Math.max(this.#afterGap(sid), sid + 1) - 1;
        // Where not even the first stream of a second-level table exists, the others do not either.
        if (found.event === EventId.C_BAD_STREAMID && sid % chunk === 0) sid += chunk - 1;
        else if (found.event === EventId.F_STREAM_DISABLED) yield* this.#substreams(sid);
        else if (found.event !== STREAM_ABORTED && found.reason !== ENTRY_INVALID) yield found;
        continue;
      }
      if (found.regime.stage1 !== null || found.regime.stage2 !== null) yield found;
      if (found.context.ste.S1CDMax > 0) yield* this.#substreams(sid);
    }
  }

  /** The first StreamID behind one whose entry cannot be read that may have an entry in a page of the image. */
  #afterGap(sid: number): number {
    const { table } = this.#contexts;
    const inPage = sid + ENTRIES_PER_PAGE - (sid % ENTRIES_PER_PAGE);
    const streams = table.twoLevel ? 2 ** table.split : 1;
    const bytes = table.twoLevel ? L1_BYTES : STE_BYTES;
    const base = tableBase(table.base, (this.count / Math.min(streams, this.count)) * bytes);
    const at = base + Math.floor(sid / streams) * bytes;
    const page = at - (at % IMAGE_PAGE_SIZE);
    const pages = this.#pages;
    if (pages === null) return inPage;
    const next = lowerBound(pages, page);
    // The first level is there, so that it is a second level that is not.
    if (pages[next] === page) return inPage;
    const from = pages[next];
    return from === undefined ? this.count : Math.min(Math.floor((from - base) / bytes) * streams, this.count);
  }

  *#substreams(sid: number): Generator<ImageStream> {
    const first = this.stream(sid);
    const most = 'event' in first ? 2 ** 20 : 2 ** first.context.ste.S1CDMax;
    for (let ssid = 0; ssid < most; ssid++) {
      const found = this.stream(sid, ssid);
      if (!('event' in found)) yield found;
      else if (ssid % ENTRIES_PER_PAGE === 0) {
        // A page of context descriptors that is not there, or no table of them; substream 0 may be reserved.
        const none = found.event === EventId.F_CD_FETCH || (ssid > 0 && found.event === EventId.C_BAD_SUBSTREAMID);
        if (none) ssid += ENTRIES_PER_PAGE - 1;
      }
    }
  }
}

/** A refusal in words: the event that the SMMU would record, and why. */
export function refusalText(refused: RefusedStream): string {
  if (refused.event === STREAM_ABORTED) return 'the stream table entry aborts all traffic';
  const name = Object.entries(EventId).find(([, id]) => id === refused.event)?.[0] ?? `event ${refused.event}`;
  return `${name}: ${refused.reason}`;
}

export function streamTableOf(image: StreamTableImage): StreamContexts['table'] {
  if (image.registers.has('STRTAB_BASE') && image.registers.has('STRTAB_BASE_CFG')) {
    const base = image.register('STRTAB_BASE');
    const config = Number(image.register('STRTAB_BASE_CFG'));
    const words = Uint32Array.of(Number(base & 0xffff_ffffn), Number(base >> 32n), config);
    return {
      base: getField(words, 0, STRTAB_BASE.ADDR),
      twoLevel: getField(words, 2, STRTAB_BASE_CFG.FMT) === 1,
      log2Size: getField(words, 2, STRTAB_BASE_CFG.LOG2SIZE),
      split: getField(words, 2, STRTAB_BASE_CFG.SPLIT),
    };
  }
  if (image.streamTable !== null) return image.streamTable;
  throw new InputError(image.folder, 'pt.json', 'no STRTAB_BASE register and no "strtab"', 'one, or --ttb0 and --tcr');
}

/** Index of the first number that is not below `least`. */
function lowerBound(sorted: readonly number[], least: number): number {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] as number) < least) from = middle + 1;
    else to = middle;
  }
  return from;
}
