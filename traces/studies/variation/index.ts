/** What is varied: the vocabulary of `--vary`, for comparisons and sweeps. */
export * from './variation.ts';
