import { hexText } from '../quantity.ts';
import type { Edit } from './edit.ts';

/** A map or unmap that the table did not do, or not wholly. */
export interface Refusal {
  /** Line of the capture. */
  readonly line: number;
  readonly request: string;
  readonly reason: string;
}

/** Refusals that are kept with their reason; all are counted. */
const KEPT = 100;

/** What was refused during a replay. */
export class Refusals {
  count = 0;
  /** The first hundred. */
  readonly kept: Refusal[] = [];

  /** Counts a refusal. `reason` is only asked for while refusals are still kept. */
  add(line: number, request: () => string, reason: () => string): void {
    this.count++;
    if (this.kept.length < KEPT) this.kept.push({ line, request: request(), reason: reason() });
  }
}

/** Why whatever is asked of a domain is refused that could not be made. */
export const NO_DOMAIN_MEMORY = 'ENOMEM, no memory for the first-level table of its domain';

/** What a map or unmap asks for: `map iova 0x1000 size 0x2000`. */
export function requestText({ maps, iova, size }: Pick<Edit, 'maps' | 'iova' | 'size'>): string {
  return `${maps ? 'map' : 'unmap'} iova ${hexText(iova)} size ${hexText(size)}`;
}
