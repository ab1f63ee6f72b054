/** One hardware address space: its registers, what they say of tables, and what the walker is told. */
export { AddressSpace, endsLock } from './address-space.ts';
export { AddressSpaceContexts } from './contexts.ts';
export { type Halves, translationOf } from './translation.ts';
