/** How maps and unmaps get into the tables, and when what they left in the TLBs goes. */
export { BindEdits } from './bind-edits.ts';
export { DirectEdits } from './direct-edits.ts';
export { InvalidationPolicy } from './invalidation-policy.ts';
