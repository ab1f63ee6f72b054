/** Sweeps: which runs there are, what each is called, and what came out of all of them. Who runs them is not said here. */
export * from './effects.ts';
export * from './page.ts';
export * from './pareto.ts';
export * from './plan.ts';
export * from './points.ts';
export { runId } from './run-id.ts';
export * from './summary.ts';
