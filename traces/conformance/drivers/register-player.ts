/**
 * Plays a recorded list of events as the device under a driver: what the driver reads is what was recorded, and everything it does must
 * be the next recorded thing. That needs no model of the hardware at all, and holds a driver's order, values and delays against those
 * of the real one. At the first difference the player throws {@link Divergence}, which ends the driver's operation: whatever it did
 * after that would only follow from the difference.
 */
import type { RegisterPort } from '../../../devices/index.ts';
import { hexText } from '../../quantity.ts';
import type { DriverEvent } from './event.ts';
import { describeValues, hex64, sameValue as same } from './value.ts';

/** The driver did otherwise than recorded. Its message is one line: place, what was recorded, what came. */
export class Divergence extends Error {
  override readonly name = 'Divergence';
  /** What differs: "event 12", "ret", "state.lru". */
  readonly what: string;
  readonly expected: string;
  readonly found: string;

  constructor(what: string, expected: string, found: string) {
    super(`${what}: expected ${expected}, found ${found}`);
    this.what = what;
    this.expected = expected;
    this.found = found;
  }
}

export interface PlayerOptions {
  /** Kinds of named events that are passed over, such as messages for people. */
  readonly skip?: readonly string[];
  /** Whether a warning of the driver, by our code for it, is the one whose site was recorded. Default: any is. */
  readonly agrees?: (recorded: string, code: string) => boolean;
}

const NOTHING = 'nothing more';

export class RegisterPlayer implements RegisterPort {
  readonly #skip: ReadonlySet<string>;
  readonly #agrees: (recorded: string, code: string) => boolean;
  #events: readonly DriverEvent[] = [];
  #index = 0;
  // The event at `#index`, taken apart. `#left` counts the repetitions of it to come, this one included.
  #kind = '';
  #offset = 0;
  #low = 0;
  #high = 0;
  #left = 0;
  /** Reads: the delay after each, or -1. Writes: by how much the value grows. */
  #step = -1;
  /** The delay that must come before anything else, or -1. */
  #due = -1;

  constructor(options: PlayerOptions = {}) {
    this.#skip = new Set(options.skip ?? []);
    this.#agrees = options.agrees ?? (() => true);
  }

  /**
   * Runs one operation of a driver against the events it must cause, all of them.
   * @throws Divergence at the first difference, also when recorded events are left over.
   */
  play<T>(events: readonly DriverEvent[], operation: () => T): T {
    this.begin(events);
    const result = operation();
    this.finish();
    return result;
  }

  /** From here on these events are played. */
  begin(events: readonly DriverEvent[]): void {
    this.#events = events;
    this.#index = -1;
    this.#due = -1;
    this.#advance();
  }

  /** @throws Divergence when recorded events are left over. */
  finish(): void {
    if (this.#due >= 0 || this.#index < this.#events.length) this.#differ(NOTHING);
  }

  read32(offset: number): number {
    if (!this.#isNext('r32', offset)) this.#differ(`r32 ${hexText(offset)}`);
    const value = this.#low;
    this.#took();
    return value;
  }

  read64(offset: number, halves: Uint32Array): void {
    if (!this.#isNext('r64', offset)) this.#differ(`r64 ${hexText(offset)}`);
    halves[0] = this.#low;
    halves[1] = this.#high;
    this.#took();
  }

  write32(offset: number, value: number): void {
    if (!this.#isNext('w32', offset) || this.#low !== value >>> 0)
      this.#differ(`w32 ${hexText(offset)} ${hexText(value)}`);
    this.#low = (this.#low + this.#step) >>> 0;
    this.#took();
  }

  write64(offset: number, low: number, high: number): void {
    if (!this.#isNext('w64', offset) || this.#low !== low >>> 0 || this.#high !== high >>> 0) {
      this.#differ(`w64 ${hexText(offset)} ${hex64(low, high)}`);
    }
    const sum = this.#low + this.#step;
    this.#low = sum >>> 0;
    this.#high = (this.#high + Math.floor(sum / 2 ** 32)) >>> 0;
    this.#took();
  }

  delay(microseconds: number): void {
    if (this.#due >= 0) {
      if (this.#due !== microseconds) this.#differ(`udelay ${microseconds}`);
      this.#due = -1;
      this.#next();
      return;
    }
    if (this.#kind !== 'udelay' || this.#events[this.#index]?.[1] !== microseconds) {
      this.#differ(`udelay ${microseconds}`);
    }
    this.#advance();
  }

  /**
   * The driver did a named thing with these values, and no others: `expect('unmap', iova, pageSize, count, unmapped)`. A number equals
   * a recorded number or hexadecimal string; objects and lists are compared field by field.
   */
  expect(kind: string, ...values: readonly unknown[]): void {
    const event = this.#named(kind);
    if (event?.length !== values.length + 1 || !values.every((value, i) => same(value, event[i + 1]))) {
      this.#differ(describeValues([kind, ...values]));
    }
    this.#advance();
  }

  /**
   * The driver asks the world something and gets the recorded answer: the first values of the event must be `known`; the others are
   * returned. `take('fault_handler', iova, flags)` returns what the handler returned.
   */
  take(kind: string, ...known: readonly unknown[]): readonly unknown[] {
    const event = this.#named(kind);
    if (event === null || event.length <= known.length || !known.every((value, i) => same(value, event[i + 1]))) {
      this.#differ(describeValues([kind, ...known]));
    }
    this.#advance();
    return (event as DriverEvent).slice(known.length + 1);
  }

  /** The driver warned. Warnings are recorded as function and condition, and named by a code here: the two correspond one to one. */
  warn(code: string): void {
    const event = this.#named('warn');
    if (event === null || !this.#agrees(event.slice(1).join(': '), code)) this.#differ(`warn ${code}`);
    this.#advance();
  }

  /** The driver wrote a message for people; its text is compared only when one is given. */
  log(level: string, text?: string): void {
    if (this.#skip.has('log')) return;
    const event = this.#named('log');
    if (event?.[1] !== level || (text !== undefined && event[2] !== text)) {
      this.#differ(describeValues(text === undefined ? ['log', level] : ['log', level, text]));
    }
    this.#advance();
  }

  /** Kind of the event that must come next; `udelay` inside a poll, and '' when none is left. */
  get nextKind(): string {
    return this.#due >= 0 ? 'udelay' : this.#kind;
  }

  /** The event that must come next, as recorded; null when none is left. */
  get nextEvent(): DriverEvent | null {
    return this.#events[this.#index] ?? null;
  }

  #isNext(kind: string, offset: number): boolean {
    return this.#due < 0 && this.#kind === kind && this.#offset === offset;
  }

  #named(kind: string): DriverEvent | null {
    return this.#due < 0 && this.#kind === kind ? (this.#events[this.#index] as DriverEvent) : null;
  }

  /** One repetition is over, but for the delay that may belong to it. */
  #took(): void {
    this.#left--;
    if (this.#kind.startsWith('r') && this.#step >= 0) this.#due = this.#step;
    else this.#next();
  }

  #next(): void {
    if (this.#left === 0) this.#advance();
  }

  /** Takes the next event apart. */
  #advance(): void {
    let event: DriverEvent | undefined;
    do event = this.#events[++this.#index];
    while (event !== undefined && this.#skip.has(event[0]));
    this.#kind = event?.[0] ?? '';
    if (event === undefined || !/^[rw](?:32|64)$/.test(this.#kind)) return;
    const [kind, offset, value, count, step] = event;
    this.#offset = Number(offset);
    const digits = String(value).slice(2);
    this.#low = Number.parseInt(digits.slice(-8), 16);
    this.#high = digits.length > 8 ? Number.parseInt(digits.slice(0, -8), 16) : 0;
    this.#left = typeof count === 'number' ? count : 1;
    this.#step = typeof step === 'number' ? step : kind.startsWith('r') ? -1 : 0;
  }

  #differ(found: string): never {
    const event = this.#events[this.#index];
    let expected = event === undefined ? NOTHING : describeValues(event);
    if (this.#due >= 0) expected = `udelay ${this.#due} of ${expected}`;
    const whole = event?.[3];
    if (typeof whole === 'number' && whole > 1) expected += `, number ${whole - this.#left + 1}`;
    throw new Divergence(`event ${this.#index}`, expected, found);
  }
}
