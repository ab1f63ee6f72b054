/** Files that the bundler takes as text. */
declare module '*.sh' {
  const text: string;

  // biome-ignore lint/style/noDefaultExport: a file taken as text has no other.
  export { text as default };
}
