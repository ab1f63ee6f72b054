export { PerfettoTrace } from './timeline.ts';
