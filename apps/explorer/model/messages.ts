/** What page and worker say to each other. */
import type { ExplainedFault, ExplainedStructure } from '../../../traces/browser.ts';
import type { GivenFile, ReplayOption, Samples } from './replay/index.ts';
import type { EntryView, Snapshot } from './snapshot.ts';

export type Request =
  /** A state from a link. */
  | { readonly kind: 'open'; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'do'; readonly deeds: readonly string[] }
  | { readonly kind: 'undo' }
  | { readonly kind: 'reset' }
  /** Begins a lesson, goes to a step of it, or with an empty id ends it. */
  | { readonly kind: 'lesson'; readonly id: string; readonly step: number }
  /** Does the step for the learner. */
  | { readonly kind: 'show' }
  /** A capture, or the two files of a memory image. */
  | { readonly kind: 'files'; readonly files: readonly GivenFile[] }
  /** Goes to where so many events of the capture have happened. */
  | { readonly kind: 'seek'; readonly event: number; readonly address?: string }
  /** Replays the capture with another choice. @see {@link SourceView.options} */
  | { readonly kind: 'replay'; readonly field: string; readonly value: string }
  /** Asks the capture about the address that is looked at, at the moment where it stands. */
  | { readonly kind: 'why' }
  /** Puts capture or image away. */
  | { readonly kind: 'close' }
  | { readonly kind: 'entry'; readonly stage: 1 | 2; readonly table: number; readonly index: number }
  | { readonly kind: 'explain'; readonly text: string };

export interface LessonView {
  readonly id: string;
  readonly title: string;
  readonly step: number;
  readonly steps: number;
  readonly text: string;
  readonly task: string;
  readonly question: string;
  readonly answer: string;
  readonly reached: boolean;
}

/** What pasted words mean. */
export interface Explained {
  readonly structures: readonly ExplainedStructure[];
  readonly faults: readonly ExplainedFault[];
  /** For each of the faults what the capture that is open says about it; empty without one. */
  readonly answers: readonly FaultAnswer[];
  /** Why there is nothing, or not everything. */
  readonly note: string;
}

/** What a capture says about a fault. */
export interface FaultAnswer {
  readonly lines: readonly string[];
  /** Events of the capture that had happened by then. */
  readonly event: number;
}

/** What was brought to the page. */
export interface SourceView {
  readonly kind: 'capture' | 'image';
  readonly name: string;
  /** Of a capture: its events, where it stands now, and whether it was read to its end. */
  readonly events: number;
  readonly at: number;
  readonly complete: boolean;
  /** How a capture is replayed; none of an image. */
  readonly options: readonly ReplayOption[];
}

export type Reply =
  | {
      readonly kind: 'state';
      readonly snapshot: Snapshot;
      readonly params: Readonly<Record<string, string>>;
      readonly lesson: LessonView | null;
      readonly source: SourceView | null;
      readonly lessons: readonly { readonly id: string; readonly title: string }[];
    }
  | { readonly kind: 'entry'; readonly entry: EntryView | null }
  | ({ readonly kind: 'explained' } & Explained)
  /** Work that takes its time. @see {@link Samples}: the plots of a capture, once it was replayed */
  | { readonly kind: 'progress'; readonly done: number; readonly what: string }
  | { readonly kind: 'why'; readonly lines: readonly string[] }
  | { readonly kind: 'samples'; readonly samples: Samples }
  | { readonly kind: 'refused'; readonly text: string };
