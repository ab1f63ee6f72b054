/** Hit rates of all sizes of a machine's caches, out of one run. */
export * from './miss-curves.ts';
export { missCurvePage } from './page.ts';
