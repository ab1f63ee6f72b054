export * from './mmu/regime.ts';
