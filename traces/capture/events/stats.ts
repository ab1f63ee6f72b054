import { EVENT_KINDS, EventKind } from './event.ts';

/** Why a line or record could not be used. */
export interface Damage {
  /** The file as the user named it. */
  readonly file: string;
  /** Line of a text, or record of a binary capture, from 1. */
  readonly line: number;
  /** Of its first byte in the (decompressed) capture, from 0. */
  readonly offset: number;
  readonly reason: string;
}

/** How many damaged lines are kept with their reason; all are counted. */
export const DAMAGE_KEPT = 100;

/** What a reader saw. Counts grow while the capture is read. */
export class CaptureStats {
  /** Text lines, or records of a binary capture. */
  lines = 0;
  /** Bytes of text, after decompression. */
  bytes = 0;
  /** Trace events of any kind, each call counted once; damaged lines are not among them. */
  events = 0;
  /** Events by {@link EventKind}. */
  readonly byKind = new Float64Array(EVENT_KINDS);
  /** Events that the tracer said it lost. */
  lostEvents = 0;
  /** Plain map and unmap lines that told of a call already known from a `dom_map` or `dom_unmap` line. */
  paired = 0;
  /** Events of another trace instance (`trace-cmd report` of several buffers), which would count the same calls again. */
  otherInstances = 0;
  /** Lines that are no events: headers, stack traces, blank lines. Lines are events, damaged or {@link ignored}. */
  notEvents = 0;
  /** Lines of a trace in a log of an IOMMU, and lines with binary data in a text: the input is two files in one. */
  foreignLines = 0;
  /** Bytes behind the end of trace.dat files, as where two are joined. */
  bytesBehind = 0;
  /** Records whose layout the capture does not hold: they are counted among the events of other kinds. */
  withoutFormat = 0;
  /** Maps of logs that hold no physical addresses: the IOVA stands for it. */
  withoutAddress = 0;
  /** Events whose time is before that of the event in front of them, and by how much at most, in units of the clock. */
  backwards = 0;
  backwardsBy = 0;
  /** Lines that look like an event of interest but cannot be used. */
  damaged = 0;
  /** The first {@link DAMAGE_KEPT} of them. */
  readonly damage: Damage[] = [];
  /** Form of the last capture that is no trace: `qemu-log`, `kernel-log`; else `trace`. */
  form: 'trace' | 'qemu-log' | 'kernel-log' = 'trace';
  /** The capture says of itself that it is synthetic: nobody recorded it, so nothing that comes out measures anything. */
  synthetic = false;
  /** IOMMU groups whose domains are strict (type DMA) and lazy (DMA-FQ), where the recording notes that. */
  readonly groups = { strict: 0, lazy: 0 };
  /** Ticks per second of the kernel's timers, where the recording notes them; else 0. */
  hz = 0;
  /** Name of an event that is of no interest, the first one met; empty when there was none. */
  otherName = '';
  /** Earliest and latest time seen; both 0 in a capture without events. */
  firstTime = 0;
  lastTime = 0;
  /** `seconds`, or `ticks` of a counting trace clock (`counter`, `uptime`, `x86-tsc`), or `none` when the lines carry no time. */
  clock: 'seconds' | 'ticks' | 'none' = 'none';

  get maps(): number {
    return this.byKind[EventKind.MAP] as number;
  }

  get unmaps(): number {
    return this.byKind[EventKind.UNMAP] as number;
  }

  /** Lines and records that are neither events nor damaged. */
  get ignored(): number {
    return this.notEvents + this.otherInstances + this.paired + (this.byKind[EventKind.LOST] as number);
  }

  /** Events that are neither map nor unmap. */
  get other(): number {
    return this.events - this.maps - this.unmaps;
  }
}
