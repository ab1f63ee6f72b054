/** What the page shows, as signals, and the one way to the worker. */
import { computed, signal } from '@preact/signals';
import type { EntryView, Explained, LessonView, Reply, Request, Snapshot } from '../model/index.ts';

export const snapshot = signal<Snapshot | null>(null);
export const lesson = signal<LessonView | null>(null);
export const lessons = signal<readonly { readonly id: string; readonly title: string }[]>([]);
export const entry = signal<EntryView | null>(null);
export const explained = signal<Explained | null>(null);
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
  worker.onmessage = ({ data }: MessageEvent<Reply>) => take(data);
  worker.onerror = (event) => {
    complaint.value = `The emulator stopped: ${event.message}`;
  };
  ask({ kind: 'open', params: paramsOf(location.hash) });
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

export function walkTo(at: number): void {
  step.value = Math.max(0, Math.min(at, events.value.length - 1));
}

let written = '';

function take(reply: Reply): void {
  busy.value = false;
  switch (reply.kind) {
    case 'state':
      if (reply.snapshot.walk?.story.iova !== snapshot.value?.walk?.story.iova) step.value = -1;
      if (reply.snapshot.done.length !== snapshot.value?.done.length) {
        step.value = -1;
        entry.value = null;
      }
      snapshot.value = reply.snapshot;
      lesson.value = reply.lesson;
      lessons.value = reply.lessons;
      written = `#${new URLSearchParams(reply.params).toString()}`;
      if (location.hash !== written) history.replaceState(null, '', written);
      break;
    case 'entry':
      entry.value = reply.entry;
      break;
    case 'explained':
      explained.value = reply;
      break;
    case 'refused':
      complaint.value = reply.text;
      break;
  }
}

function paramsOf(hash: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(hash.replace(/^#/, '')));
}
