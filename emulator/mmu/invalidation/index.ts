/** Dropping what an MMU remembers: one port that the commands and registers of every device end in, and who watches it. */
export { ANY } from './entry-dropper.ts';
export type { InvalidationObserver } from './observer.ts';
export { InvalidationPort } from './port.ts';
