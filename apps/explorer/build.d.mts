/** @returns the page, whole */
export function buildExplorer(): Promise<string>;
