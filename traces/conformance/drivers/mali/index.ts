/** Linux's panfrost and panthor, held against what they did. */
export { PANFROST_RUNNERS } from './panfrost.ts';
export { PANTHOR_RUNNERS } from './panthor.ts';
