/** @returns the text of dist/THIRD-PARTY-LICENSES.txt */
export function thirdPartyLicences(): Promise<string>;
/** @returns the folders of the packages that a bundle holds code of */
export function bundledPackages(metafile: {
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >;
}): string[];
/** Title (name, version, licence) and text of every package. @throws Error when a package has no text */
export function licenceTexts(folders: Iterable<string>): { readonly title: string; readonly text: string }[];
