/** Address spaces and the numbers that they are given. */
export * from './domain.ts';
export { Domains } from './domains.ts';
