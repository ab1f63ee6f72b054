import { BlobSource, IMAGE_DESCRIPTION, IMAGE_PAGES, InputError, MemoryImage } from '../../../../traces/browser.ts';
import { ImageRig } from './image-rig.ts';
import { LoadedCapture } from './loaded-capture.ts';
import { Playback } from './playback.ts';

/** A file that a person gave to the page. */
export interface GivenFile {
  readonly name: string;
  readonly blob: Blob;
}

/** Larger descriptions and images of memory than these would not fit into a page. */
const MOST_DESCRIPTION = 64 * 2 ** 20;
const MOST_IMAGE = 2 ** 30;
const LONGEST_NAME = 80;

/**
 * Opens what was dropped: the two files of a memory image, or captures in any form that the readers know.
 *
 * @param onProgress share of the work that is done, and what is being done
 * @throws InputError, in one line
 */
export async function openFiles(
  files: readonly GivenFile[],
  onProgress: (done: number, what: string) => void,
): Promise<ImageRig | Playback> {
  const description = files.find(({ name }) => name.endsWith(IMAGE_DESCRIPTION) || name.endsWith('.json'));
  const pages = files.find(({ name }) => name.endsWith(IMAGE_PAGES) || name.endsWith('.bin'));
  if (files.length === 2 && description !== undefined && pages !== undefined) {
    if (description.blob.size > MOST_DESCRIPTION || pages.blob.size > MOST_IMAGE) {
      throw new InputError(
        shortName(pages.name),
        '',
        `${pages.blob.size} bytes`,
        `an image of at most ${MOST_IMAGE} bytes`,
      );
    }
    onProgress(0, 'the image is read');
    const bytes = new Uint8Array(await pages.blob.arrayBuffer());
    return new ImageRig(MemoryImage.parse(shortName(description.name), await description.blob.text(), bytes));
  }
  if (files.length === 1 && (description ?? pages) !== undefined && pages?.name.endsWith(IMAGE_PAGES) !== false) {
    const missing = description === undefined ? IMAGE_DESCRIPTION : IMAGE_PAGES;
    const image = description === undefined || description.name.endsWith(IMAGE_DESCRIPTION);
    if (image)
      throw new InputError(
        shortName(files[0]?.name ?? ''),
        '',
        'half of a memory image',
        `both files: ${missing} as well`,
      );
  }
  const sources = files.map(({ name, blob }) => new BlobSource(shortName(name), blob));
  const capture = await LoadedCapture.read(sources, (done) => onProgress(done / 2, 'the capture is read'));
  return Playback.start(capture, {}, (done) => onProgress(0.5 + done / 2, 'the capture is replayed'));
}

function shortName(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}
