import { Presets, SingleBar } from 'cli-progress';

/** A bar on the terminal: share of the file, events per second, time left. Silent in a pipe. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #started = performance.now();
  #running = false;

  constructor() {
    this.#bar = process.stderr.isTTY
      ? new SingleBar(
          {
            format: ' {bar} {percentage} %  {rate} events/s  {left} left',
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: true,
            fps: 10,
          },
          Presets.shades_classic,
        )
      : null;
  }

  /** @param done share of the input that was read, 0 to 1 @param events events so far */
  update(done: number, events: number): void {
    const bar = this.#bar;
    if (bar === null) return;
    const seconds = (performance.now() - this.#started) / 1000;
    const rate = Math.round(events / Math.max(seconds, 1e-3)).toLocaleString('en');
    const thousandths = Math.min(1000, Math.floor(1000 * done));
    const left = done > 0 && seconds > 1 ? duration((seconds / done) * (1 - done)) : '-';
    if (this.#running) bar.update(thousandths, { rate, left });
    else {
      bar.start(1000, thousandths, { rate, left });
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
