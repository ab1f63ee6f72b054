/** What made a result. A test holds it against package.json. */
export const TOOL = { name: 'tablewalk', version: '0.1.0' } as const;
