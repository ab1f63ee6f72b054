import { type Block, captureBlocks, checkFile, type Progress } from '../files/capture-blocks.ts';
import { InputError } from '../input-error.ts';
import { EventKind, type TraceEvent, UNKNOWN } from './event.ts';
import { EventWindow } from './event-window.ts';
import { SUPPORTED } from './file-kind.ts';
import { NameTable } from './names.ts';
import { PairedCalls } from './paired-calls.ts';
import { FtraceText } from './readers/ftrace-text/line-reader.ts';
import { ascii } from './readers/ftrace-text/text-cursor.ts';
import { CaptureStats } from './stats.ts';

export interface CaptureOptions {
  /** Refuse the first damaged line with an {@link InputError} instead of counting it. Default false. */
  readonly strict?: boolean;
  /** What the path `-` reads. Default: the process's standard input. */
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/**
 * Reads captures as one stream of events, in constant memory:
 *
 *     const reader = await openCaptures(['trace.txt.gz']);
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

  readonly #paths: readonly string[];
  readonly #strict: boolean;
  readonly #stdin: AsyncIterable<Uint8Array>;
  readonly #window = new EventWindow();
  #pairs = new PairedCalls();
  #capture = -1;
  #blocks: AsyncGenerator<Block> | null = null;
  #text: FtraceText | null = null;
  /** All of the current capture is fed; what the window still holds may come out. */
  #ended = false;
  /** Domains that the captures before this one named. */
  #domainBase = 0;
  #eventsBefore = 0;
  #damagedBefore = 0;
  #traceHeader = false;

  /** Use {@link openCaptures}. */
  constructor(paths: readonly string[], options: CaptureOptions, total: number) {
    this.#paths = paths;
    this.#strict = options.strict ?? false;
    this.#stdin = options.stdin ?? process.stdin;
    this.progress.total = total;
    this.event = this.#window.slot();
  }

  /** Name of the capture an event is from, as the user gave it. */
  file(capture: number): string {
    return this.#paths[capture] ?? '';
  }

  /** Brings the next block of input in; false when everything has been read. @throws InputError */
  async fill(): Promise<boolean> {
    if (this.#ended) this.#leave();
    if (this.#blocks === null || this.#text === null) {
      if (!this.#enter()) return false;
    }
    const text = this.#text;
    const result = await this.#blocks?.next();
    if (text === null || result === undefined) return false;
    if (result.done === true) {
      text.end();
      this.#ended = true;
      return true;
    }
    const { bytes, damage } = result.value;
    if (damage !== '') text.damage(damage);
    this.#traceHeader ||= TRACE_HEADERS.some((header) => header.every((byte, index) => bytes[index] === byte));
    text.feed(bytes);
    return true;
  }

  /** Moves to the next event; false when {@link fill} has to bring more. @throws InputError in strict mode, at damage. */
  next(): boolean {
    const text = this.#text;
    if (text === null) return false;
    const window = this.#window;
    while (!window.full) {
      text.event = window.slot();
      if (!text.next()) {
        if (!this.#ended || window.empty) return false;
        break;
      }
      if (this.#pairs.repeats(text.event)) this.stats.paired++;
      else window.push();
    }
    const event = window.shift();
    event.capture = this.#capture;
    if (event.domain !== UNKNOWN) event.domain += this.#domainBase;
    this.#count(event);
    this.event = event;
    return true;
  }

  /** Ends the reading early and closes what is open. */
  async close(): Promise<void> {
    await this.#blocks?.return(undefined);
    this.#blocks = null;
    this.#text = null;
    this.#capture = this.#paths.length;
    this.#ended = false;
  }

  #count(event: TraceEvent): void {
    const stats = this.stats;
    const kind = event.kind;
    stats.byKind[kind] = (stats.byKind[kind] as number) + 1;
    if (kind === EventKind.LOST) {
      if (event.count !== UNKNOWN) stats.lostEvents += event.count;
      return;
    }
    if (stats.events === 0) stats.firstTime = event.time;
    stats.events++;
    stats.lastTime = event.time;
  }

  #enter(): boolean {
    const path = this.#paths[++this.#capture];
    if (path === undefined) return false;
    this.#blocks = captureBlocks(path, this.#stdin, this.progress);
    this.#text = new FtraceText(path, this.#window.slot(), this.stats, this.devices, this.#strict);
    this.#pairs = new PairedCalls();
    this.#eventsBefore = this.stats.events;
    this.#damagedBefore = this.stats.damaged;
    this.#traceHeader = false;
    return true;
  }

  #leave(): void {
    this.#ended = false;
    this.#domainBase += this.#text?.namedDomains ?? 0;
    this.#text = null;
    this.#blocks = null;
    const { events, damaged } = this.stats;
    if (events === this.#eventsBefore && damaged === this.#damagedBefore && !this.#traceHeader) {
      throw new InputError(this.file(this.#capture), '', 'text without a single trace event', SUPPORTED);
    }
  }
}

/** First lines of captures that may be empty of events. */
const TRACE_HEADERS = [ascii('# tracer:'), ascii('cpus=')];

/**
 * Opens captures for reading. Missing, empty and unreadable files are refused here; what is no trace text, when it is reached.
 * @param paths files, or `-` for standard input; at least one.
 * @throws InputError
 */
export async function openCaptures(paths: readonly string[], options: CaptureOptions = {}): Promise<CaptureReader> {
  let total = 0;
  let known = true;
  for (const path of paths) {
    const size = path === '-' ? 0 : await checkFile(path);
    if (size === 0) known = false;
    total += size;
  }
  return new CaptureReader(paths, options, known ? total : 0);
}
