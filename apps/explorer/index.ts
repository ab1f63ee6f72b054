/** The explorer as the command line knows it: a page, and who serves it. */
export { type ServedFile, type ServedPage, serveExplorer } from './serve.ts';
