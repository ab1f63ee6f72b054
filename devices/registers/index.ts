/** How drivers reach registers, and how a device declares them. */
export { type PollKernel, RegisterPoll } from './poll.ts';
export type { RegisterPort } from './register-port.ts';
