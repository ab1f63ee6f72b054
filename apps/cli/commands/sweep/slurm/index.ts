/** Sweeps as job arrays of Slurm. */
export { SlurmEngine, settle } from './slurm-engine.ts';
