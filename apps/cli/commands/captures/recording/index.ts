/** A shell script that records a capture. */
export { register } from './record-script.ts';
