/** What the parts of a trace.dat around the trace data tell. */

import type { EventFormat } from '../event-format.ts';
import type { Compression } from './compression.ts';

/** Where the data of one CPU lies. */
export interface CpuPlace {
  readonly cpu: number;
  readonly offset: number;
  readonly size: number;
}

/** The buffer of one trace instance. */
export interface BufferPlace {
  /** Empty for the instance at the top. */
  readonly name: string;
  /** `local`, `mono`, `counter`, ... */
  readonly clock: string;
  readonly pageSize: number;
  readonly compressed: boolean;
  readonly cpus: readonly CpuPlace[];
}

/** How the clock's numbers become nanoseconds: `offset + (ticks * multiplier >> shift)`. */
export interface TickScale {
  readonly multiplier: number;
  readonly shift: number;
  readonly offset: number;
}

/** A trace.dat. */
export interface TraceDat {
  readonly version: number;
  readonly littleEndian: boolean;
  readonly compression: Compression;
  /** Offset and size of the commit counter in a page, and where its records begin. */
  readonly commitOffset: number;
  readonly commitSize: number;
  readonly dataOffset: number;
  readonly formats: readonly EventFormat[];
  readonly buffers: readonly BufferPlace[];
  /** Nanoseconds to be added to every time (`trace-cmd record --date`, `--ts-offset`). */
  readonly timeOffset: number;
  readonly tickScale: TickScale | null;
  /** Offset behind the last byte that any part of it takes. */
  readonly end: number;
}
