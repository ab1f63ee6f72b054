import type { CaptureNotes } from '../../events/index.ts';
import { EventKind, TraceEvent } from '../../events/index.ts';
import type { CaptureForm } from '../form.ts';
import type { TextLines } from '../text-lines.ts';
import { type LineParser, TextStream } from '../text-stream.ts';
import { KernelLine, KernelLines } from './lines.ts';

export { KernelLine, KernelLines } from './lines.ts';

/** The front of a line as dmesg, a serial console, the journal and syslog have it. */
const FRONT = /^(?:<\d+>)?\[ *\d+\.\d{6}\]|^\(XEN\) |^.{0,64}\bkernel: |^\s*vm-log:/m;
/** The front of a tracer's line: such a text is a trace, whatever else is in it. */
const TRACER =
  /^# tracer:|\bDumping ftrace buffer:|-\d+ +\d+\S{4,7} +\d+us.: \w+:|^cpus=\d|\[\d{3,}\] +(?:\S+ +)?\d+\.\d+: +(?:\d+ +)?\w+(?::\w+)?:/m;

/** What the kernel writes of its trace when it crashes (`ftrace_dump_on_oops`), and a line of that. */
const DUMP = 'Dumping ftrace buffer:';
const DUMPED = /-\d+ +\d+\S{4,7} +\d+us.: \w+:/;

/** What `tablewalk generate` writes first. */
const SYNTHETIC = /\btablewalk: synthetic\b/;

/** Lines of the kernel's log. */
class KernelLogParser implements LineParser {
  readonly #lines: TextLines;
  readonly #notes: CaptureNotes;
  readonly #kernel: KernelLines;
  readonly #decoder = new TextDecoder('latin1');
  /** A trace is dumped in the midst of the log, too far down to have made it a trace. */
  #dumps = false;

  constructor(lines: TextLines, notes: CaptureNotes) {
    this.#lines = lines;
    this.#notes = notes;
    this.#kernel = new KernelLines(notes);
    notes.stats.form = 'kernel-log';
  }

  parse(event: TraceEvent): boolean {
    const { cursor } = this.#lines;
    const end = this.#lines.endOfLine();
    const line = this.#decoder.decode(cursor.bytes.subarray(cursor.at, end));
    cursor.at = end;
    const found = this.#kernel.read(line, event);
    if (found === KernelLine.NOTHING || found === KernelLine.TOLD) {
      const { stats } = this.#notes;
      stats.notEvents++;
      this.#dumps ||= line.includes(DUMP);
      if (this.#dumps && DUMPED.test(line)) stats.foreignLines++;
      if (SYNTHETIC.test(line)) stats.synthetic = true;
      return false;
    }
    // A fault that is cut still tells that there was one; a call's length may be cut.
    const cut = this.#lines.cut && event.kind !== EventKind.FAULT;
    if (found === KernelLine.DAMAGED || cut) {
      if (cut) this.#lines.damagedByCut();
      else this.#lines.damaged(this.#kernel.reason);
      return false;
    }
    event.line = this.#lines.number;
    return true;
  }
}

/** What `dmesg`, `journalctl -k` and serial consoles print: faults of IOMMUs, and the maps and unmaps that GPU drivers tell of. */
export const KERNEL_LOG: CaptureForm = {
  name: 'dmesg',
  recognises(first) {
    const text = new TextDecoder('latin1').decode(first);
    return FRONT.test(text) && !TRACER.test(text);
  },
  open: ({ blocks, notes }) =>
    Promise.resolve(new TextStream(notes, new TraceEvent(), blocks, (lines) => new KernelLogParser(lines, notes))),
};
