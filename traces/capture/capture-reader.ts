import { InputError } from '../input-error.ts';
import { EventWindow } from './event-window.ts';
import { CaptureNotes, CaptureStats, EventKind, NameTable, type TraceEvent, UNKNOWN } from './events/index.ts';
import { PairedCalls } from './paired-calls.ts';
import { type CaptureForm, type EventStream, FORMS, SUPPORTED } from './readers/index.ts';
import type { ByteSource } from './sources/index.ts';
import { type Progress, refusedForm, type Unpacked, unpack } from './sources/index.ts';

export interface ReaderOptions {
  /** Refuse the first damaged line or record with an {@link InputError} instead of counting it. Default false. */
  readonly strict?: boolean;
}

/**
 * Reads captures of any form as one stream of events, in constant memory:
 *
 *     const reader = await openSources([source]);
 *     while (await reader.fill()) {
 *       while (reader.next()) use(reader.event);
 *     }
 *
 * Several captures are read one after the other, in the order given, each with domains of its own: they are different runs, whose IOVAs
 * and clocks have nothing to do with each other. (Parts of one run are joined by the shell: `cat part1 part2 | tablewalk replay -`.)
 * `event.capture` tells which one an event is from.
 *
 * The stream holds each call once (see `PairedCalls`) and names devices where `dma:*` events do (see `EventWindow`); for that it runs up
 * to 256 events behind the input.
 */
export class CaptureReader {
  /** The event that {@link next} moved to. Another object may stand here after each call. */
  event: TraceEvent;
  readonly stats = new CaptureStats();
  /** Device names by number. */
  readonly devices = new NameTable();
  readonly progress: Progress = { read: 0, total: 0 };

  readonly #sources: readonly ByteSource[];
  readonly #strict: boolean;
  readonly #window = new EventWindow();
  #pairs = new PairedCalls();
  #capture = -1;
  #stream: EventStream | null = null;
  #unpacked: Unpacked | null = null;
  /** All of the current capture is read; what the window still holds may come out. */
  #ended = false;
  /** Nobody waits for more input: see {@link stop}. */
  #stopping = false;
  #enough: () => void = () => {};
  readonly #untilEnough = new Promise<void>((resolve) => {
    this.#enough = resolve;
  });
  /** Domains that the captures before this one named. */
  #domainBase = 0;
  #eventsBefore = 0;
  #damagedBefore = 0;
  #foreignBefore = 0;
  /** What the present capture is if no event comes of it, as a phrase. */
  #what = '';
  #traceHeader = false;
  /** Time of the event before, of the same capture. */
  #time = Number.NEGATIVE_INFINITY;

  /** Use {@link openSources}. */
  constructor(sources: readonly ByteSource[], options: ReaderOptions, total: number) {
    this.#sources = sources;
    this.#strict = options.strict ?? false;
    this.progress.total = total;
    this.event = this.#window.slot();
  }

  /** Name of the capture an event is from, as the user gave it. */
  file(capture: number): string {
    return this.#sources[capture]?.name ?? '';
  }

  /** Brings more input in; false when everything has been read. @throws InputError, after which all is closed */
  async fill(): Promise<boolean> {
    try {
      if (this.#ended) await this.#leave();
      if (this.#stream === null && !(await this.#enter())) return false;
      if (!(await this.#stream?.fill())) this.#ended = true;
      return true;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Moves to the next event; false when {@link fill} has to bring more. @throws InputError in strict mode, at damage; all is closed then */
  next(): boolean {
    try {
      return this.#advance();
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  #advance(): boolean {
    const stream = this.#stream;
    if (stream === null) return false;
    const window = this.#window;
    while (!window.full) {
      stream.event = window.slot();
      if (!stream.next()) {
        if (!(this.#ended || this.#stopping) || window.empty) return false;
        break;
      }
      if (this.#pairs.repeats(stream.event)) this.stats.paired++;
      else window.push();
    }
    const event = window.shift();
    event.capture = this.#capture;
    if (event.domain !== UNKNOWN) event.domain += this.#domainBase;
    this.#count(event);
    this.event = event;
    return true;
  }

  /**
   * Somebody wants to end the reading early: {@link next} gives what has come and is held back for what might follow, the first bytes of a
   * capture among it, of which too few had come to tell what it is.
   * @returns whether {@link fill} brings something more without new input
   */
  stop(): boolean {
    this.#stopping = true;
    this.#enough();
    return this.#stream === null && this.#capture < this.#sources.length;
  }

  /** Ends the reading early and closes what is open. */
  async close(): Promise<void> {
    await this.#stream?.close();
    await this.#unpacked?.close();
    this.#stream = null;
    this.#unpacked = null;
    this.#capture = this.#sources.length;
    this.#ended = false;
  }

  #count(event: TraceEvent): void {
    const stats = this.stats;
    const { kind, time } = event;
    stats.byKind[kind] = (stats.byKind[kind] as number) + 1;
    if (kind === EventKind.LOST) {
      if (event.count !== UNKNOWN) stats.lostEvents += event.count;
      return;
    }
    if (stats.events === 0) {
      stats.firstTime = time;
      stats.lastTime = time;
    }
    stats.events++;
    if (time < this.#time) {
      stats.backwards++;
      if (this.#time - time > stats.backwardsBy) stats.backwardsBy = this.#time - time;
      if (time < stats.firstTime) stats.firstTime = time;
    } else if (time > stats.lastTime) stats.lastTime = time;
    this.#time = time;
  }

  /** Opens the next capture; false when there is none. */
  async #enter(): Promise<boolean> {
    const source = this.#sources[++this.#capture];
    if (source === undefined) return false;
    const { stats } = this;
    const notes = new CaptureNotes(source.name, stats, this.devices, this.#strict, 'line');
    const readBefore = this.progress.read;
    const unpacked = await unpack(source, this.progress, this.#untilEnough);
    this.#unpacked = unpacked;
    if (unpacked.first.length === 0 && this.progress.read === readBefore) {
      if (this.#stopping) return false;
      throw new InputError(source.name, '', nothingIn(source.name, unpacked.packing), SUPPORTED);
    }
    this.#traceHeader = TRACE_HEADERS.some((header) => startsWithText(unpacked.first, header));
    const form = formOf(source.name, unpacked);
    this.#what = form === FORMS.at(-1) ? 'text without a single trace event' : `${form.name} without a single event`;
    this.#stream = await form.open({
      first: unpacked.first,
      blocks: unpacked.blocks,
      random: () => unpacked.random((reason) => notes.damaged(0, 0, reason, true)),
      notes,
    });
    this.#pairs = new PairedCalls();
    this.#eventsBefore = stats.events;
    this.#damagedBefore = stats.damaged;
    this.#foreignBefore = stats.foreignLines;
    this.#time = Number.NEGATIVE_INFINITY;
    return true;
  }

  async #leave(): Promise<void> {
    this.#ended = false;
    this.#domainBase += this.#stream?.namedDomains ?? 0;
    await this.#stream?.close();
    await this.#unpacked?.close();
    this.#stream = null;
    this.#unpacked = null;
    const { events, damaged, damage } = this.stats;
    if (events !== this.#eventsBefore) return;
    const file = this.file(this.#capture);
    if (damaged !== this.#damagedBefore) {
      const first = damage.find((one) => one.file === file);
      const times = damaged - this.#damagedBefore;
      const place = first === undefined || first.line === 0 ? '' : `, line ${first.line}`;
      throw new InputError(file, '', `nothing but damage (${times} times${place}: ${first?.reason ?? ''})`, SUPPORTED);
    }
    if (this.#traceHeader) return;
    const foreign = this.stats.foreignLines - this.#foreignBefore;
    const beside = foreign === 0 ? '' : `, but ${foreign} lines of another kind of file (give them by themselves)`;
    throw new InputError(file, '', `${this.#what}${beside}`, SUPPORTED);
  }
}

/** The reader that takes what an unpacked file begins with. @throws InputError when none does */
function formOf(file: string, { first, packing }: Unpacked): CaptureForm {
  const form = FORMS.find((one) => one.recognises(first)) as CaptureForm;
  const refused = form === FORMS.at(-1) ? refusedForm(first) : null;
  if (refused === null) return form;
  const { name, advice } = refused;
  const found = packing === '' ? name : `${name}, ${packing}`;
  throw new InputError(file, '', advice === '' ? found : `${found} (${advice})`, SUPPORTED);
}

/** First lines of captures that may be empty of events. */
const TRACE_HEADERS = ['# tracer:', 'cpus='];

function startsWithText(bytes: Uint8Array, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

/**
 * Opens captures for reading. What is missing or unreadable is refused here; what is no capture, when it is reached.
 * @param sources at least one
 * @throws InputError
 */
export async function openSources(sources: readonly ByteSource[], options: ReaderOptions = {}): Promise<CaptureReader> {
  let total = 0;
  let known = true;
  for (const source of sources) {
    const size = await source.check();
    if (size === 0) known = false;
    total += size;
  }
  return new CaptureReader(sources, options, known ? total : 0);
}

/** What an input without a byte is, as a phrase. */
function nothingIn(name: string, packing: string): string {
  if (packing !== '') return `${packing} data that ends before anything can be unpacked`;
  return name === '-' ? 'nothing on standard input' : 'an empty file';
}
