import type { CaptureNotes, TraceEvent } from '../events/index.ts';
import type { Block, RandomAccess } from '../sources/index.ts';

/** What a form of capture is opened on: the unpacked bytes, and where to write down what is found beside events. */
export interface CaptureInput {
  /** What {@link CaptureForm.recognises} saw. */
  readonly first: Uint8Array;
  /** The bytes that {@link CaptureForm.recognises} saw, then all others. */
  readonly blocks: AsyncGenerator<Block>;
  /** The same bytes in any order, instead of `blocks`: of the file itself where that is possible, else of a copy. */
  random(): Promise<RandomAccess>;
  readonly notes: CaptureNotes;
}

/**
 * The events of one capture:
 *
 *     while (await stream.fill()) while (stream.next()) use(stream.event);
 */
export interface EventStream {
  /** Filled by {@link next}; may be replaced between calls, to read the next event into another object. */
  event: TraceEvent;
  /** Brings more input in, at least so much that `fill` ends some day; false when all is read and given out. @throws InputError */
  fill(): Promise<boolean>;
  /** Moves to the next event; false when {@link fill} has to bring more. @throws InputError in strict mode, at damage. */
  next(): boolean;
  /** Numbers that `event.domain` may have: from 0 to one less than this. */
  readonly namedDomains: number;
  /** Closes what is open. */
  close(): Promise<void>;
}

/** One form in which captures come. */
export interface CaptureForm {
  /** As a phrase for error messages: "a perf.data of perf record". */
  readonly name: string;
  /** Whether a capture that begins with these bytes (unpacked; at least 4096 unless it is shorter) has this form. */
  recognises(first: Uint8Array): boolean;
  /** @throws InputError for what has this form but cannot be read */
  open(input: CaptureInput): Promise<EventStream>;
}
