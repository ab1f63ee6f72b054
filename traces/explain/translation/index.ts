/** One timed translation, told as what the hardware did. */
export {
  type NewerValue,
  narrateTranslation,
  type TranslationEvent,
  type TranslationStory,
} from './story.ts';
