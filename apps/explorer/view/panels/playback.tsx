import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { samples, scrub, seek } from '../store.ts';

/** How fast a capture is played: with its own clock, slower and faster, or all of it in so many seconds. */
const SPEEDS: readonly (readonly [value: string, title: string])[] = [
  ['all 60', 'all in a minute'],
  ['all 15', 'all in 15 s'],
  ['0.001', '1/1000 of its time'],
  ['0.01', '1/100 of its time'],
  ['0.1', '1/10 of its time'],
  ['1', 'its own time'],
  ['10', '10 times as fast'],
];
const TICK_MS = 100;

const playing = signal(false);
const speed = signal('all 60');

/** Lets the capture go on by itself. */
export function Playback({ events }: { events: number }) {
  const isPlaying = playing.value;
  const chosen = speed.value;
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setInterval(() => {
      const next = eventAfter(scrub.value, chosen, events);
      if (next !== scrub.value) seek(next);
      if (next >= events) playing.value = false;
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [isPlaying, chosen, events]);
  useEffect(() => () => (playing.value = false), []);
  return (
    <>
      <button
        type="button"
        aria-label={isPlaying ? 'Pause the capture' : 'Play the capture'}
        aria-pressed={isPlaying}
        onClick={() => {
          carried = 0;
          if (!isPlaying && scrub.value >= events) seek(0);
          playing.value = !isPlaying;
        }}
      >
        {isPlaying ? '❚❚' : '▶▶'}
      </button>
      <label class="choice">
        <span>speed</span>
        <select value={chosen} onChange={({ currentTarget }) => (speed.value = currentTarget.value)}>
          {SPEEDS.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

/** Parts of an event that were due and not yet whole. */
let carried = 0;

/** Where the capture stands one tick later. Between two points of the plots its events are taken to be evenly spread. */
function eventAfter(at: number, chosen: string, events: number): number {
  const all = /^all (\d+)$/.exec(chosen)?.[1];
  if (all !== undefined) carried += (events * TICK_MS) / 1000 / Number(all);
  else {
    const { event = [], seconds = [] } = samples.value ?? {};
    const point = Math.max(
      1,
      event.findIndex((one) => one > at),
    );
    const rate = ((event[point] ?? 0) - (event[point - 1] ?? 0)) / ((seconds[point] ?? 0) - (seconds[point - 1] ?? 0));
    const due = (rate * Number(chosen) * TICK_MS) / 1000;
    carried += Number.isFinite(due) ? due : 1;
  }
  const whole = Math.floor(carried);
  carried -= whole;
  return Math.min(events, at + whole);
}
