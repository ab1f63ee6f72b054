import type { ReplayDomain } from './replay-domain.ts';

/** A map or unmap of the capture, on its way into a table. */
export interface Edit {
  /** Number of the operation, from 1. */
  readonly number: number;
  /** Line of the capture. */
  readonly line: number;
  readonly cpu: number;
  readonly maps: boolean;
  readonly iova: number;
  readonly size: number;
  /** What a map maps to, and with which protection. */
  readonly pa: number;
  readonly prot: number;
  /** Where the scattered buffer ends that a map begins, or the map itself; -1 where that is not known. */
  readonly runEnd: number;
  /** Whether the capture tells the protection; else it is what the DMA API usually asks for. */
  readonly protTold: boolean;
  /** Bytes of an unmap's range that are mapped, as far as the capture tells. */
  readonly live: number;
}

/** How the maps and unmaps of a capture get into the tables: at once, or as jobs that run later. */
export interface Edits {
  submit(one: ReplayDomain, edit: Edit): void;
  /** The trace's clock goes on to so many seconds: what is due until then happens. */
  passTime(seconds: number): void;
  /** The capture is over: what still waits happens. */
  end(): void;
}

/** Told of an edit that was not done, or not wholly. */
export type Refuse = (one: ReplayDomain | null, edit: Edit, reason: string) => void;
