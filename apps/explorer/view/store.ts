/** What the page shows, as signals, and the one way to the worker. */
import { computed, signal } from '@preact/signals';
import type {
  EntryView,
  Explained,
  GivenFile,
  LessonView,
  Reply,
  Request,
  Samples,
  Snapshot,
  SourceView,
} from '../model/index.ts';

export const snapshot = signal<Snapshot | null>(null);
export const lesson = signal<LessonView | null>(null);
export const lessons = signal<readonly { readonly id: string; readonly title: string }[]>([]);
export const entry = signal<EntryView | null>(null);
export const explained = signal<Explained | null>(null);
/** Capture or image that is open. */
export const source = signal<SourceView | null>(null);
export const samples = signal<Samples | null>(null);
/** What the capture says about the address that is looked at; empty until somebody asks. */
export const why = signal<readonly string[]>([]);
/** Event of the capture that is looked at: the worker follows. */
export const scrub = signal(0);
/** Work that takes its time. */
export const progress = signal<{ readonly done: number; readonly what: string } | null>(null);
/** One line about what went wrong last. */
export const complaint = signal('');
/** Event of the walk that is shown as the current one; -1 for the last. */
export const step = signal(-1);
/** What the worker is asked and has not answered. */
export const busy = signal(true);

export const events = computed(() => snapshot.value?.walk?.story.events ?? []);
export const currentStep = computed(() => {
  const last = events.value.length - 1;
  return step.value < 0 || step.value > last ? last : step.value;
});

let worker: Worker | null = null;

/** Starts the worker from the source that stands in the page. */
export function start(): void {
  const source = document.getElementById('worker')?.textContent ?? '';
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  worker = new Worker(url);
  worker.onmessage = ({ data }: MessageEvent<Reply>) => takeAtRest(data);
  worker.onerror = (event) => {
    complaint.value = `The emulator stopped: ${event.message}`;
  };
  ask({ kind: 'open', params: paramsOf(location.hash) });
  void openServed();
  addEventListener('hashchange', () => {
    if (location.hash !== written) ask({ kind: 'open', params: paramsOf(location.hash) });
  });
}

export function ask(request: Request): void {
  complaint.value = '';
  busy.value = true;
  worker?.postMessage(request);
}

/** Does something with the machine: lines of the script, or deeds of the page. */
export function act(...deeds: string[]): void {
  ask({ kind: 'do', deeds });
}

/** How a saved state is called. */
const STATE_NAME = 'state.tablewalk.json';

/** Saves the state as a file: the same that a link has, of any length. */
export function saveState(): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(shown, null, 1)], { type: 'application/json' }));
  link.download = STATE_NAME;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Opens a saved state. */
async function openState(file: File): Promise<void> {
  try {
    const saved: unknown = JSON.parse(await file.text());
    const fields = Object.entries(saved ?? {}).filter(([, value]) => typeof value === 'string');
    ask({ kind: 'open', params: Object.fromEntries(fields) as Record<string, string> });
  } catch {
    complaint.value = `${file.name}: no saved state`;
  }
}

/** Opens what a person brought. */
export function openFiles(files: readonly File[]): void {
  const [first] = files;
  if (first?.name.endsWith('.tablewalk.json') === true) {
    void openState(first);
    return;
  }
  const given: GivenFile[] = files.map((file) => ({ name: file.name, blob: file }));
  if (given.length > 0) ask({ kind: 'files', files: given });
}

/** Looks at another event of the capture, and at an address of one's own instead of the one that was mapped or unmapped last. */
export function seek(event: number, address?: string): void {
  scrub.value = event;
  moved = performance.now();
  worker?.postMessage({ kind: 'seek', event, ...(address === undefined ? {} : { address }) } satisfies Request);
}

/** Opens the files that the page was served with. */
async function openServed(): Promise<void> {
  const list: unknown = JSON.parse(document.body.dataset['open'] || '[]');
  if (!Array.isArray(list) || list.length === 0) return;
  progress.value = { done: 0, what: 'the files are fetched' };
  try {
    const files: GivenFile[] = [];
    for (const { name, href } of list as { name: string; href: string }[]) {
      files.push({ name, blob: await (await fetch(href)).blob() });
    }
    ask({ kind: 'files', files });
  } catch (error) {
    progress.value = null;
    complaint.value = `The files could not be fetched: ${(error as Error).message}`;
  }
}

export function walkTo(at: number): void {
  step.value = Math.max(0, Math.min(at, events.value.length - 1));
}

let written = '';
/** What the page shows, as a link or a file says it. */
let shown: Readonly<Record<string, string>> = {};

/** While somebody scrubs, the plots follow at once, and the tables as soon as he rests for this long. */
const REST_MS = 90;
let moved = Number.NEGATIVE_INFINITY;
let held: Reply | null = null;

/** Takes a reply now, or when the hand rests; of several only the last. */
function takeAtRest(reply: Reply): void {
  const wait = reply.kind === 'state' ? moved + REST_MS - performance.now() : 0;
  if (wait > 0) {
    if (held === null) setTimeout(release, wait);
    held = reply;
  } else {
    if (reply.kind === 'state') held = null;
    take(reply);
  }
}

function release(): void {
  if (held !== null) {
    const reply = held;
    held = null;
    takeAtRest(reply);
  }
}

function take(reply: Reply): void {
  busy.value = false;
  switch (reply.kind) {
    case 'state':
      if (reply.snapshot.walk?.story.iova !== snapshot.value?.walk?.story.iova) step.value = -1;
      if (reply.snapshot.done.length !== snapshot.value?.done.length) {
        step.value = -1;
        entry.value = null;
      }
      if (reply.snapshot.split.iova !== snapshot.value?.split.iova || reply.source?.at !== source.value?.at)
        why.value = [];
      snapshot.value = reply.snapshot;
      if (reply.source?.name !== source.value?.name) scrub.value = reply.source?.at ?? 0;
      source.value = reply.source;
      progress.value = null;
      lesson.value = reply.lesson;
      lessons.value = reply.lessons;
      shown = reply.params;
      written = hashOf(reply.params);
      if (location.hash !== written) history.replaceState(null, '', written);
      break;
    case 'entry':
      entry.value = reply.entry;
      break;
    case 'explained':
      explained.value = reply;
      break;
    case 'progress':
      progress.value = reply;
      break;
    case 'why':
      why.value = reply.lines;
      break;
    case 'samples':
      samples.value = reply.samples;
      break;
    case 'refused':
      progress.value = null;
      complaint.value = reply.text;
      break;
  }
}

/** Colons, commas and the like stay as they are: a link is read by people, too. */
function hashOf(params: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(params).toString();
  return `#${text.replaceAll('%3B', ';').replaceAll('%2C', ',').replaceAll('%2F', '/')}`;
}

function paramsOf(hash: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
}
