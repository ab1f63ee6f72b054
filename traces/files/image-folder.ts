import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  type CapturedImage,
  type ExpectedLeaf,
  IMAGE_DESCRIPTION,
  IMAGE_PAGES,
  MemoryImage,
  parseLeafList,
} from '../image/index.ts';
import { InputError } from '../input-error.ts';
import { makeFolder } from './folder.ts';
import { WholeFile } from './whole-file.ts';

/** Reads an image folder. @throws InputError when a file is missing, cut short or not what it should be */
export function loadImage(folder: string): MemoryImage {
  const text = readFile(join(folder, IMAGE_DESCRIPTION), folder).toString('utf8');
  return MemoryImage.parse(folder, text, readFile(join(folder, IMAGE_PAGES)));
}

/**
 * Writes an image to a folder, which is made when it is not there; its two files appear whole or not at all.
 * @param option the option that names the folder, for complaints
 * @throws ConfigError when they cannot be written
 */
export function writeImage(option: string, folder: string, image: CapturedImage): void {
  makeFolder(option, folder);
  const pages = new WholeFile(option, join(folder, IMAGE_PAGES));
  const description = new WholeFile(option, join(folder, IMAGE_DESCRIPTION));
  try {
    for (const page of image.pages) pages.write(page);
    description.write(image.description);
    // The description comes last: without it, nobody takes the pages for an image.
    pages.commit();
    description.commit();
  } finally {
    pages.abandon();
    description.abandon();
  }
}

/** Reads a leaf list: one JSON object per line, gzipped or not. @throws InputError naming the line */
export function readLeafList(file: string): ExpectedLeaf[] {
  return parseLeafList(file, readText(file));
}

function readFile(file: string, folder?: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      const found = statSync(folder, { throwIfNoEntry: false }) === undefined ? 'no such folder' : 'no folder';
      throw new InputError(folder, '', found, 'a folder with pt.json and pt.pages.bin');
    }
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error);
    throw new InputError(file, '', reason, 'a readable file');
  }
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const found = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'a folder' : String(error);
    throw new InputError(file, '', found, 'a leaf list, gzipped or not');
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString('utf8');
  try {
    return gunzipSync(bytes).toString('utf8');
  } catch (error) {
    throw new InputError(file, '', error instanceof Error ? error.message : String(error), 'a whole gzip file');
  }
}
