import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { currentStep, walkTo } from './store.ts';

export const keysShown = signal(false);

const KEYS: readonly (readonly [key: string, what: string])[] = [
  ['← →', 'the step before, the next step of the walk'],
  ['/', 'to the address'],
  ['m', 'to map'],
  ['u', 'to unmap'],
  ['t', 'to touch'],
  ['l', 'to a line of your own'],
  ['?', 'this list'],
];

/** Fields that a key leads to, by their id. */
const FIELDS: Readonly<Record<string, string>> = {
  '/': 'address',
  m: 'map-iova',
  u: 'unmap-iova',
  t: 'touch-iova',
  l: 'line',
};

export function installKeys(): () => void {
  const listen = (event: KeyboardEvent): void => {
    const { target, key } = event;
    const typing = target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const field = FIELDS[key];
    if (key === 'ArrowRight') walkTo(currentStep.value + 1);
    else if (key === 'ArrowLeft') walkTo(currentStep.value - 1);
    else if (key === '?') keysShown.value = true;
    else if (field !== undefined) {
      const found = document.getElementById(field);
      if (found instanceof HTMLInputElement) {
        found.focus();
        found.select();
      }
    } else return;
    event.preventDefault();
  };
  addEventListener('keydown', listen);
  return () => removeEventListener('keydown', listen);
}

export function KeyList() {
  const dialog = useRef<HTMLDialogElement>(null);
  const shown = keysShown.value;
  useEffect(() => {
    const { current } = dialog;
    if (shown && current?.open === false) current.showModal();
  }, [shown]);
  return (
    <dialog ref={dialog} aria-labelledby="keys-title" onClose={() => (keysShown.value = false)}>
      <h2 id="keys-title">Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <button type="submit">close</button>
      </form>
    </dialog>
  );
}
