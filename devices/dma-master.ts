import * as v from 'valibot';
import { AccessFlag, type FlightJob, TranslationRequest } from '../emulator/index.ts';
import { ConfigError, Prng } from '../formats/index.ts';
import {
  type AccessPattern,
  PointerChasePattern,
  RandomPattern,
  ReplayedPattern,
  StridedPattern,
  TiledPattern,
} from './access-pattern.ts';

const count = (least: number, most: number, value: number) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), value);

/** One DMA master: what it accesses, and how much of it at a time. */
export const DmaMasterSchema = v.strictObject({
  pattern: v.optional(
    v.picklist(['sequential', 'strided', 'random', 'tiled', 'pointer-chase', 'replay']),
    'sequential',
  ),
  /** First IOVA of its buffer. */
  base: count(0, 2 ** 52, 0),
  /** Bytes of its buffer, at least one access. */
  size: count(1, 2 ** 52, 2 ** 20),
  /** Bytes of one access, 1 to 4096; no access may cross a 4 KiB boundary, so a divisor of 4096. */
  accessSize: v.optional(
    v.pipe(
      v.number(),
      v.integer(),
      v.minValue(1),
      v.maxValue(4096),
      v.check((n) => 4096 % n === 0, 'a power of two up to 4096'),
    ),
    64,
  ),
  /** Strided: bytes from one access to the next. */
  stride: count(1, 2 ** 40, 4096),
  /** Tiled: bytes of a row of the picture, and rows; the buffer must hold them. Default: 1080p, 4 bytes a pixel, padded. */
  pitch: count(1, 2 ** 30, 7680),
  rows: count(1, 2 ** 20, 1080),
  /** Tiled: bytes and rows of a tile. Default: 16 by 16 pixels. */
  tileWidth: count(1, 2 ** 20, 64),
  tileRows: count(1, 2 ** 16, 16),
  /** Fraction of accesses that write, 0 to 1. */
  writes: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0),
  /** Most accesses in flight, 1 to 65536. A pointer chase never has more than one. */
  outstanding: count(1, 65536, 16),
  /** Cycles from one access to the next when nothing holds it up. */
  gap: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9)), 1),
  /** Cycles of the access itself, after its translation: memory and the way back. Assumed: 100, as the walker's. */
  dataLatency: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1e9)), 100),
  streamId: count(0, 2 ** 32 - 1, 0),
  /** -1 for none. */
  substreamId: count(-1, 2 ** 20 - 1, -1),
  /** Interface of the MMU that it sits behind. */
  interface: count(0, 1023, 0),
  /** Cycle of its first access. */
  start: v.optional(v.pipe(v.number(), v.minValue(0)), 0),
  /** Seed of random addresses, of the list of a pointer chase, and of the choice of writes. */
  seed: count(0, 2 ** 53 - 1, 1),
});
export type DmaMasterConfig = v.InferOutput<typeof DmaMasterSchema>;

/** What a DMA master sends its accesses to: an SMMU, or anything that translates like one. */
export interface TranslationPort {
  translate(request: TranslationRequest): boolean;
}

/**
 * A DMA master: a pattern of addresses and a window of accesses in flight. An access is issued when the one before it is `gap`
 * cycles old and a place in the window is free; it holds its place until its data is back. Faults count, and end the access.
 */
export class DmaMaster {
  readonly config: DmaMasterConfig;
  readonly pattern: AccessPattern;
  accesses = 0;
  faults = 0;
  /** Bytes of the accesses that did not fault. */
  bytes = 0;
  /** Cycle at which the last access so far is complete. */
  finished: number;
  /** Sum of the cycles from issue to completion. */
  latency = 0;

  /** Cycle from which the next access may be issued, window apart. */
  #ready: number;
  /** Cycle at which each place in the window is free. */
  readonly #places: Float64Array;
  readonly #writes: Prng;
  readonly #request = new TranslationRequest();

  /**
   * @param addresses what a `replay` master replays
   * @throws ConfigError naming the field
   */
  constructor(asked: v.InferInput<typeof DmaMasterSchema>, addresses: Float64Array = new Float64Array(0)) {
    const parsed = v.safeParse(DmaMasterSchema, asked);
    if (!parsed.success) {
      const issue = parsed.issues[0];
      throw new ConfigError(`master.${v.getDotPath(issue) ?? ''}`, issue.input, issue.message);
    }
    const config = parsed.output;
    this.config = config;
    this.pattern = patternOf(config, addresses);
    this.#places = new Float64Array(this.pattern.dependent ? 1 : config.outstanding).fill(config.start);
    this.#ready = config.start;
    this.finished = config.start;
    this.#writes = new Prng(config.seed + 1);
    this.#request.ask(config.interface, config.streamId, config.substreamId, 0, 0, 0, config.accessSize);
  }

  /** Cycle at which the next access goes out. */
  get next(): number {
    return Math.max(this.#ready, this.#places[this.#freest()] as number);
  }

  /** Makes one access. @returns false when it faulted. */
  access(port: TranslationPort): boolean {
    const { config } = this;
    const place = this.#freest();
    const start = Math.max(this.#ready, this.#places[place] as number);
    const request = this.#request;
    request.iova = this.pattern.next();
    request.flags = this.#writes.chance(config.writes) ? AccessFlag.WRITE : AccessFlag.READ;
    request.start = start;
    const done = port.translate(request);
    const end = request.completion + (done ? config.dataLatency : 0);
    this.accesses++;
    if (done) this.bytes += config.accessSize;
    else this.faults++;
    this.latency += end - start;
    this.#ready = start + config.gap;
    this.#places[place] = end;
    if (end > this.finished) this.finished = end;
    return done;
  }

  /** The next `accesses` of this master as a job of the engine for requests in flight, which models how they hold each other up. */
  flightJob(accesses: number): FlightJob {
    const { config, pattern } = this;
    const addresses = new Float64Array(accesses);
    for (let i = 0; i < accesses; i++) addresses[i] = pattern.next();
    return {
      master: config.interface,
      addresses,
      streamId: config.streamId,
      substreamId: config.substreamId,
      // A job reads or writes as a whole.
      flags: config.writes >= 0.5 ? AccessFlag.WRITE : AccessFlag.READ,
      size: config.accessSize,
      outstanding: pattern.dependent ? 1 : config.outstanding,
      gap: config.gap,
      start: config.start,
    };
  }

  /** The place in the window that is free first. */
  #freest(): number {
    const places = this.#places;
    let best = 0;
    for (let i = 1; i < places.length; i++) {
      if ((places[i] as number) < (places[best] as number)) best = i;
    }
    return best;
  }
}

/**
 * Lets several masters access at once, always the one whose next access is due first (of two due together, the first in the list).
 * The port sees their accesses in the order of their start.
 * @param accesses how many in total
 */
export function runMasters(masters: readonly DmaMaster[], port: TranslationPort, accesses: number): void {
  for (let i = 0; i < accesses; i++) {
    let due: DmaMaster | undefined;
    let at = Number.POSITIVE_INFINITY;
    for (const master of masters) {
      const { next } = master;
      if (next < at) {
        due = master;
        at = next;
      }
    }
    due?.access(port);
  }
}

function patternOf(config: DmaMasterConfig, addresses: Float64Array): AccessPattern {
  const { pattern, size, accessSize, pitch, rows, seed } = config;
  if (size < accessSize) throw new ConfigError('master.size', size, `at least one access, ${accessSize} bytes`);
  switch (pattern) {
    case 'sequential':
      return new StridedPattern(config, accessSize);
    case 'strided':
      return new StridedPattern(config, config.stride);
    case 'random':
      return new RandomPattern(config, seed);
    case 'pointer-chase':
      return new PointerChasePattern(config, seed);
    case 'replay':
      return new ReplayedPattern(addresses);
    case 'tiled':
      if (pitch * rows > size) throw new ConfigError('master.size', size, `the whole picture, ${pitch * rows} bytes`);
      return new TiledPattern(config, config);
  }
}
