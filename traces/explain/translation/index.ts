/** One timed translation, told as what the hardware did. */
export {
  type NewerValue,
  narrateLook,
  narrateTranslation,
  type TranslationEvent,
  type TranslationStory,
} from './story.ts';
export { type TimedAccess, type TimedWalk, timedWalk } from './timed-walk.ts';
export { eventText, servedText, storyLines } from './words.ts';
