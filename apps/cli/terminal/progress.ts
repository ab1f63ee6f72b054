import { Presets, SingleBar } from 'cli-progress';

/** A bar on the terminal: share of the work, events per second, time left. Silent in a pipe. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #started = performance.now();
  #running = false;

  constructor() {
    this.#bar =
      process.stderr.isTTY && process.env['TERM'] !== 'dumb'
        ? new SingleBar(
            {
              format: ' {bar} {percentage} %  {what}  {left} left',
              stream: process.stderr,
              hideCursor: true,
              clearOnComplete: true,
              fps: 10,
            },
            Presets.shades_classic,
          )
        : null;
  }

  /** @param done share of the work, 0 to 1 @param events events so far @param note what to say instead of events per second */
  update(done: number, events: number, note = ''): void {
    const bar = this.#bar;
    if (bar === null) return;
    const seconds = (performance.now() - this.#started) / 1000;
    const rate = Math.round(events / Math.max(seconds, 1e-3)).toLocaleString('en');
    const what = note === '' ? `${rate} events/s` : note;
    const thousandths = Math.min(1000, Math.floor(1000 * done));
    const left = done > 0 && seconds > 1 ? duration((seconds / done) * (1 - done)) : '-';
    if (this.#running) bar.update(thousandths, { what, left });
    else {
      bar.start(1000, thousandths, { what, left });
      this.#running = true;
    }
  }

  end(): void {
    if (!this.#running) return;
    this.#bar?.stop();
    this.#running = false;
  }
}

/** `85 s`, `4 min`. */
function duration(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
