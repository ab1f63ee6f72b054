/** How likely a call is one domain's: what is live and free in an address space, and the habits of those who map. */
export { AddressSpace } from './address-space.ts';
export { Evidence } from './evidence.ts';
export { mix } from './freed-stack.ts';
export { Judge } from './judge.ts';
export { latecomerChance, newcomerChance } from './newcomer.ts';
