import { signal } from '@preact/signals';
import type { DoneLine } from '../../model/index.ts';
import { snapshot } from '../store.ts';
import { cyclesText } from '../words.ts';

const picked = signal(-1);

/** What was done, in order: who worked on it, for how long, and with what. */
export function Time() {
  const now = snapshot.value;
  if (now === null) return null;
  const { done } = now;
  const at = picked.value >= 0 && picked.value < done.length ? picked.value : done.length - 1;
  const shown = done[at];
  return (
    <section class="time" aria-labelledby="time-title">
      <div class="line">
        <h2 id="time-title">Time</h2>
        <span class="note">
          {done.length === 0 ? 'Nothing was done yet.' : `${cyclesText(now.cycles)} since the start`}
        </span>
      </div>
      {done.length > 0 && (
        <ol class="lane plain">
          {done.map((one, number) => (
            <li key={`${number} ${one.line}`} style={{ flexGrow: weight(one) }}>
              <button
                type="button"
                class={`moment ${one.by}${one.bad ? ' bad' : ''}`}
                aria-pressed={number === at}
                title={`${one.line}: ${one.text}`}
                onClick={() => (picked.value = number)}
              >
                <span class="bars" aria-hidden="true">
                  {one.parts.map(([name, cycles], part) => (
                    <i key={name} class={`part${part % 3}`} style={{ flexGrow: cycles }} />
                  ))}
                </span>
                <span class="what">{one.line.split(' ')[0]}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
      {shown !== undefined && <Moment one={shown} />}
    </section>
  );
}

/** Long things are longer, but a walk of hundreds of cycles does not hide one of two. */
function weight({ cycles }: DoneLine): number {
  return 1 + Math.log2(1 + cycles);
}

function Moment({ one }: { one: DoneLine }) {
  const { line, text, bad, cycles, by, parts, commands } = one;
  return (
    <p class="moment-text">
      <span class="mono">{line}</span> <span class={bad ? 'bad' : ''}>{text}</span>
      {by !== 'nobody' && (
        <span class="note">
          . {by === 'CPU' ? 'The CPU' : 'The device'}: {cyclesText(cycles)}
          {parts.length > 1 && ` (${parts.map(([name, spent]) => `${name} ${Math.round(spent)}`).join(', ')})`}
          {commands.length > 0 &&
            `; ${commands.map(([name, count]) => (count > 1 ? `${count} × ${name}` : name)).join(', ')}`}
        </span>
      )}
    </p>
  );
}
