/** What a perf.data says of its samples: `struct perf_event_attr` and the order of a sample's parts (`include/uapi/linux/perf_event.h`). */

/** Parts that a sample may have. */
export const Sample = {
  IP: 1,
  TID: 2,
  TIME: 4,
  ADDR: 8,
  READ: 16,
  CALLCHAIN: 32,
  ID: 64,
  CPU: 128,
  PERIOD: 256,
  STREAM_ID: 512,
  RAW: 1024,
  IDENTIFIER: 65_536,
} as const;

/** Parts of the values that {@link Sample.READ} brings. */
const Read = { TOTAL_TIME_ENABLED: 1, TOTAL_TIME_RUNNING: 2, ID: 4, GROUP: 8, LOST: 16 } as const;

/** `PERF_TYPE_TRACEPOINT`: also the kprobes. */
const TRACEPOINT = 2;
/** The bit `sample_id_all` among the flags: records that are no samples end with time and CPU as well. */
const SAMPLE_ID_ALL = 18;
/** Bytes of the first version of the attributes. */
export const LEAST_ATTRIBUTE = 64;

/** The attributes of one event that was recorded. */
export interface Attribute {
  readonly tracepoint: boolean;
  readonly sampleType: number;
  readonly readFormat: number;
  readonly sampleIdAll: boolean;
}

/** Reads the attributes at `at`. */
export function readAttribute(view: DataView, at: number): Attribute {
  const flag = view.getUint32(at + 40 + 4 * Math.floor(SAMPLE_ID_ALL / 32), true);
  return {
    tracepoint: view.getUint32(at, true) === TRACEPOINT,
    sampleType: view.getUint32(at + 24, true),
    readFormat: view.getUint32(at + 32, true),
    sampleIdAll: ((flag >>> (SAMPLE_ID_ALL % 32)) & 1) === 1,
  };
}

const TWO_TO_32 = 2 ** 32;

/** A number of 64 bits, exact below 2^53. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_TO_32 + view.getUint32(at, true);
}

/** A number of 64 bits as something that can be compared. */
export function idText(view: DataView, at: number): string {
  return `${view.getUint32(at + 4, true)}.${view.getUint32(at, true)}`;
}

/** Takes a sample apart. */
export class SampleParts {
  /** Nanoseconds; -1 when the sample has none. */
  time = -1;
  cpu = -1;
  thread = -1;
  /** The trace record; empty when there is none. */
  rawAt = 0;
  rawEnd = 0;

  /** @returns false if the sample is shorter than its parts */
  read({ sampleType: has, readFormat }: Attribute, view: DataView, start: number, end: number): boolean {
    this.time = -1;
    this.cpu = -1;
    this.thread = -1;
    this.rawAt = 0;
    this.rawEnd = 0;
    let at = start;
    if ((has & Sample.IDENTIFIER) !== 0) at += 8;
    if ((has & Sample.IP) !== 0) at += 8;
    if ((has & Sample.TID) !== 0) {
      if (at + 8 > end) return false;
      this.thread = view.getInt32(at + 4, true);
      at += 8;
    }
    if ((has & Sample.TIME) !== 0) {
      if (at + 8 > end) return false;
      this.time = u64(view, at);
      at += 8;
    }
    if ((has & Sample.ADDR) !== 0) at += 8;
    if ((has & Sample.ID) !== 0) at += 8;
    if ((has & Sample.STREAM_ID) !== 0) at += 8;
    if ((has & Sample.CPU) !== 0) {
      if (at + 8 > end) return false;
      this.cpu = view.getUint32(at, true);
      at += 8;
    }
    if ((has & Sample.PERIOD) !== 0) at += 8;
    if ((has & Sample.READ) !== 0) {
      if (at + 8 > end) return false;
      at += readBytes(readFormat, u64(view, at));
    }
    if ((has & Sample.CALLCHAIN) !== 0) {
      if (at + 8 > end) return false;
      at += 8 + 8 * u64(view, at);
    }
    if ((has & Sample.RAW) === 0) return at <= end;
    if (at + 4 > end) return false;
    this.rawAt = at + 4;
    this.rawEnd = this.rawAt + view.getUint32(at, true);
    return this.rawEnd <= end;
  }

  /** Takes time, CPU and thread from the end of a record that is no sample. */
  readTrailer({ sampleType: has, sampleIdAll }: Attribute, view: DataView, start: number, end: number): void {
    this.time = -1;
    this.cpu = -1;
    this.thread = -1;
    if (!sampleIdAll) return;
    let at = end;
    // From the end backwards.
    for (const part of [Sample.IDENTIFIER, Sample.CPU, Sample.STREAM_ID, Sample.ID, Sample.TIME, Sample.TID]) {
      if ((has & part) === 0) continue;
      at -= 8;
      if (at < start) return;
      if (part === Sample.CPU) this.cpu = view.getUint32(at, true);
      else if (part === Sample.TIME) this.time = u64(view, at);
      else if (part === Sample.TID) this.thread = view.getInt32(at + 4, true);
    }
  }
}

/** Bytes of the values of {@link Sample.READ}. */
function readBytes(format: number, first: number): number {
  const times = ((format & Read.TOTAL_TIME_ENABLED) === 0 ? 0 : 1) + ((format & Read.TOTAL_TIME_RUNNING) === 0 ? 0 : 1);
  const each = 1 + ((format & Read.ID) === 0 ? 0 : 1) + ((format & Read.LOST) === 0 ? 0 : 1);
  return 8 * ((format & Read.GROUP) === 0 ? each + times : 1 + times + first * each);
}

/** Where the number of the event stands that a sample belongs to, from the sample's start; -1 where samples do not say it. */
export function idOffset({ sampleType: has }: Attribute): number {
  if ((has & Sample.IDENTIFIER) !== 0) return 0;
  if ((has & Sample.ID) === 0) return -1;
  return 8 * [Sample.IP, Sample.TID, Sample.TIME, Sample.ADDR].filter((part) => (has & part) !== 0).length;
}
