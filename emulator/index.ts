export * from './mmu/regime.ts';
export * from './mmu/stage-walk.ts';
export * from './mmu/walk-state.ts';
