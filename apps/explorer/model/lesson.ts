import type { World } from './world.ts';

/** What a goal may look at. */
export interface Seen {
  readonly world: World;
  /** What the learner answered last, in lower case without spaces around it; empty when nothing yet. */
  readonly answer: string;
}

/** One thing to read and to do. */
export interface LessonStep {
  /** A few sentences. `code` stands between backticks; a blank line separates paragraphs. */
  readonly text: string;
  /** What is to be done, in one sentence. */
  readonly task: string;
  /** Whether the learner has done it. Never true of the state in which the step begins. */
  readonly goal: (seen: Seen) => boolean;
  /** Deeds that reach the goal: what "show me" does, and what the test proves. See `Session.do` for what a deed is. */
  readonly solution: readonly string[];
  /** The step asks for an answer in words: what it asks. */
  readonly question?: string;
  /** A state of its own, where the step does not go on from the one before. */
  readonly start?: LessonStart;
}

export interface LessonStart {
  /** Fields of the settings that are not as usual. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly lines?: readonly string[];
  readonly address?: string;
}

/** A lesson is data: a teacher who writes one adds it to a list. */
export interface Lesson {
  /** In links. */
  readonly id: string;
  readonly title: string;
  readonly start: LessonStart;
  readonly steps: readonly LessonStep[];
}
