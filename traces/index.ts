export * from './browser.ts';
export * from './files/index.ts';
