/** The editor of short-descriptor tables. */
export { V7S_FORMAT } from './table.ts';
