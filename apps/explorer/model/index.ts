/** The world behind the page: a machine, what was done to it, and what is shown of it. Runs in a worker, and without a browser. */
export type { Lesson, LessonStart, LessonStep, Seen } from './lesson.ts';
export * from './messages.ts';
export { explainText } from './registers.ts';
export { type GivenFile, LoadedCapture, openFiles, Playback, type ReplayOption, type Samples } from './replay/index.ts';
export type { Rig, RigSpace } from './rig.ts';
export { type Action, numberOf, parseAction } from './script.ts';
export { Session } from './session.ts';
export * from './settings.ts';
export type * from './snapshot.ts';
export { World } from './world.ts';
