/** One timed translation, told as what the hardware did. */
export {
  type NewerValue,
  narrateLook,
  narrateTranslation,
  type TranslationEvent,
  type TranslationStory,
} from './story.ts';
