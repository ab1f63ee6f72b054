/** What the hardware does for an access, in words. */
import { sizeText } from '../../quantity.ts';
import type { TranslationEvent, TranslationStory } from './story.ts';

/**
 * One event as a sentence without its end.
 *
 * @param faulted the access ended with a fault
 */
export function eventText(event: TranslationEvent, faulted = false): string {
  switch (event.kind) {
    case 'lookup': {
      const answer = event.hit ? 'hit' : 'miss';
      if (event.cache !== 'walk cache') return `${event.stage === 2 ? 'stage 2 ' : ''}${event.cache}: ${answer}`;
      const stage = event.stage === 2 ? 'stage 2 ' : '';
      if (!event.hit) return `walk cache, ${stage}all levels: miss, start at the first table`;
      return `walk cache, ${stage}level ${event.level}: hit, the walk begins below it`;
    }
    case 'begin': {
      const { stage, purpose, startLevel, inputBits } = event.step;
      const what = { table: 'the address of a table', context: 'the address of a context', input: 'the address' }[
        purpose
      ];
      return `stage ${stage} translates ${what} ${event.step.address}: ${inputBits} bits, first level ${startLevel}`;
    }
    case 'read': {
      const { stage, level, index, pa, outcome, next, size, fault } = event.step;
      const found = {
        table: `the next table is at ${next}`,
        leaf: `${size === null ? '' : sizeText(size)} at ${next}`,
        updated: `${size === null ? '' : sizeText(size)} at ${next}, and hardware writes the flag back`,
        fault: fault ?? 'fault',
      }[outcome];
      return `read of stage ${stage} level ${level}, entry ${index}, at ${pa}: ${found}`;
    }
    case 'fill':
      return event.level < 0
        ? `${event.cache} keeps the translation`
        : `walk cache keeps stage ${event.stage} level ${event.level}`;
    case 'link':
      return 'to the SMMU';
    case 'return':
      return 'and back';
    case 'configuration':
      return `stream table entry and context descriptor fetched: ${event.count} reads`;
    case 'decision':
      return 'decided';
    case 'port':
      return faulted ? 'the device gets an abort' : 'the access goes on to memory';
    case 'device':
      return 'the device waits';
  }
}

/** What served an access: `micro-TLB`, `walk cache, level 2, then 1 read`, `4 reads`. */
export function servedText({ events, reads }: TranslationStory): string {
  const hits = events.filter((event) => event.kind === 'lookup' && event.hit && event.cache !== 'configuration cache');
  const [first] = hits;
  const count = `${reads} ${reads === 1 ? 'read' : 'reads'}`;
  if (first?.kind !== 'lookup') return count;
  if (first.cache.includes('TLB')) return first.cache;
  return `${first.stage === 2 ? 'stage 2 ' : ''}${first.cache}${first.level < 0 ? '' : `, level ${first.level}`}, then ${count}`;
}

/** A story as lines: cycles so far, and what they went to. */
export function storyLines(story: TranslationStory): string[] {
  let soFar = 0;
  return story.events.map((event) => {
    soFar += event.cycles;
    return `${String(soFar).padStart(8)}  ${eventText(event, story.fault !== null)}`;
  });
}
