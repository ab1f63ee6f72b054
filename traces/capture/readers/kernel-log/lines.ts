import type { CaptureNotes } from '../../events/index.ts';
import { Context, clearCall, EventKind, type TraceEvent, UNKNOWN, whyNoRange } from '../../events/index.ts';
import { ascii } from '../text-cursor.ts';
import { type FaultLine, readEventWords, readFaultLine } from './fault-lines.ts';

/** What a line of the kernel's log turned out to be; TOLD only says in other words what the line before has said. */
export const KernelLine = { NOTHING: 0, EVENT: 1, DAMAGED: 2, TOLD: 3 } as const;
export type KernelLine = (typeof KernelLine)[keyof typeof KernelLine];

/**
 * `[   22.420782]`, also with the time since the line before (`dmesg -d`); `3,1234,22420782,-;` of /dev/kmsg; `1795246716.420782 host kernel:`
 * of `journalctl -o short-unix`.
 */
const TIME =
  /\[ *(\d{1,9})\.(\d{6})(?: *< *[\d.]+ *>)?\]|^\d+,\d+,(\d*?)(\d{1,6}),[^;]*;|^(\d{9,10})\.(\d{6}) \S+ kernel: /;
/** Microseconds since the boot and the text of an entry, as `journalctl -o json`, `json-pretty` and `export` have them. */
const JOURNAL_TIME = /(?:"__MONOTONIC_TIMESTAMP" ?: ?"|^__MONOTONIC_TIMESTAMP=)(\d{1,15})/;
const JOURNAL_TEXT = /"MESSAGE" ?: ?("(?:[^"\\]|\\.)*")/;
const EVENT_RECEIVED = /\bevent 0x([\da-f]{2}) received/i;
const EVENT_WORD = /(?:^|[\s:])(0x[\da-f]{16})\s*$/i;
/** A paste may have lost the leading zeros. */
const EVENT_ZERO = /(?:^|[\s:])(0x0)\s*$/;
/** Debug lines of panthor (since Linux 6.10) and panfrost (since 5.2), all numbers but the address space in hexadecimal digits. */
const GPU_CALL =
  /\b(map|unmap): as=(\d+), iova=(?:0x)?([\da-f]+),(?: paddr=(?:0x)?([\da-f]+),)? len=(?:0x)?([\da-f]+)\b/i;
/** Lines behind `vm-log:` in the devcoredump of the msm driver; the end is behind the range. */
const VM_LOG = /^\s*(?:\[[^\]]*\]\s*)?- (map|unmap):(\d+): 0x([\da-f]+)-0x([\da-f]+)\s*$/i;
const VM_LOG_TITLE = /^\s*vm-log:/;

/** The kernel prints lines of at most 1 KiB (`LOG_LINE_MAX`), and a journal puts much around it. */
const LONGEST = 4096;
const MOST_WORDS = 4;
/** Lines between two words of an event that may come from others. */
const FOREIGN = 64;
/** The domain of a VM log is numbered apart from those of the debug lines. */
const VM_LOG_DOMAIN = 0x10000;

/** Finds faults, and the maps and unmaps of GPU drivers, in lines of the kernel's log. Has the few words that belong to lines before. */
export class KernelLines {
  /** Why a line is damaged. */
  reason = '';
  readonly #notes: CaptureNotes;
  #time = 0;
  /** Words of the SMMUv3 event that is being printed; null when none is. */
  #words: string[] | null = null;
  #foreign = 0;
  /** The fault of the line before, which the next line may only tell in other words. */
  #last: FaultLine | null = null;
  #vmLogs = 0;

  constructor(notes: CaptureNotes) {
    this.#notes = notes;
  }

  /** Reads a line into an event; its line number is the caller's business. */
  read(whole: string, event: TraceEvent): KernelLine {
    if (whole.length > LONGEST) return KernelLine.NOTHING;
    this.#timeOf(whole);
    const line = messageOf(whole);
    event.time = this.#time;
    event.cpu = UNKNOWN;
    event.pid = UNKNOWN;
    event.context = Context.UNKNOWN;
    clearCall(event);
    const words = this.#word(line);
    if (words !== null) return this.#fault(words, event);
    const fault = readFaultLine(line);
    if (fault !== null) {
      const { repeats, stream } = fault;
      const told = repeats !== '' && this.#last?.form === repeats && this.#last.stream === stream;
      return told ? KernelLine.TOLD : this.#fault(fault, event);
    }
    return this.#call(line, event);
  }

  #timeOf(line: string): void {
    const [, seconds, micro, whole, rest, epoch, fraction] = TIME.exec(line) ?? [];
    const microseconds =
      seconds === undefined && whole === undefined && epoch === undefined
        ? JOURNAL_TIME.exec(line)?.[1]
        : Number(seconds ?? whole ?? epoch) * 1e6 + Number(micro ?? rest ?? fraction);
    if (microseconds === undefined) return;
    this.#time = Number(microseconds) / 1e6;
    this.#notes.stats.clock = 'seconds';
  }

  /** Gathers the words of an SMMUv3 event; the fault when it is whole. */
  #word(line: string): FaultLine | null {
    if (EVENT_RECEIVED.test(line)) {
      // The last word of the one before may be lost.
      const before = this.#words !== null && this.#words.length === MOST_WORDS - 1 ? readEventWords(this.#words) : null;
      this.#words = [];
      this.#foreign = 0;
      return before;
    }
    if (this.#words === null) return null;
    const word = (EVENT_WORD.exec(line) ?? EVENT_ZERO.exec(line))?.[1];
    if (word === undefined) {
      // Other drivers' lines may come between.
      if (++this.#foreign > FOREIGN) this.#words = null;
      return null;
    }
    this.#words.push(word);
    if (this.#words.length < MOST_WORDS) return null;
    const fault = readEventWords(this.#words);
    this.#words = null;
    return fault;
  }

  #fault(fault: FaultLine, event: TraceEvent): KernelLine {
    this.#last = fault;
    event.kind = EventKind.FAULT;
    event.iova = fault.iova;
    event.stream = fault.stream;
    event.prot = fault.prot;
    event.asid = fault.asid;
    if (fault.device !== '') {
      const name = ascii(fault.device);
      event.device = this.#notes.devices.intern(name, 0, name.length);
    }
    return KernelLine.EVENT;
  }

  #call(line: string, event: TraceEvent): KernelLine {
    const [, what, space, start, paddr, length] = GPU_CALL.exec(line) ?? [];
    if (what !== undefined) {
      event.kind = what.toLowerCase() === 'map' ? EventKind.MAP : EventKind.UNMAP;
      event.iova = Number(`0x${start}`);
      event.size = Number(`0x${length}`);
      if (paddr !== undefined) event.pa = Number(`0x${paddr}`);
      event.domain = this.#notes.domains.intern(0, Number(space));
      return this.#checked(event);
    }
    if (VM_LOG_TITLE.test(line)) {
      this.#vmLogs++;
      return KernelLine.NOTHING;
    }
    const [, operation, , from, to] = this.#vmLogs > 0 ? (VM_LOG.exec(line) ?? []) : [];
    if (operation === undefined) return KernelLine.NOTHING;
    event.kind = operation.toLowerCase() === 'map' ? EventKind.MAP : EventKind.UNMAP;
    event.iova = Number(`0x${from}`);
    event.size = Number(`0x${to}`) - event.iova;
    if (event.kind === EventKind.MAP) {
      // The log has no physical addresses.
      event.pa = event.iova;
      this.#notes.stats.withoutAddress++;
    }
    event.domain = this.#notes.domains.intern(0, VM_LOG_DOMAIN + this.#vmLogs);
    return this.#checked(event);
  }

  #checked(event: TraceEvent): KernelLine {
    this.reason = event.size < 0 ? 'the range ends before it begins' : whyNoRange(event, UNKNOWN);
    return this.reason === '' ? KernelLine.EVENT : KernelLine.DAMAGED;
  }
}

/** What the kernel printed, out of an entry of the journal as JSON. */
function messageOf(line: string): string {
  const text = line.includes('"MESSAGE"') ? JOURNAL_TEXT.exec(line)?.[1] : undefined;
  if (text === undefined) return line;
  try {
    return JSON.parse(text) as string;
  } catch {
    return line;
  }
}
