/** What page and worker say to each other. */
import type { ExplainedFault, ExplainedStructure } from '../../../traces/browser.ts';
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
  /** Why there is nothing, or not everything. */
  readonly note: string;
}

export type Reply =
  | {
      readonly kind: 'state';
      readonly snapshot: Snapshot;
      readonly params: Readonly<Record<string, string>>;
      readonly lesson: LessonView | null;
      readonly lessons: readonly { readonly id: string; readonly title: string }[];
    }
  | { readonly kind: 'entry'; readonly entry: EntryView | null }
  | ({ readonly kind: 'explained' } & Explained)
  | { readonly kind: 'refused'; readonly text: string };
