/** Mali's LPAE mode: the editor of LPAE tables with leaves and registers of its own. */
export { MALI_FORMAT } from './format.ts';
