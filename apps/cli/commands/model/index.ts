/** Commands about the model itself: its configuration, what it is held against, its MMUs for other programs. */
export * as config from './config.ts';
export * as conform from './conform.ts';
export * as device from './device.ts';
export * as translate from './translate.ts';
export * as validate from './validate.ts';
