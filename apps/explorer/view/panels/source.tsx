import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ask, openFiles, progress, samples, scrub, seek, snapshot, source, why } from '../store.ts';
import { addressText, cyclesText, roughBytes } from '../words.ts';
import { Playback } from './playback.tsx';
import { Plot } from './plot.tsx';

const over = signal(false);

/** The whole page takes what is dropped on it. */
export function DropTarget() {
  useEffect(() => {
    const enter = (event: DragEvent): void => {
      if (event.dataTransfer?.types.includes('Files') !== true) return;
      event.preventDefault();
      over.value = true;
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) over.value = false;
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      over.value = false;
      openFiles([...(event.dataTransfer?.files ?? [])]);
    };
    addEventListener('dragover', enter);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', enter);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return over.value ? <div class="drop">a capture, or the two files of a memory image</div> : null;
}

export function Progress() {
  const now = progress.value;
  if (now === null) return null;
  return (
    <p class="progress" role="status">
      <progress value={now.done} max={1} aria-label={now.what} /> {now.what}
    </p>
  );
}

/** A capture with its plots and the place where it stands; of an image only its name. */
export function Capture() {
  const now = source.value;
  if (now === null) return null;
  const { kind, name, events, complete, options } = now;
  const points = samples.value;
  return (
    <section class="capture" aria-labelledby="capture-title">
      <div class="line">
        <h2 id="capture-title">{kind === 'capture' ? 'Capture' : 'Memory image'}</h2>
        <span class="mono">{name}</span>
        {kind === 'capture' && (
          <span class="note">
            {events.toLocaleString('en')} events{complete ? '' : ', the first of more'}
          </span>
        )}
        <button type="button" class="quiet" onClick={() => ask({ kind: 'close' })}>
          close it
        </button>
      </div>
      {options.length > 0 && (
        <div class="line">
          <span class="note">replayed on</span>
          {options.map(({ field, label, options: values, value }) => (
            <label class="choice" key={field}>
              <span>{label}</span>
              <select
                value={value}
                onChange={({ currentTarget }) => ask({ kind: 'replay', field, value: currentTarget.value })}
              >
                {values.map(([option, title]) => (
                  <option key={option} value={option}>
                    {title}
                  </option>
                ))}
              </select>
            </label>
          ))}
        </div>
      )}
      {kind === 'capture' && points !== null && (
        <>
          <div class="plots">
            <Plot title="live bytes" values={points.liveBytes} text={roughBytes} />
            <Plot title="table memory" values={points.tableBytes} text={roughBytes} />
            <Plot title="TLB hits" values={points.hitShare} text={(share) => `${(100 * share).toFixed(1)} %`} />
            <Plot title="99 of 100 accesses within" values={points.p99} text={cyclesText} />
          </div>
          <Scrubber events={events} />
          <Why />
        </>
      )}
    </section>
  );
}

function Scrubber({ events }: { events: number }) {
  const at = scrub.value;
  const behind = source.value !== null && source.value.at !== at;
  const step = (by: number): void => seek(Math.max(0, Math.min(events, at + by)));
  return (
    <div class="line scrubber">
      <button type="button" aria-label="One event back" disabled={at <= 0} onClick={() => step(-1)}>
        ◀
      </button>
      <input
        type="range"
        min={0}
        max={events}
        value={at}
        aria-label="Event of the capture"
        onInput={({ currentTarget }) => seek(Number(currentTarget.value))}
      />
      <button type="button" aria-label="One event on" disabled={at >= events} onClick={() => step(1)}>
        ▶
      </button>
      <span class="mono place">
        {at.toLocaleString('en')} of {events.toLocaleString('en')}
        {behind ? ' …' : ''}
      </span>
      <Playback events={events} />
    </div>
  );
}

/** What the capture says about the address that is looked at, at this moment. */
function Why() {
  const address = snapshot.value?.split.iova ?? '0x0';
  return (
    <>
      <div class="line">
        <button type="button" onClick={() => ask({ kind: 'why' })}>
          who mapped <span class="mono">{addressText(address)}</span>, and when did it go?
        </button>
      </div>
      {why.value.length > 0 && (
        <pre class="mono answer" aria-live="polite">
          {why.value.join('\n')}
        </pre>
      )}
    </>
  );
}
