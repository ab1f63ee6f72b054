/** Commands that read captures, or make them. */
export * as check from './check.ts';
export * as compare from './compare.ts';
export * as generate from './generate.ts';
export * as missCurve from './miss-curve.ts';
export * as recordScript from './recording/index.ts';
export * as replay from './replay.ts';
export * as sql from './sql.ts';
export * as tables from './tables.ts';
export * as why from './why.ts';
